/**
 * AES-CBC with HMAC-SHA256-128 by libIPSec_MB, for many packets side by side: each lane of the vector unit has one.
 *
 * CBC and SHA-256 go block by block, so one packet alone leaves the unit idle: 16 of 1408 bytes take 0.36 µs each, one
 * takes 4.9, and 1.7 by libcrypto, which has instructions for one.
 */
import { zeroPointer } from "./esp_scratch.ts";
import { type AlignedMemory, alignedMemory, type IpsecMb, SONAME } from "./ipsec_mb.ts";
import * as job from "./ipsec_mb_jobs.ts";
import { addressHalves, type JobRing, store64 } from "./ipsec_mb_jobs.ts";
import { storeAddress } from "./struct_layout.ts";

const IMB_CIPHER_CBC = 1;
const IMB_AUTH_HMAC_SHA_256 = 3;

// Hash parameters, offsets in words.
const INNER_PAD = job.HASH_PARAMETERS;
const OUTER_PAD = INNER_PAD + 2;

// struct IMB_MGR, byte offsets of function pointers.
const KEYEXP_128 = 112;
const KEYEXP_192 = 120;
const KEYEXP_256 = 128;
const SHA256_ONE_BLOCK = 176;

/** Fifteen round keys, as much as AES-256 needs. */
const ROUND_KEY_BYTES = 15 * 16;
const SHA256_BLOCK_BYTES = 64;
const SHA256_STATE_BYTES = 32;
const IV_BYTES = 16;
const ESP_HEADER_BYTES = 8;
const SEQ_HI_BYTES = 4;
export const ICV_BYTES = 16;

const keySymbols = (names: Record<"k128" | "k192" | "k256" | "block", string>) => ({
  k128: { name: names.k128, parameters: ["pointer", "pointer", "pointer"], result: "void" },
  k192: { name: names.k192, parameters: ["pointer", "pointer", "pointer"], result: "void" },
  k256: { name: names.k256, parameters: ["pointer", "pointer", "pointer"], result: "void" },
  block: { name: names.block, parameters: ["pointer", "pointer"], result: "void" },
} as const);
type KeyFunctions = Deno.DynamicLibrary<ReturnType<typeof keySymbols>>["symbols"];

const INSTRUCTIONS = ["avx512", "avx2", "avx", "sse"];
const [ZERO_LO, ZERO_HI] = addressHalves(zeroPointer);

/** The functions, or null when the manager holds others than this file knows. */
export function openCbcHmacJobs(mb: IpsecMb, ring: JobRing): CbcHmacJobs | null {
  const find = (offset: number, name: string) =>
    mb.nameAt(offset, INSTRUCTIONS.map((set) => `${name}_${set}`));
  const k128 = find(KEYEXP_128, "aes_keyexp_128");
  const k192 = find(KEYEXP_192, "aes_keyexp_192");
  const k256 = find(KEYEXP_256, "aes_keyexp_256");
  const block = find(SHA256_ONE_BLOCK, "sha256_one_block");
  if (k128 === null || k192 === null || k256 === null || block === null) return null;
  return new CbcHmacJobs(Deno.dlopen(SONAME, keySymbols({ k128, k192, k256, block })).symbols, ring);
}

/** Keys as the jobs want them. */
export interface CbcHmacKey {
  /** Round keys, then the SHA-256 states behind both pads (RFC 2104). */
  readonly memory: AlignedMemory;
  readonly cipherKeyBytes: number;
  readonly lo: number;
  readonly hi: number;
}

export class CbcHmacJobs {
  readonly #keys: KeyFunctions;
  readonly #ring: JobRing;

  constructor(keys: KeyFunctions, ring: JobRing) {
    this.#keys = keys;
    this.#ring = ring;
  }

  /** `cipherKey` of 16, 24 or 32 bytes. */
  expandKey(cipherKey: Uint8Array, authKey: Uint8Array): CbcHmacKey {
    const memory = alignedMemory(ROUND_KEY_BYTES + 2 * SHA256_STATE_BYTES);
    const at = (offset: number) => Deno.UnsafePointer.offset(memory.pointer, offset);
    const input = alignedMemory(SHA256_BLOCK_BYTES);
    input.u8.set(cipherKey);
    const { k128, k192, k256, block } = this.#keys;
    const expand = { 16: k128, 24: k192, 32: k256 }[cipherKey.length]!;
    const decryption = alignedMemory(ROUND_KEY_BYTES);
    expand(input.pointer, memory.pointer, decryption.pointer);
    decryption.u8.fill(0);
    [0x36, 0x5c].forEach((pad, i) => {
      input.u8.fill(pad);
      authKey.forEach((byte, k) => input.u8[k] ^= byte);
      block(input.pointer, at(ROUND_KEY_BYTES + i * SHA256_STATE_BYTES));
    });
    input.u8.fill(0);
    const [lo, hi] = addressHalves(memory.pointer);
    return { memory, cipherKeyBytes: cipherKey.length, lo, hi };
  }

  /**
   * Submits the packet whose ESP header is at address (`lo`, `hi`) + `offset`: CBC from the IV slot on with a zero IV,
   * then the MAC from the ESP header on, `seqHiBytes` (0 or 4) behind the text included, which the ICV then overwrites.
   * Returns the word of its job, for done().
   */
  submit(
    lo: number,
    hi: number,
    offset: number,
    length: number,
    key: CbcHmacKey,
    seqHiBytes: 0 | typeof SEQ_HI_BYTES,
  ): number {
    const { i32 } = this.#ring;
    const at = this.#ring.next();
    const bytes = IV_BYTES + length;
    store64(i32, at + job.ENC_KEYS, key.lo, key.hi);
    store64(i32, at + job.DEC_KEYS, key.lo, key.hi);
    store64(i32, at + job.KEY_LENGTH, key.cipherKeyBytes, 0);
    storeAddress(i32, at + job.SRC, lo, hi, offset);
    storeAddress(i32, at + job.DST, lo, hi, offset + ESP_HEADER_BYTES);
    store64(i32, at + job.CIPHER_START, ESP_HEADER_BYTES, 0);
    store64(i32, at + job.CIPHER_LENGTH, bytes, 0);
    store64(i32, at + job.HASH_START, 0, 0);
    store64(i32, at + job.HASH_LENGTH, ESP_HEADER_BYTES + bytes + seqHiBytes, 0);
    store64(i32, at + job.IV, ZERO_LO, ZERO_HI);
    store64(i32, at + job.IV_LENGTH, IV_BYTES, 0);
    storeAddress(i32, at + job.TAG_OUTPUT, lo, hi, offset + ESP_HEADER_BYTES + bytes);
    store64(i32, at + job.TAG_LENGTH, ICV_BYTES, 0);
    storeAddress(i32, at + INNER_PAD, key.lo, key.hi, ROUND_KEY_BYTES);
    storeAddress(i32, at + OUTER_PAD, key.lo, key.hi, ROUND_KEY_BYTES + SHA256_STATE_BYTES);
    i32[at + job.STATUS] = 0;
    i32[at + job.CIPHER_MODE] = IMB_CIPHER_CBC;
    i32[at + job.CIPHER_DIRECTION] = job.IMB_DIR_ENCRYPT;
    i32[at + job.HASH_ALG] = IMB_AUTH_HMAC_SHA_256;
    i32[at + job.CHAIN_ORDER] = job.IMB_ORDER_CIPHER_HASH;
    this.#ring.submit();
    return at;
  }

  /** Finishes all that was submitted. */
  flush(): void {
    this.#ring.flush();
  }

  /** Whether the library has done what submit() returned this for. */
  done(at: number): boolean {
    return this.#ring.i32[at + job.STATUS] === job.IMB_STATUS_COMPLETED;
  }
}
