/**
 * ESP transforms of a cipher and a MAC by libcrypto: encrypt, then authenticate (RFC 4303 §3.3.2.1); on receipt the
 * MAC first (§3.4.4.1).
 */
import type { EspTransform, EspTransformSpec } from "../datapath/esp/aead.ts";
import type { Batch } from "../datapath/batch.ts";
import { type AuthencPlan, type Refusal, refuseUnknown } from "./esp_algorithms.ts";
import { type IvSecret, makeIvSecret, writeSeqIv, writeUniqueBlock } from "./esp_iv.ts";
import * as scratch from "./esp_scratch.ts";
import { legacyContext, type Libcrypto } from "./libcrypto.ts";
import { makeMac, type PacketMac } from "./mac_libcrypto.ts";
import { pointerAt } from "./slab_pointers.ts";

const ESP_HEADER_BYTES = 8;

/** The cipher half: works in place on the text behind the IV at esp + 8. */
interface PacketCipher {
  encrypt(batch: Batch, esp: number, length: number, seqHi: number): boolean;
  decrypt(batch: Batch, esp: number, length: number): boolean;
  destroy(): void;
}

export function makeAuthenc(
  lib: Libcrypto,
  plan: AuthencPlan,
  spec: EspTransformSpec,
): EspTransform | Refusal {
  const cipher = makeCipher(lib, plan, spec.direction);
  if (cipher === null) return refuseUnknown(plan.cipher.name, "libcrypto does not have it");
  const mac = makeMac(lib, plan.auth, plan.authKey);
  if (mac === null) {
    cipher.destroy();
    return refuseUnknown(plan.auth.name, "libcrypto does not have it");
  }
  return new AuthencTransform(cipher, mac, plan, spec.esn);
}

class AuthencTransform implements EspTransform {
  readonly ivLength: number;
  readonly icvLength: number;
  readonly blockSize: number;
  readonly #cipher: PacketCipher;
  readonly #mac: PacketMac;
  readonly #esn: boolean;
  #destroyed = false;

  constructor(cipher: PacketCipher, mac: PacketMac, plan: AuthencPlan, esn: boolean) {
    this.#cipher = cipher;
    this.#mac = mac;
    this.#esn = esn;
    this.ivLength = plan.cipher.ivLength;
    this.icvLength = plan.icvLength;
    this.blockSize = plan.cipher.blockSize;
  }

  /**
   * 1. IV and ciphertext, 2. MAC, with ESN over the high half too, 3. its first bytes behind the text.
   *
   *     BEFORE  [SPI seq][ IV ][text        ][   ]
   *     AFTER   [SPI seq][ IV ][ciphertext  ][ICV]
   *              ‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾ authenticated
   */
  seal(batch: Batch, esp: number, length: number, seqHi: number): boolean {
    if (this.#destroyed || length < 0) return false;
    if (!this.#cipher.encrypt(batch, esp, length, seqHi)) return false;
    const bytes = ESP_HEADER_BYTES + this.ivLength + length;
    if (!this.#mac.compute(batch, esp, bytes, seqHi, this.#esn)) return false;
    scratch.copyTagToSlab(batch, esp + bytes, this.icvLength);
    return true;
  }

  /** 1. MAC, compared in constant time, 2. text in place. */
  open(batch: Batch, esp: number, length: number, seqHi: number): boolean {
    if (this.#destroyed || length < 0) return false;
    const bytes = ESP_HEADER_BYTES + this.ivLength + length;
    if (!this.#mac.compute(batch, esp, bytes, seqHi, this.#esn)) return false;
    if (!scratch.tagMatches(batch, esp + bytes, this.icvLength)) return false;
    return this.#cipher.decrypt(batch, esp, length);
  }

  destroy(): void {
    this.#destroyed = true;
    this.#cipher.destroy();
    this.#mac.destroy();
  }
}

/** The ciphers of OpenSSL's legacy provider. */
const LEGACY: readonly string[] = ["CAST5-CBC", "BF-CBC"];
const LONGEST_KEY = 56;

/** Name of the cipher in OpenSSL's own terms. */
function evpName(plan: AuthencPlan): string {
  const bits = plan.cipherKey.length * 8;
  switch (plan.cipher.name) {
    case "cbc(aes)":
      return `AES-${bits}-CBC`;
    case "cbc(camellia)":
      return `CAMELLIA-${bits}-CBC`;
    case "cbc(des)":
    case "cbc(des3_ede)":
      return "DES-EDE3-CBC";
    case "cbc(cast5)":
      return "CAST5-CBC";
    case "cbc(blowfish)":
      return "BF-CBC";
    case "rfc3686(ctr(aes))":
      return `AES-${bits}-CTR`;
    case "ecb(cipher_null)":
      return "NULL";
  }
}

/** The cipher with its key schedule made; null when the library lacks it. */
function makeCipher(lib: Libcrypto, plan: AuthencPlan, direction: "in" | "out"): PacketCipher | null {
  if (plan.cipher.name === "ecb(cipher_null)") return NULL_CIPHER;
  const name = evpName(plan);
  const from = LEGACY.includes(name) ? legacyContext(lib) : null;
  const cipher = lib.EVP_CIPHER_fetch(from, new TextEncoder().encode(`${name}\0`), null);
  if (cipher === null) return null;
  const ctx = lib.EVP_CIPHER_CTX_new();
  const ok = initCipher(lib, ctx, cipher, plan, direction);
  lib.EVP_CIPHER_free(cipher);
  if (!ok) {
    lib.EVP_CIPHER_CTX_free(ctx);
    return null;
  }
  const secret = makeIvSecret(plan.cipherKey);
  return plan.cipher.name === "rfc3686(ctr(aes))"
    ? new CtrCipher(lib, ctx, scratch.saltWord(plan.salt), secret)
    : new CbcCipher(lib, ctx, plan.cipher.ivLength, secret);
}

/** Sets cipher, key and direction; no padding, for ESP pads by itself (RFC 4303 §2.4). */
function initCipher(
  lib: Libcrypto,
  ctx: Deno.PointerValue,
  cipher: Deno.PointerValue,
  { cipher: { name }, cipherKey }: AuthencPlan,
  direction: "in" | "out",
): boolean {
  const init = direction === "out" ? lib.EVP_EncryptInit_ex : lib.EVP_DecryptInit_ex;
  if (init(ctx, cipher, null, null, null) !== 1) return false;
  // DES is triple DES with its key three times.
  const times = name === "cbc(des)" ? 3 : 1;
  const length = times * cipherKey.length;
  if (lib.EVP_CIPHER_CTX_set_key_length(ctx, length) !== 1) return false;
  const key = new Uint8Array(new ArrayBuffer(LONGEST_KEY));
  for (let i = 0; i < times; i++) key.set(cipherKey, i * cipherKey.length);
  const ok = init(ctx, null, null, Deno.UnsafePointer.of(key), scratch.zeroPointer);
  key.fill(0);
  return ok === 1 && lib.EVP_CIPHER_CTX_set_padding(ctx, 0) === 1;
}

/** ecb(cipher_null), RFC 2410. */
const NULL_CIPHER: PacketCipher = { encrypt: () => true, decrypt: () => true, destroy: () => {} };

class CbcCipher implements PacketCipher {
  readonly #lib: Libcrypto;
  #ctx: Deno.PointerValue;
  readonly #ivLength: number;
  readonly #secret: IvSecret;

  constructor(lib: Libcrypto, ctx: Deno.PointerValue, ivLength: number, secret: IvSecret) {
    this.#secret = secret;
    this.#lib = lib;
    this.#ctx = ctx;
    this.#ivLength = ivLength;
  }

  /** 1. a unique block in the IV slot, 2. chain value zero, 3. slot and text in one call: the slot is then the IV. */
  encrypt(batch: Batch, esp: number, length: number, seqHi: number): boolean {
    if (length % this.#ivLength !== 0) return false;
    const at = esp + ESP_HEADER_BYTES;
    writeUniqueBlock(batch, at, this.#ivLength, seqHi, batch.view.getInt32(esp + 4), this.#secret);
    const slot = pointerAt(batch, at);
    if (this.#lib.EVP_EncryptInit_ex(this.#ctx, null, null, null, scratch.zeroPointer) !== 1) return false;
    return this.#lib.EVP_EncryptUpdate(
      this.#ctx,
      slot,
      scratch.outLengthPointer,
      slot,
      this.#ivLength + length,
    ) === 1;
  }

  /**
   * Slot and text in one call. The first block comes out as rubbish, for the chain value is what the packet before
   * left; every block of text is chained to the one before it, the first to the IV, so all of them come out right.
   */
  decrypt(batch: Batch, esp: number, length: number): boolean {
    // A part of a block would stay in the context and spoil the next packet.
    if (length % this.#ivLength !== 0) return false;
    const slot = pointerAt(batch, esp + ESP_HEADER_BYTES);
    return this.#lib.EVP_DecryptUpdate(
      this.#ctx,
      slot,
      scratch.outLengthPointer,
      slot,
      this.#ivLength + length,
    ) === 1;
  }

  destroy(): void {
    this.#lib.EVP_CIPHER_CTX_free(this.#ctx);
    this.#ctx = null;
    this.#secret.fill(0);
  }
}

/** rfc3686(ctr(aes)): counter block = nonce ‖ IV ‖ 1 (RFC 3686 §4). */
class CtrCipher implements PacketCipher {
  readonly #lib: Libcrypto;
  #ctx: Deno.PointerValue;
  readonly #salt: number;
  readonly #secret: IvSecret;

  constructor(lib: Libcrypto, ctx: Deno.PointerValue, salt: number, secret: IvSecret) {
    this.#secret = secret;
    this.#lib = lib;
    this.#ctx = ctx;
    this.#salt = salt;
  }

  encrypt(batch: Batch, esp: number, length: number, seqHi: number): boolean {
    writeSeqIv(batch, esp + ESP_HEADER_BYTES, seqHi, batch.view.getInt32(esp + 4), this.#secret);
    scratch.writeNonce(batch, esp, this.#salt);
    const text = pointerAt(batch, esp + ESP_HEADER_BYTES + 8);
    if (this.#lib.EVP_EncryptInit_ex(this.#ctx, null, null, null, scratch.noncePointer) !== 1) return false;
    return this.#lib.EVP_EncryptUpdate(this.#ctx, text, scratch.outLengthPointer, text, length) === 1;
  }

  decrypt(batch: Batch, esp: number, length: number): boolean {
    scratch.writeNonce(batch, esp, this.#salt);
    const text = pointerAt(batch, esp + ESP_HEADER_BYTES + 8);
    if (this.#lib.EVP_DecryptInit_ex(this.#ctx, null, null, null, scratch.noncePointer) !== 1) return false;
    return this.#lib.EVP_DecryptUpdate(this.#ctx, text, scratch.outLengthPointer, text, length) === 1;
  }

  destroy(): void {
    this.#lib.EVP_CIPHER_CTX_free(this.#ctx);
    this.#ctx = null;
    this.#secret.fill(0);
  }
}
