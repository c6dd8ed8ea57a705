/**
 * ChaCha20-Poly1305 by libIPSec_MB's job interface: one call a packet.
 *
 * A job is a struct in the manager's ring. This algorithm is not spread over lanes, so a job is done when submit_job
 * returns, and the ring stays empty. The structs are those of version 1.3 (intel-ipsec-mb.h); any other version means:
 * not available.
 */
import { aadPointer, noncePointer, tagPointer } from "./esp_scratch.ts";
import { type IpsecMb, SONAME } from "./ipsec_mb.ts";
import { storeAddress } from "./struct_layout.ts";

const VERSION_1_3 = 0x103;

// struct IMB_MGR, byte offsets.
const SUBMIT_JOB = 72;
const EARLIEST_JOB = 1016;
const NEXT_JOB = 1020;
const JOBS = 1024;
const JOB_BYTES = 200;
const MAX_JOBS = 256;
const MANAGER_BYTES = JOBS + MAX_JOBS * JOB_BYTES;

// struct IMB_JOB, offsets in words of 32 bits; a field of 64 bits takes two.
const ENC_KEYS = 0;
const DEC_KEYS = 2;
const KEY_LENGTH = 4;
const SRC = 6;
const DST = 8;
const CIPHER_START = 10;
const CIPHER_LENGTH = 12;
const HASH_START = 14;
const HASH_LENGTH = 16;
const IV = 18;
const IV_LENGTH = 20;
const TAG_OUTPUT = 22;
const TAG_LENGTH = 24;
const AAD = 26;
const AAD_LENGTH = 28;
const SGL_CONTEXT = 30;
const STATUS = 32;
const CIPHER_MODE = 33;
const CIPHER_DIRECTION = 34;
const HASH_ALG = 35;
const CHAIN_ORDER = 36;

const IMB_CIPHER_CHACHA20_POLY1305 = 19;
const IMB_AUTH_CHACHA20_POLY1305 = 29;
const IMB_DIR_ENCRYPT = 1;
const IMB_DIR_DECRYPT = 2;
const IMB_ORDER_CIPHER_HASH = 1;
const IMB_ORDER_HASH_CIPHER = 2;
const IMB_STATUS_COMPLETED = 3;

const SUBMIT_NAMES = [
  "avx512_t2",
  "avx512_t1",
  "avx2_t2",
  "avx2_t1",
  "avx_t2",
  "avx_t1",
  "sse_t3",
  "sse_t2",
  "sse_t1",
].map((set) => `submit_job_${set}`);

const submitSymbol = (
  name: string,
) => ({ submit: { name, parameters: ["pointer"], result: "void" } } as const);
type Submit = Deno.DynamicLibrary<ReturnType<typeof submitSymbol>>["symbols"];

const [NONCE_LO, NONCE_HI] = addressHalves(noncePointer);
const [AAD_LO, AAD_HI] = addressHalves(aadPointer);
const [TAG_LO, TAG_HI] = addressHalves(tagPointer);

/** Opens the interface; null when the library is of another version or its manager not as it should be. */
export function openChachaJobs(mb: IpsecMb): ChachaJobs | null {
  if (mb.version >> 8 !== VERSION_1_3) return null;
  const name = mb.nameAt(SUBMIT_JOB, SUBMIT_NAMES);
  if (name === null) return null;
  const i32 = new Int32Array(Deno.UnsafePointerView.getArrayBuffer(mb.manager, MANAGER_BYTES));
  const next = i32[NEXT_JOB >> 2];
  const idle = i32[EARLIEST_JOB >> 2] === -1 && next >= 0 && next < MAX_JOBS * JOB_BYTES &&
    next % JOB_BYTES === 0;
  return idle ? new ChachaJobs(Deno.dlopen(SONAME, submitSymbol(name)).symbols, mb.manager, i32) : null;
}

export class ChachaJobs {
  readonly #library: Submit;
  readonly #manager: Deno.PointerObject;
  readonly #i32: Int32Array;

  constructor(library: Submit, manager: Deno.PointerObject, i32: Int32Array) {
    this.#library = library;
    this.#manager = manager;
    this.#i32 = i32;
  }

  /**
   * Encrypts or decrypts `length` bytes at address (`lo`, `hi`) + `offset` in place with the 32-byte key at address
   * (`keyLo`, `keyHi`). Nonce (12 bytes) and AAD are taken from esp_scratch.ts, the tag of 16 bytes is left there. Returns false
   * when the library refused.
   */
  run(
    lo: number,
    hi: number,
    offset: number,
    length: number,
    keyLo: number,
    keyHi: number,
    aadBytes: number,
    encrypt: boolean,
  ): boolean {
    const i32 = this.#i32;
    const job = (JOBS + i32[NEXT_JOB >> 2]) >> 2;
    store(i32, job + ENC_KEYS, keyLo, keyHi);
    store(i32, job + DEC_KEYS, keyLo, keyHi);
    store(i32, job + KEY_LENGTH, 32, 0);
    storeAddress(i32, job + SRC, lo, hi, offset);
    store(i32, job + DST, i32[job + SRC], i32[job + SRC + 1]);
    store(i32, job + CIPHER_START, 0, 0);
    store(i32, job + CIPHER_LENGTH, length, 0);
    store(i32, job + HASH_START, 0, 0);
    store(i32, job + HASH_LENGTH, length, 0);
    store(i32, job + IV, NONCE_LO, NONCE_HI);
    store(i32, job + IV_LENGTH, 12, 0);
    store(i32, job + TAG_OUTPUT, TAG_LO, TAG_HI);
    store(i32, job + TAG_LENGTH, 16, 0);
    store(i32, job + AAD, AAD_LO, AAD_HI);
    store(i32, job + AAD_LENGTH, aadBytes, 0);
    store(i32, job + SGL_CONTEXT, 0, 0);
    i32[job + STATUS] = 0;
    i32[job + CIPHER_MODE] = IMB_CIPHER_CHACHA20_POLY1305;
    i32[job + CIPHER_DIRECTION] = encrypt ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
    i32[job + HASH_ALG] = IMB_AUTH_CHACHA20_POLY1305;
    i32[job + CHAIN_ORDER] = encrypt ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
    this.#library.submit(this.#manager);
    return i32[job + STATUS] === IMB_STATUS_COMPLETED;
  }
}

function store(i32: Int32Array, at: number, lo: number, hi: number): void {
  i32[at] = lo;
  i32[at + 1] = hi;
}

/** The address of `pointer` as two words. */
export function addressHalves(pointer: Deno.PointerObject): readonly [lo: number, hi: number] {
  const address = Deno.UnsafePointer.value(pointer);
  return [Number(address & 0xffffffffn) | 0, Number(address >> 32n)];
}
