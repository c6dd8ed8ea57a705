/**
 * ESP transforms by libcrypto: the AEADs, and the backend that also makes cipher + MAC (authenc_libcrypto.ts).
 *
 * The key schedule is made once for each SA and lives in an EVP_CIPHER_CTX; a packet sets the nonce, then AAD, text
 * and tag: five calls.
 */
import type { CryptoBackend, EspTransform, EspTransformSpec } from "../datapath/esp/aead.ts";
import type { Batch } from "../datapath/batch.ts";
import { createAuth } from "./auth_libcrypto.ts";
import { makeAuthenc } from "./authenc_libcrypto.ts";
import {
  type AeadPlan,
  isRefusal,
  planTransform,
  type Refusal,
  refuseUnknown,
  wipePlan,
} from "./esp_algorithms.ts";
import { type IvSecret, makeIvSecret, writeSeqIv } from "./esp_iv.ts";
import * as scratch from "./esp_scratch.ts";
import {
  EVP_CTRL_AEAD_GET_TAG,
  EVP_CTRL_AEAD_SET_IVLEN,
  EVP_CTRL_AEAD_SET_TAG,
  type Libcrypto,
  loadLibcrypto,
} from "./libcrypto.ts";
import { pointerAt } from "./slab_pointers.ts";

/** Bytes of the IV of every AEAD: RFC 4106 §3.1, RFC 4309 §3.1, RFC 4543 §3.1, RFC 7634 §2. */
const IV_BYTES = 8;
const ESP_HEADER_BYTES = 8;
const TEXT_AT = ESP_HEADER_BYTES + IV_BYTES;

/** Name of the cipher in OpenSSL's own terms. */
function evpName(plan: AeadPlan): string {
  const bits = plan.key.length * 8;
  switch (plan.algorithm.name) {
    case "rfc4106(gcm(aes))":
    case "rfc4543(gcm(aes))":
      return `AES-${bits}-GCM`;
    case "rfc4309(ccm(aes))":
      return `AES-${bits}-CCM`;
    case "rfc7539esp(chacha20,poly1305)":
      return "ChaCha20-Poly1305";
  }
}

/** The backend, or null when this host has no libcrypto.so.3. */
export function libcryptoBackend(): CryptoBackend | null {
  const lib = loadLibcrypto();
  if (lib === null) return null;
  return {
    name: "libcrypto",
    create: (spec) => create(lib, spec),
    createAuth: (spec) => createAuth(lib, spec),
  };
}

function create(lib: Libcrypto, spec: EspTransformSpec): EspTransform | Refusal {
  const plan = planTransform(spec);
  if (isRefusal(plan)) return plan;
  const made = plan.kind === "authenc" ? makeAuthenc(lib, plan, spec) : makeAead(lib, plan, spec);
  wipePlan(plan);
  return made;
}

function makeAead(lib: Libcrypto, plan: AeadPlan, spec: EspTransformSpec): EspTransform | Refusal {
  const ctx = keyedContext(lib, plan, spec.direction);
  if (ctx === null) return refuseUnknown(plan.algorithm.name, "libcrypto does not have it");
  return plan.algorithm.name === "rfc4543(gcm(aes))"
    ? new GmacTransform(lib, ctx, plan, spec.esn)
    : new AeadTransform(lib, ctx, plan, spec.esn);
}

/** Makes a context that holds the key schedule; null when the library lacks the cipher. */
function keyedContext(
  lib: Libcrypto,
  plan: AeadPlan,
  direction: "in" | "out",
): Deno.PointerValue {
  const cipher = lib.EVP_CIPHER_fetch(null, new TextEncoder().encode(`${evpName(plan)}\0`), null);
  if (cipher === null) return null;
  const ctx = lib.EVP_CIPHER_CTX_new();
  const init = direction === "out" ? lib.EVP_EncryptInit_ex : lib.EVP_DecryptInit_ex;
  const key = new Uint8Array(new ArrayBuffer(32));
  key.set(plan.key);
  let ok = init(ctx, cipher, null, null, null);
  if (plan.algorithm.name === "rfc4309(ccm(aes))") {
    // CCM's key set-up depends on both lengths.
    ok &= lib.EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, plan.salt.length + IV_BYTES, null);
    ok &= lib.EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, plan.icvLength, null);
  }
  ok &= init(ctx, null, null, Deno.UnsafePointer.of(key), null);
  key.fill(0);
  lib.EVP_CIPHER_free(cipher);
  if (ok === 1) return ctx;
  lib.EVP_CIPHER_CTX_free(ctx);
  return null;
}

/** rfc4106(gcm(aes)), rfc4309(ccm(aes)), rfc7539esp(chacha20,poly1305). */
class AeadTransform implements EspTransform {
  readonly ivLength = IV_BYTES;
  readonly icvLength: number;
  readonly blockSize = 4;
  readonly #lib: Libcrypto;
  #ctx: Deno.PointerValue;
  readonly #esn: boolean;
  readonly #ccm: boolean;
  readonly #salt: number;
  readonly #nonce: Deno.PointerObject;
  readonly #secret: IvSecret;

  constructor(lib: Libcrypto, ctx: Deno.PointerValue, plan: AeadPlan, esn: boolean) {
    this.#secret = makeIvSecret(plan.key);
    this.#lib = lib;
    this.#ctx = ctx;
    this.#esn = esn;
    this.#ccm = plan.algorithm.name === "rfc4309(ccm(aes))";
    this.#salt = scratch.saltWord(plan.salt);
    this.#nonce = plan.salt.length === 3 ? scratch.nonce3Pointer : scratch.noncePointer;
    this.icvLength = plan.icvLength;
  }

  /**
   * 1. IV, 2. nonce = salt ‖ IV, 3. AAD = SPI ‖ sequence number, 4. text in place, 5. ICV behind it.
   *
   *     BEFORE  [SPI seq][  IV  ][text               ][   ]
   *     AFTER   [SPI seq][  IV  ][ciphertext         ][ICV]
   *              ‾‾‾‾‾‾‾ AAD      ‾‾‾‾‾‾‾‾‾‾ encrypted
   */
  seal(batch: Batch, esp: number, length: number, seqHi: number): boolean {
    const lib = this.#lib, ctx = this.#ctx, out = scratch.outLengthPointer;
    if (ctx === null || length < 0) return false;
    writeSeqIv(batch, esp + ESP_HEADER_BYTES, seqHi, batch.view.getInt32(esp + 4), this.#secret);
    scratch.writeNonce(batch, esp, this.#salt);
    const aadBytes = scratch.writeAad(batch, esp, seqHi, this.#esn);
    const text = pointerAt(batch, esp + TEXT_AT);
    if (lib.EVP_EncryptInit_ex(ctx, null, null, null, this.#nonce) !== 1) return false;
    // CCM wants the length first: its first block holds it (RFC 3610 §2.2).
    if (this.#ccm && lib.EVP_EncryptUpdate(ctx, null, out, null, length) !== 1) return false;
    if (lib.EVP_EncryptUpdate(ctx, null, out, scratch.aadPointer, aadBytes) !== 1) return false;
    if (lib.EVP_EncryptUpdate(ctx, text, out, text, length) !== 1) return false;
    if (lib.EVP_EncryptFinal_ex(ctx, scratch.tagPointer, out) !== 1) return false;
    if (lib.EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, this.icvLength, scratch.tagPointer) !== 1) {
      return false;
    }
    scratch.copyTagToSlab(batch, esp + TEXT_AT + length, this.icvLength);
    return true;
  }

  /** 1. nonce from the packet's IV, 2. its ICV to the library, 3. AAD, 4. text in place, 5. the library compares. */
  open(batch: Batch, esp: number, length: number, seqHi: number): boolean {
    const lib = this.#lib, ctx = this.#ctx, out = scratch.outLengthPointer;
    if (ctx === null || length < 0) return false;
    scratch.writeNonce(batch, esp, this.#salt);
    const aadBytes = scratch.writeAad(batch, esp, seqHi, this.#esn);
    const text = pointerAt(batch, esp + TEXT_AT);
    scratch.copyTagFromSlab(batch, esp + TEXT_AT + length, this.icvLength);
    if (lib.EVP_DecryptInit_ex(ctx, null, null, null, this.#nonce) !== 1) return false;
    if (lib.EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, this.icvLength, scratch.tagPointer) !== 1) {
      return false;
    }
    if (this.#ccm && lib.EVP_DecryptUpdate(ctx, null, out, null, length) !== 1) return false;
    if (lib.EVP_DecryptUpdate(ctx, null, out, scratch.aadPointer, aadBytes) !== 1) return false;
    const opened = lib.EVP_DecryptUpdate(ctx, text, out, text, length) === 1;
    // CCM has compared already; its final call always succeeds.
    return opened && (this.#ccm || lib.EVP_DecryptFinal_ex(ctx, scratch.tagPointer, out) === 1);
  }

  destroy(): void {
    this.#lib.EVP_CIPHER_CTX_free(this.#ctx);
    this.#ctx = null;
    this.#secret.fill(0);
  }
}

/** rfc4543(gcm(aes)): AES-GMAC, the text stays in the clear. */
class GmacTransform implements EspTransform {
  readonly ivLength = IV_BYTES;
  readonly icvLength: number;
  readonly blockSize = 4;
  readonly #lib: Libcrypto;
  #ctx: Deno.PointerValue;
  readonly #esn: boolean;
  readonly #salt: number;
  readonly #secret: IvSecret;

  constructor(lib: Libcrypto, ctx: Deno.PointerValue, plan: AeadPlan, esn: boolean) {
    this.#secret = makeIvSecret(plan.key);
    this.#lib = lib;
    this.#ctx = ctx;
    this.#esn = esn;
    this.#salt = scratch.saltWord(plan.salt);
    this.icvLength = plan.icvLength;
  }

  /** 1. IV, 2. nonce = salt ‖ IV, 3. AAD = SPI ‖ sequence number ‖ IV ‖ text (RFC 4543 §3.3), 4. ICV. */
  seal(batch: Batch, esp: number, length: number, seqHi: number): boolean {
    const lib = this.#lib, ctx = this.#ctx, out = scratch.outLengthPointer;
    if (ctx === null || length < 0) return false;
    writeSeqIv(batch, esp + ESP_HEADER_BYTES, seqHi, batch.view.getInt32(esp + 4), this.#secret);
    scratch.writeNonce(batch, esp, this.#salt);
    const aadBytes = scratch.writeAad(batch, esp, seqHi, this.#esn);
    const text = pointerAt(batch, esp + ESP_HEADER_BYTES);
    if (lib.EVP_EncryptInit_ex(ctx, null, null, null, scratch.noncePointer) !== 1) return false;
    if (lib.EVP_EncryptUpdate(ctx, null, out, scratch.aadPointer, aadBytes) !== 1) return false;
    if (lib.EVP_EncryptUpdate(ctx, null, out, text, IV_BYTES + length) !== 1) return false;
    if (lib.EVP_EncryptFinal_ex(ctx, scratch.tagPointer, out) !== 1) return false;
    if (lib.EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, this.icvLength, scratch.tagPointer) !== 1) {
      return false;
    }
    scratch.copyTagToSlab(batch, esp + TEXT_AT + length, this.icvLength);
    return true;
  }

  /** The same over the packet as it came; the library compares. */
  open(batch: Batch, esp: number, length: number, seqHi: number): boolean {
    const lib = this.#lib, ctx = this.#ctx, out = scratch.outLengthPointer;
    if (ctx === null || length < 0) return false;
    scratch.writeNonce(batch, esp, this.#salt);
    const aadBytes = scratch.writeAad(batch, esp, seqHi, this.#esn);
    const text = pointerAt(batch, esp + ESP_HEADER_BYTES);
    scratch.copyTagFromSlab(batch, esp + TEXT_AT + length, this.icvLength);
    if (lib.EVP_DecryptInit_ex(ctx, null, null, null, scratch.noncePointer) !== 1) return false;
    if (lib.EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, this.icvLength, scratch.tagPointer) !== 1) {
      return false;
    }
    if (lib.EVP_DecryptUpdate(ctx, null, out, scratch.aadPointer, aadBytes) !== 1) return false;
    if (lib.EVP_DecryptUpdate(ctx, null, out, text, IV_BYTES + length) !== 1) return false;
    return lib.EVP_DecryptFinal_ex(ctx, scratch.tagPointer, out) === 1;
  }

  destroy(): void {
    this.#lib.EVP_CIPHER_CTX_free(this.#ctx);
    this.#ctx = null;
    this.#secret.fill(0);
  }
}
