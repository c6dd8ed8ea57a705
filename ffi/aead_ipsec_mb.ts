/**
 * ESP transforms by Intel's libIPSec_MB: rfc4106(gcm(aes)) and rfc7539esp(chacha20,poly1305), one call a packet, and
 * cbc(aes) with hmac(sha256), many packets at once (gathered_seals.ts). The other algorithms are left to the next
 * backend (crypto_backend.ts).
 */
import type { CryptoBackend, EspTransform, EspTransformSpec } from "../datapath/esp/aead.ts";
import { ADDRESS_HI, ADDRESS_LO, type Batch } from "../datapath/batch.ts";
import { libcryptoBackend } from "./aead_libcrypto.ts";
import { type CbcHmacJobs, ICV_BYTES, openCbcHmacJobs } from "./cbc_hmac_ipsec_mb.ts";
import { ChachaJobs } from "./chacha_ipsec_mb.ts";
import {
  type AeadPlan,
  type AuthencPlan,
  isRefusal,
  planTransform,
  type Refusal,
  refuseUnknown,
  wipePlan,
} from "./esp_algorithms.ts";
import { type IvSecret, makeIvSecret, writeSeqIv } from "./esp_iv.ts";
import * as scratch from "./esp_scratch.ts";
import {
  type AlignedMemory,
  alignedMemory,
  expandGcmKey,
  gcmContext,
  type GcmFunctions,
  loadIpsecMb,
} from "./ipsec_mb.ts";
import { GatheredSeals, GatheredTransform } from "./gathered_seals.ts";
import { addressHalves, openJobRing } from "./ipsec_mb_jobs.ts";
import { cbcHmacGivesKnownAnswers, chachaGivesKnownAnswers, gcmGivesKnownAnswers } from "./ipsec_mb_proof.ts";
import { pointerAt } from "./slab_pointers.ts";

const IV_BYTES = 8;
const ESP_HEADER_BYTES = 8;
const TEXT_AT = ESP_HEADER_BYTES + IV_BYTES;

/** What was proved to work here; null where only GCM was. */
interface Proved {
  readonly gcm: GcmFunctions;
  readonly chacha: ChachaJobs | null;
  readonly cbcHmac: { readonly jobs: CbcHmacJobs; readonly seals: GatheredSeals } | null;
}

let proved: Proved | null | undefined;

/** The backend, or null when this host lacks the library or its answers are not the known ones. */
export function ipsecMbBackend(): CryptoBackend | null {
  if (proved === undefined) proved = prove();
  const library = proved;
  if (library === null) return null;
  return {
    name: "ipsec-mb",
    ...(library.cbcHmac !== null && { seals: library.cbcHmac.seals }),
    create: (spec) => create(library, spec),
    createAuth: ({ auth }) => refuseUnknown(auth.name, "libIPSec_MB is used for ESP only"),
  };
}

function prove(): Proved | null {
  const mb = loadIpsecMb();
  if (mb === null || !gcmGivesKnownAnswers(mb.gcm)) return null;
  const ring = openJobRing(mb);
  if (ring === null) return { gcm: mb.gcm, chacha: null, cbcHmac: null };
  const chacha = new ChachaJobs(ring);
  const jobs = openCbcHmacJobs(mb, ring);
  return {
    gcm: mb.gcm,
    chacha: chachaGivesKnownAnswers(chacha) ? chacha : null,
    cbcHmac: jobs !== null && cbcHmacGivesKnownAnswers(jobs)
      ? { jobs, seals: new GatheredSeals(jobs) }
      : null,
  };
}

function create(library: Proved, spec: EspTransformSpec): EspTransform | Refusal {
  const plan = planTransform(spec);
  if (isRefusal(plan)) return plan;
  const made = plan.kind === "aead" ? makeAead(library, plan, spec.esn) : makeGathered(library, plan, spec);
  wipePlan(plan);
  if (made !== null) return made;
  const name = plan.kind === "aead" ? plan.algorithm.name : plan.cipher.name;
  return refuseUnknown(name, "libIPSec_MB does not have it");
}

/** Sealing only: the opposite direction decrypts in lanes within one packet, as libcrypto does too. */
function makeGathered(
  { cbcHmac }: Proved,
  plan: AuthencPlan,
  spec: EspTransformSpec,
): EspTransform | null {
  const { cipher, auth, icvLength } = plan;
  if (cbcHmac === null || spec.direction !== "out") return null;
  if (cipher.name !== "cbc(aes)" || auth.name !== "hmac(sha256)" || icvLength !== ICV_BYTES) return null;
  // A longer key is hashed first; nobody has one (RFC 4868 §2.1.1 wants 32 bytes).
  if (plan.authKey.length > 64) return null;
  const one = libcryptoBackend()?.create(spec);
  if (one === undefined || isRefusal(one)) return null;
  const { jobs, seals } = cbcHmac;
  const key = jobs.expandKey(plan.cipherKey, plan.authKey);
  return new GatheredTransform(seals, key, spec.esn, makeIvSecret(plan.cipherKey), one);
}

function makeAead({ gcm, chacha }: Proved, plan: AeadPlan, esn: boolean): EspTransform | null {
  switch (plan.algorithm.name) {
    case "rfc4106(gcm(aes))":
      return new GcmTransform(gcm, plan, esn);
    case "rfc7539esp(chacha20,poly1305)":
      return chacha === null ? null : new ChachaTransform(chacha, plan, esn);
    default:
      return null;
  }
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
  readonly #secret: IvSecret;

  constructor(gcm: GcmFunctions, plan: AeadPlan, esn: boolean) {
    this.#secret = makeIvSecret(plan.key);
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

class ChachaTransform implements EspTransform {
  readonly ivLength = IV_BYTES;
  readonly icvLength: number;
  readonly blockSize = 4;
  readonly #jobs: ChachaJobs;
  readonly #key: AlignedMemory;
  readonly #keyLo: number;
  readonly #keyHi: number;
  readonly #esn: boolean;
  readonly #salt: number;
  #destroyed = false;
  readonly #secret: IvSecret;

  constructor(jobs: ChachaJobs, plan: AeadPlan, esn: boolean) {
    this.#secret = makeIvSecret(plan.key);
    this.#jobs = jobs;
    this.#key = alignedMemory(plan.key.length);
    this.#key.u8.set(plan.key);
    [this.#keyLo, this.#keyHi] = addressHalves(this.#key.pointer);
    this.#esn = esn;
    this.icvLength = plan.icvLength;
    this.#salt = scratch.saltWord(plan.salt);
  }

  /** The steps of GcmTransform.seal(). */
  seal(batch: Batch, esp: number, length: number, seqHi: number): boolean {
    if (this.#destroyed || length < 0) return false;
    writeSeqIv(batch, esp + ESP_HEADER_BYTES, seqHi, batch.view.getInt32(esp + 4), this.#secret);
    if (!this.#run(batch, esp, length, seqHi, true)) return false;
    scratch.copyTagToSlab(batch, esp + TEXT_AT + length, this.icvLength);
    return true;
  }

  /** The steps of GcmTransform.open(). */
  open(batch: Batch, esp: number, length: number, seqHi: number): boolean {
    if (this.#destroyed || length < 0) return false;
    if (!this.#run(batch, esp, length, seqHi, false)) return false;
    return scratch.tagMatches(batch, esp + TEXT_AT + length, this.icvLength);
  }

  destroy(): void {
    this.#destroyed = true;
    this.#key.u8.fill(0);
    this.#secret.fill(0);
  }

  #run(batch: Batch, esp: number, length: number, seqHi: number, encrypt: boolean): boolean {
    scratch.writeNonce(batch, esp, this.#salt);
    const aadBytes = scratch.writeAad(batch, esp, seqHi, this.#esn);
    const lo = batch.i32[ADDRESS_LO], hi = batch.i32[ADDRESS_HI];
    return this.#jobs.run(lo, hi, esp + TEXT_AT, length, this.#keyLo, this.#keyHi, aadBytes, encrypt);
  }
}
