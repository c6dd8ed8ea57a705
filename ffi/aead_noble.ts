/**
 * ESP transforms in JavaScript alone, by @noble/ciphers and @noble/hashes: for a host without a crypto library, and as
 * a second opinion in tests. It allocates for each packet and is some 100 times slower than libcrypto.
 *
 * Not handled, because noble has none: rfc4309(ccm(aes)), cbc(camellia), cbc(des), cbc(des3_ede), cbc(cast5), cbc(blowfish).
 */
import { cbc, cmac, ctr, ecb, gcm } from "@noble/ciphers/aes.js";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { hmac } from "@noble/hashes/hmac.js";
import { md5, ripemd160, sha1 } from "@noble/hashes/legacy.js";
import { sha256, sha384, sha512 } from "@noble/hashes/sha2.js";
import type { AuthSpec, AuthTransform } from "../datapath/ah/auth.ts";
import type { CryptoBackend, EspTransform, EspTransformSpec } from "../datapath/esp/aead.ts";
import type { Batch } from "../datapath/batch.ts";
import {
  type AeadPlan,
  type AuthAlgorithm,
  type AuthencPlan,
  type AuthPlan,
  type CipherAlgorithm,
  isRefusal,
  planAuth,
  planTransform,
  type Refusal,
  refuseUnknown,
  wipePlan,
} from "./esp_algorithms.ts";
import { type IvSecret, makeIvSecret, writeSeqIv, writeUniqueBlock } from "./esp_iv.ts";

const IV_BYTES = 8;
const ESP_HEADER_BYTES = 8;
const GCM_TAG_BYTES = 16;

type Bytes = Uint8Array;

/** The backend; every host has it. */
export function nobleBackend(): CryptoBackend {
  return { name: "noble", create, createAuth };
}

function create(spec: EspTransformSpec): EspTransform | Refusal {
  const plan = planTransform(spec);
  if (isRefusal(plan)) return plan;
  const made = plan.kind === "aead" ? makeAead(plan, spec.esn) : makeAuthenc(plan, spec.esn);
  if (isRefusal(made)) wipePlan(plan);
  return made;
}

/** An AEAD over whole buffers: text to ciphertext ‖ ICV and back, null when the ICV does not fit. */
interface BufferAead {
  seal(nonce: Bytes, aad: Bytes, text: Bytes): Bytes;
  open(nonce: Bytes, aad: Bytes, ciphertext: Bytes, icv: Bytes): Bytes | null;
}

function makeAead(plan: AeadPlan, esn: boolean): EspTransform | Refusal {
  switch (plan.algorithm.name) {
    case "rfc4106(gcm(aes))":
      return new NobleAead(plan, esn, gcmOf(plan.key), false);
    case "rfc4543(gcm(aes))":
      return new NobleAead(plan, esn, gcmOf(plan.key), true);
    case "rfc7539esp(chacha20,poly1305)":
      return new NobleAead(plan, esn, chachaOf(plan.key), false);
    case "rfc4309(ccm(aes))":
      return refuseUnknown(plan.algorithm.name, "noble does not have it");
  }
}

/** AES-GCM with an ICV of any length: noble's own decrypt() knows 16 bytes only, so encrypt() makes the one to compare. */
function gcmOf(key: Bytes): BufferAead {
  const seal = (nonce: Bytes, aad: Bytes, text: Bytes) => gcm(key, nonce, aad).encrypt(text);
  return {
    seal,
    open(nonce, aad, ciphertext, icv) {
      // NIST SP 800-38D §7.1: the text is under counter blocks from nonce ‖ 2 on.
      const text = ctr(key, concat(nonce, Uint8Array.of(0, 0, 0, 2))).decrypt(ciphertext);
      const expected = seal(nonce, aad, text).subarray(-GCM_TAG_BYTES);
      return equalInConstantTime(expected, icv) ? text : null;
    },
  };
}

function chachaOf(key: Bytes): BufferAead {
  return {
    seal: (nonce, aad, text) => chacha20poly1305(key, nonce, aad).encrypt(text),
    open(nonce, aad, ciphertext, icv) {
      try {
        return chacha20poly1305(key, nonce, aad).decrypt(concat(ciphertext, icv));
      } catch {
        return null;
      }
    },
  };
}

class NobleAead implements EspTransform {
  readonly ivLength = IV_BYTES;
  readonly icvLength: number;
  readonly blockSize = 4;
  readonly #plan: AeadPlan;
  readonly #esn: boolean;
  readonly #aead: BufferAead;
  readonly #clear: boolean;
  #destroyed = false;
  readonly #secret: IvSecret;

  /** `clear`: the text is AAD and not encrypted (RFC 4543). */
  constructor(plan: AeadPlan, esn: boolean, aead: BufferAead, clear: boolean) {
    this.#secret = makeIvSecret(plan.key);
    this.#plan = plan;
    this.#esn = esn;
    this.#aead = aead;
    this.#clear = clear;
    this.icvLength = plan.icvLength;
  }

  seal(batch: Batch, esp: number, length: number, seqHi: number): boolean {
    if (this.#destroyed || length < 0) return false;
    writeSeqIv(batch, esp + ESP_HEADER_BYTES, seqHi, batch.view.getInt32(esp + 4), this.#secret);
    const text = esp + ESP_HEADER_BYTES + IV_BYTES;
    const sealed = this.#aead.seal(
      this.#nonce(batch, esp),
      this.#aad(batch, esp, length, seqHi),
      this.#clear ? new Uint8Array(0) : batch.u8.subarray(text, text + length),
    );
    if (this.#clear) batch.u8.set(sealed.subarray(0, this.icvLength), text + length);
    else batch.u8.set(sealed.subarray(0, length + this.icvLength), text);
    return true;
  }

  open(batch: Batch, esp: number, length: number, seqHi: number): boolean {
    if (this.#destroyed || length < 0) return false;
    const text = esp + ESP_HEADER_BYTES + IV_BYTES;
    const opened = this.#aead.open(
      this.#nonce(batch, esp),
      this.#aad(batch, esp, length, seqHi),
      this.#clear ? new Uint8Array(0) : batch.u8.subarray(text, text + length),
      batch.u8.subarray(text + length, text + length + this.icvLength),
    );
    if (opened === null) return false;
    if (!this.#clear) batch.u8.set(opened, text);
    return true;
  }

  destroy(): void {
    this.#destroyed = true;
    wipePlan(this.#plan);
    this.#secret.fill(0);
  }

  #nonce(batch: Batch, esp: number): Bytes {
    const iv = esp + ESP_HEADER_BYTES;
    return concat(this.#plan.salt, batch.u8.subarray(iv, iv + IV_BYTES));
  }

  #aad(batch: Batch, esp: number, length: number, seqHi: number): Bytes {
    const spi = batch.u8.subarray(esp, esp + 4), seq = batch.u8.subarray(esp + 4, esp + 8);
    const aad = this.#esn ? concat(spi, bigEndian(seqHi), seq) : concat(spi, seq);
    return this.#clear ? concat(aad, batch.u8.subarray(esp + 8, esp + 8 + IV_BYTES + length)) : aad;
  }
}

type MacFunction = (key: Bytes, message: Bytes) => Bytes;

const MACS: Partial<Record<AuthAlgorithm["name"], MacFunction>> = {
  "digest_null": () => new Uint8Array(0),
  "hmac(md5)": (key, message) => hmac(md5, key, message),
  "hmac(sha1)": (key, message) => hmac(sha1, key, message),
  "hmac(sha256)": (key, message) => hmac(sha256, key, message),
  "hmac(sha384)": (key, message) => hmac(sha384, key, message),
  "hmac(sha512)": (key, message) => hmac(sha512, key, message),
  "hmac(rmd160)": (key, message) => hmac(ripemd160, key, message),
  "cmac(aes)": (key, message) => cmac(message, key),
  "xcbc(aes)": xcbc,
};

/** AES-XCBC-MAC (RFC 3566 §4). */
function xcbc(key: Bytes, message: Bytes): Bytes {
  const [k1, k2, k3] = [1, 2, 3].map((n) =>
    ecb(key, { disablePadding: true }).encrypt(new Uint8Array(16).fill(n))
  );
  const whole = message.length > 0 && message.length % 16 === 0;
  const padded = whole
    ? concat(message)
    : concat(message, Uint8Array.of(0x80), new Uint8Array(15 - message.length % 16));
  const last = padded.subarray(-16), mask = whole ? k2 : k3;
  for (let i = 0; i < 16; i++) last[i] ^= mask[i];
  return cbc(k1, new Uint8Array(16), { disablePadding: true }).encrypt(padded).subarray(-16);
}

/** Ciphers that noble has. */
const CIPHERS: readonly CipherAlgorithm["name"][] = ["ecb(cipher_null)", "cbc(aes)", "rfc3686(ctr(aes))"];

function makeAuthenc(plan: AuthencPlan, esn: boolean): EspTransform | Refusal {
  const mac = MACS[plan.auth.name];
  if (mac === undefined) return refuseUnknown(plan.auth.name, "noble does not have it");
  if (!CIPHERS.includes(plan.cipher.name)) return refuseUnknown(plan.cipher.name, "noble does not have it");
  return new NobleAuthenc(plan, esn, mac);
}

class NobleAuthenc implements EspTransform {
  readonly ivLength: number;
  readonly icvLength: number;
  readonly blockSize: number;
  readonly #plan: AuthencPlan;
  readonly #esn: boolean;
  readonly #mac: MacFunction;
  /** What CBC needs the length to be a multiple of. */
  readonly #modulus: number;
  #destroyed = false;
  readonly #secret: IvSecret;

  constructor(plan: AuthencPlan, esn: boolean, mac: MacFunction) {
    this.#secret = makeIvSecret(plan.cipherKey);
    this.#plan = plan;
    this.#esn = esn;
    this.#mac = mac;
    this.#modulus = plan.cipher.name === "cbc(aes)" ? plan.cipher.blockSize : 1;
    this.ivLength = plan.cipher.ivLength;
    this.icvLength = plan.icvLength;
    this.blockSize = plan.cipher.blockSize;
  }

  seal(batch: Batch, esp: number, length: number, seqHi: number): boolean {
    if (this.#destroyed || length < 0 || length % this.#modulus !== 0) return false;
    const iv = esp + ESP_HEADER_BYTES, text = iv + this.ivLength, end = text + length;
    const seqLo = batch.view.getInt32(esp + 4);
    if (this.#plan.cipher.name === "cbc(aes)") {
      writeUniqueBlock(batch, iv, this.ivLength, seqHi, seqLo, this.#secret);
      const cipher = cbc(this.#plan.cipherKey, new Uint8Array(16), { disablePadding: true });
      batch.u8.set(cipher.encrypt(batch.u8.slice(iv, end)), iv);
    } else if (this.#plan.cipher.name === "rfc3686(ctr(aes))") {
      writeSeqIv(batch, iv, seqHi, seqLo, this.#secret);
      batch.u8.set(this.#ctr(batch, iv).encrypt(batch.u8.slice(text, end)), text);
    }
    batch.u8.set(this.#icv(batch, esp, end, seqHi), end);
    return true;
  }

  open(batch: Batch, esp: number, length: number, seqHi: number): boolean {
    if (this.#destroyed || length < 0 || length % this.#modulus !== 0) return false;
    const iv = esp + ESP_HEADER_BYTES, text = iv + this.ivLength, end = text + length;
    const icv = batch.u8.subarray(end, end + this.icvLength);
    if (!equalInConstantTime(this.#icv(batch, esp, end, seqHi), icv)) return false;
    if (this.#plan.cipher.name === "cbc(aes)") {
      const cipher = cbc(this.#plan.cipherKey, batch.u8.slice(iv, text), { disablePadding: true });
      batch.u8.set(cipher.decrypt(batch.u8.slice(text, end)), text);
    } else if (this.#plan.cipher.name === "rfc3686(ctr(aes))") {
      batch.u8.set(this.#ctr(batch, iv).decrypt(batch.u8.slice(text, end)), text);
    }
    return true;
  }

  destroy(): void {
    this.#destroyed = true;
    wipePlan(this.#plan);
    this.#secret.fill(0);
  }

  #ctr(batch: Batch, iv: number) {
    const block = concat(this.#plan.salt, batch.u8.subarray(iv, iv + IV_BYTES), Uint8Array.of(0, 0, 0, 1));
    return ctr(this.#plan.cipherKey, block);
  }

  #icv(batch: Batch, esp: number, end: number, seqHi: number): Bytes {
    const packet = batch.u8.subarray(esp, end);
    const message = this.#esn ? concat(packet, bigEndian(seqHi)) : packet;
    return this.#mac(this.#plan.authKey, message).subarray(0, this.icvLength);
  }
}

function createAuth(spec: AuthSpec): AuthTransform | Refusal {
  const plan = planAuth(spec);
  if (isRefusal(plan)) return plan;
  const mac = MACS[plan.auth.name];
  if (mac === undefined) return refuseUnknown(plan.auth.name, "noble does not have it");
  return new NobleAuth(plan, spec.esn, mac);
}

class NobleAuth implements AuthTransform {
  readonly icvLength: number;
  readonly fullLength: number;
  readonly #plan: AuthPlan;
  readonly #esn: boolean;
  readonly #mac: MacFunction;
  #destroyed = false;

  constructor(plan: AuthPlan, esn: boolean, mac: MacFunction) {
    this.#plan = plan;
    this.#esn = esn;
    this.#mac = mac;
    this.icvLength = plan.icvLength;
    this.fullLength = plan.auth.digestBytes;
  }

  sign(batch: Batch, at: number, length: number, icv: number, seqHi: number): boolean {
    if (this.#destroyed) return false;
    batch.u8.set(this.#icv(batch, at, length, seqHi), icv);
    return true;
  }

  verify(batch: Batch, at: number, length: number, icv: number, seqHi: number): boolean {
    if (this.#destroyed) return false;
    const sent = batch.u8.slice(icv, icv + this.icvLength);
    batch.u8.fill(0, icv, icv + this.icvLength);
    return equalInConstantTime(this.#icv(batch, at, length, seqHi), sent);
  }

  destroy(): void {
    this.#destroyed = true;
    this.#plan.key.fill(0);
  }

  #icv(batch: Batch, at: number, length: number, seqHi: number): Bytes {
    const packet = batch.u8.subarray(at, at + length);
    const message = this.#esn ? concat(packet, bigEndian(seqHi)) : packet;
    return this.#mac(this.#plan.key, message).subarray(0, this.icvLength);
  }
}

function bigEndian(word: number): Bytes {
  return Uint8Array.of(word >>> 24, word >>> 16, word >>> 8, word);
}

function concat(...parts: Bytes[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Compares as many bytes as `icv` has. */
function equalInConstantTime(expected: Bytes, icv: Bytes): boolean {
  let difference = 0;
  for (let i = 0; i < icv.length; i++) difference |= expected[i] ^ icv[i];
  return difference === 0;
}
