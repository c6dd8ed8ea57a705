/**
 * ESP transforms by Intel's libIPSec_MB: rfc4106(gcm(aes)) in one call a packet. The other algorithms are left to the
 * next backend (crypto_backend.ts): its CBC and HMAC work on many packets side by side and are slow for one.
 */
import type { CryptoBackend, EspTransform, EspTransformSpec } from "../datapath/esp/aead.ts";
import type { Batch } from "../datapath/batch.ts";
import {
  type AeadPlan,
  isRefusal,
  planTransform,
  type Refusal,
  refuseUnknown,
  wipePlan,
} from "./esp_algorithms.ts";
import { makeIvSecret, writeSeqIv } from "./esp_iv.ts";
import * as scratch from "./esp_scratch.ts";
import {
  type AlignedMemory,
  alignedMemory,
  expandGcmKey,
  gcmContext,
  type GcmFunctions,
  loadGcmFunctions,
} from "./ipsec_mb.ts";
import { pointerAt } from "./slab_pointers.ts";

const IV_BYTES = 8;
const ESP_HEADER_BYTES = 8;
const TEXT_AT = ESP_HEADER_BYTES + IV_BYTES;

let proved: GcmFunctions | null | undefined;

/** The backend, or null when this host lacks the library or its answers are not the known ones. */
export function ipsecMbBackend(): CryptoBackend | null {
  if (proved === undefined) {
    const gcm = loadGcmFunctions();
    proved = gcm !== null && givesKnownAnswers(gcm) ? gcm : null;
  }
  const gcm = proved;
  return gcm === null ? null : { name: "ipsec-mb", create: (spec) => create(gcm, spec) };
}

function create(gcm: GcmFunctions, spec: EspTransformSpec): EspTransform | Refusal {
  const plan = planTransform(spec);
  if (isRefusal(plan)) return plan;
  const made = plan.kind === "aead" && plan.algorithm.name === "rfc4106(gcm(aes))"
    ? new GcmTransform(gcm, plan, spec.esn)
    : refuseUnknown(
      plan.kind === "aead" ? plan.algorithm.name : plan.cipher.name,
      "libIPSec_MB does not have it",
    );
  wipePlan(plan);
  return made;
}

class GcmTransform implements EspTransform {
  readonly ivLength = IV_BYTES;
  readonly icvLength: number;
  readonly blockSize = 4;
  readonly #gcm: GcmFunctions;
  readonly #keyBytes: number;
  readonly #key: AlignedMemory;
  readonly #esn: boolean;
  readonly #aadBytes: bigint;
  readonly #icvBytes: bigint;
  readonly #salt: number;
  #destroyed = false;
  readonly #secret = makeIvSecret();

  constructor(gcm: GcmFunctions, plan: AeadPlan, esn: boolean) {
    this.#gcm = gcm;
    this.#keyBytes = plan.key.length;
    this.#key = expandGcmKey(gcm, plan.key);
    this.#esn = esn;
    this.#aadBytes = BigInt(esn ? scratch.AAD_ESN_BYTES : scratch.AAD_BYTES);
    this.icvLength = plan.icvLength;
    this.#icvBytes = BigInt(plan.icvLength);
    this.#salt = scratch.saltWord(plan.salt);
  }

  /** 1. IV, 2. nonce = salt ‖ IV, 3. AAD = SPI ‖ sequence number, 4. text in place and ICV, 5. ICV behind it. */
  seal(batch: Batch, esp: number, length: number, seqHi: number): boolean {
    if (this.#destroyed || length < 0) return false;
    writeSeqIv(batch, esp + ESP_HEADER_BYTES, seqHi, batch.view.getInt32(esp + 4), this.#secret);
    scratch.writeNonce(batch, esp, this.#salt);
    scratch.writeAad(batch, esp, seqHi, this.#esn);
    this.#encrypt(pointerAt(batch, esp + TEXT_AT), scratch.u64(length));
    scratch.copyTagToSlab(batch, esp + TEXT_AT + length, this.icvLength);
    return true;
  }

  /** 1. nonce from the packet's IV, 2. AAD, 3. text in place and ICV, 4. ICV compared in constant time. */
  open(batch: Batch, esp: number, length: number, seqHi: number): boolean {
    if (this.#destroyed || length < 0) return false;
    scratch.writeNonce(batch, esp, this.#salt);
    scratch.writeAad(batch, esp, seqHi, this.#esn);
    this.#decrypt(pointerAt(batch, esp + TEXT_AT), scratch.u64(length));
    return scratch.tagMatches(batch, esp + TEXT_AT + length, this.icvLength);
  }

  destroy(): void {
    this.#destroyed = true;
    this.#key.u8.fill(0);
    this.#secret.fill(0);
  }

  // One call site for each function: the JIT compiles a fast foreign call only where the callee never changes.
  #encrypt(text: Deno.PointerObject, length: bigint): void {
    const key = this.#key.pointer, aadBytes = this.#aadBytes, icvBytes = this.#icvBytes;
    const { noncePointer: nonce, aadPointer: aad, tagPointer: tag } = scratch;
    const context = gcmContext.pointer;
    switch (this.#keyBytes) {
      case 16:
        return this.#gcm.enc128(key, context, text, text, length, nonce, aad, aadBytes, tag, icvBytes);
      case 24:
        return this.#gcm.enc192(key, context, text, text, length, nonce, aad, aadBytes, tag, icvBytes);
      default:
        return this.#gcm.enc256(key, context, text, text, length, nonce, aad, aadBytes, tag, icvBytes);
    }
  }

  #decrypt(text: Deno.PointerObject, length: bigint): void {
    const key = this.#key.pointer, aadBytes = this.#aadBytes, icvBytes = this.#icvBytes;
    const { noncePointer: nonce, aadPointer: aad, tagPointer: tag } = scratch;
    const context = gcmContext.pointer;
    switch (this.#keyBytes) {
      case 16:
        return this.#gcm.dec128(key, context, text, text, length, nonce, aad, aadBytes, tag, icvBytes);
      case 24:
        return this.#gcm.dec192(key, context, text, text, length, nonce, aad, aadBytes, tag, icvBytes);
      default:
        return this.#gcm.dec256(key, context, text, text, length, nonce, aad, aadBytes, tag, icvBytes);
    }
  }
}

/**
 * Tags of AES-GCM by key length: key, nonce and AAD (12 bytes each) count up from 0, text byte i is 7 i. The long text
 * reaches the loops over many blocks. Made with python3-cryptography 38 (OpenSSL).
 */
const KNOWN_TAGS: readonly (readonly [keyBytes: number, textBytes: number, tag: string])[] = [
  [16, 60, "0a426c1c1ae3b1177b0caf8239442775"],
  [16, 1400, "a643e8b3f913376673912e9d340bcd15"],
  [24, 60, "21049601c55c372ed78455ff6ef3df40"],
  [24, 1400, "9eccc1b8ba45769c60b28325090beccc"],
  [32, 60, "f63b9c0b0e9e978701700357cace8f51"],
  [32, 1400, "216b11a73466966a74c2f510cd200b06"],
];

function givesKnownAnswers(gcm: GcmFunctions): boolean {
  const counting = alignedMemory(32);
  counting.u8.forEach((_, i) => counting.u8[i] = i);
  const tag = alignedMemory(16);
  return KNOWN_TAGS.every(([keyBytes, textBytes, expected]) => {
    const key = expandGcmKey(gcm, counting.u8.subarray(0, keyBytes));
    const [encrypt, decrypt] = keyBytes === 16
      ? [gcm.enc128, gcm.dec128]
      : keyBytes === 24
      ? [gcm.enc192, gcm.dec192]
      : [gcm.enc256, gcm.dec256];
    const text = alignedMemory(textBytes);
    text.u8.forEach((_, i) => text.u8[i] = 7 * i);
    return [encrypt, decrypt].every((call) => {
      tag.u8.fill(0);
      call(
        key.pointer,
        gcmContext.pointer,
        text.pointer,
        text.pointer,
        BigInt(textBytes),
        counting.pointer,
        counting.pointer,
        12n,
        tag.pointer,
        16n,
      );
      return tag.u8.toHex() === expected;
    }) && text.u8.every((byte, i) => byte === ((7 * i) & 0xff));
  });
}
