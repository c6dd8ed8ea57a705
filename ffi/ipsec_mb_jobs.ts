/**
 * The job interface of libIPSec_MB: a manager with a ring of structs, one for each packet.
 *
 * The structs are those of version 1.3 (intel-ipsec-mb.h); any other version means: not available.
 */
import { type IpsecMb, SONAME } from "./ipsec_mb.ts";

const VERSION_1_3 = 0x103;

// struct IMB_MGR, byte offsets.
const SUBMIT_JOB = 72;
const FLUSH_JOB = 96;
const EARLIEST_JOB = 1016;
const NEXT_JOB = 1020;
const JOBS = 1024;
const JOB_BYTES = 200;
const MAX_JOBS = 256;
const MANAGER_BYTES = JOBS + MAX_JOBS * JOB_BYTES;

// struct IMB_JOB, offsets in words of 32 bits; a field of 64 bits takes two.
export const ENC_KEYS = 0;
export const DEC_KEYS = 2;
export const KEY_LENGTH = 4;
export const SRC = 6;
export const DST = 8;
export const CIPHER_START = 10;
export const CIPHER_LENGTH = 12;
export const HASH_START = 14;
export const HASH_LENGTH = 16;
export const IV = 18;
export const IV_LENGTH = 20;
export const TAG_OUTPUT = 22;
export const TAG_LENGTH = 24;
/** Parameters of the hash: what they are depends on its algorithm. */
export const HASH_PARAMETERS = 26;
export const STATUS = 32;
export const CIPHER_MODE = 33;
export const CIPHER_DIRECTION = 34;
export const HASH_ALG = 35;
export const CHAIN_ORDER = 36;

export const IMB_DIR_ENCRYPT = 1;
export const IMB_DIR_DECRYPT = 2;
export const IMB_ORDER_CIPHER_HASH = 1;
export const IMB_ORDER_HASH_CIPHER = 2;
export const IMB_STATUS_COMPLETED = 3;

const SETS = [
  "avx512_t2",
  "avx512_t1",
  "avx2_t2",
  "avx2_t1",
  "avx_t2",
  "avx_t1",
  "sse_t3",
  "sse_t2",
  "sse_t1",
];

const jobSymbols = (submit: string, flush: string) => ({
  submit: { name: submit, parameters: ["pointer"], result: "void" },
  flush: { name: flush, parameters: ["pointer"], result: "void" },
} as const);
type JobFunctions = Deno.DynamicLibrary<ReturnType<typeof jobSymbols>>["symbols"];

/** Opens the interface; null when the library is of another version or its manager not as it should be. */
export function openJobRing(mb: IpsecMb): JobRing | null {
  if (mb.version >> 8 !== VERSION_1_3) return null;
  const submit = mb.nameAt(SUBMIT_JOB, SETS.map((set) => `submit_job_${set}`));
  const flush = mb.nameAt(FLUSH_JOB, SETS.map((set) => `flush_job_${set}`));
  if (submit === null || flush === null) return null;
  const i32 = new Int32Array(Deno.UnsafePointerView.getArrayBuffer(mb.manager, MANAGER_BYTES));
  const next = i32[NEXT_JOB >> 2];
  const idle = i32[EARLIEST_JOB >> 2] === -1 && next >= 0 && next < MAX_JOBS * JOB_BYTES &&
    next % JOB_BYTES === 0;
  return idle ? new JobRing(Deno.dlopen(SONAME, jobSymbols(submit, flush)).symbols, mb.manager, i32) : null;
}

/** The ring of a manager. Whoever uses it leaves it empty. */
export class JobRing {
  /** The manager's memory: jobs are filled in here. */
  readonly i32: Int32Array;
  readonly #library: JobFunctions;
  readonly #manager: Deno.PointerObject;

  constructor(library: JobFunctions, manager: Deno.PointerObject, i32: Int32Array) {
    this.#library = library;
    this.#manager = manager;
    this.i32 = i32;
  }

  /** Word of the next job to fill in. */
  next(): number {
    return (JOBS + this.i32[NEXT_JOB >> 2]) >> 2;
  }

  /** Gives the library the job that next() named; it may be done at once, or when others have come. */
  submit(): void {
    this.#library.submit(this.#manager);
  }

  /** Has the library finish every job. Each call finishes one or more. */
  flush(): void {
    for (let calls = 0; this.i32[EARLIEST_JOB >> 2] >= 0 && calls < MAX_JOBS; calls++) {
      this.#library.flush(this.#manager);
    }
  }
}

/** Stores a pointer or a number of 64 bits. */
export function store64(i32: Int32Array, at: number, lo: number, hi: number): void {
  i32[at] = lo;
  i32[at + 1] = hi;
}

/** The address of `pointer` as two words. */
export function addressHalves(pointer: Deno.PointerObject): readonly [lo: number, hi: number] {
  const address = Deno.UnsafePointer.value(pointer);
  return [Number(address & 0xffffffffn) | 0, Number(address >> 32n)];
}
