/**
 * ChaCha20-Poly1305 by libIPSec_MB's job interface: one call a packet. This algorithm is not spread over lanes, so a job
 * is done when it was submitted.
 */
import { aadPointer, noncePointer, tagPointer } from "./esp_scratch.ts";
import * as job from "./ipsec_mb_jobs.ts";
import { addressHalves, type JobRing, store64 } from "./ipsec_mb_jobs.ts";
import { storeAddress } from "./struct_layout.ts";

const IMB_CIPHER_CHACHA20_POLY1305 = 19;
const IMB_AUTH_CHACHA20_POLY1305 = 29;

// Hash parameters, offsets in words.
const AAD = job.HASH_PARAMETERS;
const AAD_LENGTH = AAD + 2;
const SGL_CONTEXT = AAD + 4;

const [NONCE_LO, NONCE_HI] = addressHalves(noncePointer);
const [AAD_LO, AAD_HI] = addressHalves(aadPointer);
const [TAG_LO, TAG_HI] = addressHalves(tagPointer);

export class ChachaJobs {
  readonly #ring: JobRing;

  constructor(ring: JobRing) {
    this.#ring = ring;
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
    const { i32 } = this.#ring;
    const at = this.#ring.next();
    store64(i32, at + job.ENC_KEYS, keyLo, keyHi);
    store64(i32, at + job.DEC_KEYS, keyLo, keyHi);
    store64(i32, at + job.KEY_LENGTH, 32, 0);
    storeAddress(i32, at + job.SRC, lo, hi, offset);
    store64(i32, at + job.DST, i32[at + job.SRC], i32[at + job.SRC + 1]);
    store64(i32, at + job.CIPHER_START, 0, 0);
    store64(i32, at + job.CIPHER_LENGTH, length, 0);
    store64(i32, at + job.HASH_START, 0, 0);
    store64(i32, at + job.HASH_LENGTH, length, 0);
    store64(i32, at + job.IV, NONCE_LO, NONCE_HI);
    store64(i32, at + job.IV_LENGTH, 12, 0);
    store64(i32, at + job.TAG_OUTPUT, TAG_LO, TAG_HI);
    store64(i32, at + job.TAG_LENGTH, 16, 0);
    store64(i32, at + AAD, AAD_LO, AAD_HI);
    store64(i32, at + AAD_LENGTH, aadBytes, 0);
    store64(i32, at + SGL_CONTEXT, 0, 0);
    i32[at + job.STATUS] = 0;
    i32[at + job.CIPHER_MODE] = IMB_CIPHER_CHACHA20_POLY1305;
    i32[at + job.CIPHER_DIRECTION] = encrypt ? job.IMB_DIR_ENCRYPT : job.IMB_DIR_DECRYPT;
    i32[at + job.HASH_ALG] = IMB_AUTH_CHACHA20_POLY1305;
    i32[at + job.CHAIN_ORDER] = encrypt ? job.IMB_ORDER_CIPHER_HASH : job.IMB_ORDER_HASH_CIPHER;
    this.#ring.submit();
    return i32[at + job.STATUS] === job.IMB_STATUS_COMPLETED;
  }
}
