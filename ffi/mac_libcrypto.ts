/**
 * MACs over an ESP packet by libcrypto.
 */
import type { Batch } from "../datapath/batch.ts";
import type { AuthAlgorithm } from "./esp_algorithms.ts";
import * as scratch from "./esp_scratch.ts";
import type { Libcrypto } from "./libcrypto.ts";
import { makeXcbc } from "./xcbc_libcrypto.ts";
import { pointerAt } from "./slab_pointers.ts";

/** A keyed MAC. */
export interface PacketMac {
  /**
   * MAC of `bytes` bytes from `esp`, with `esn` also of `seqHi` behind them (RFC 4303 §2.2.1), into scratch TAG.
   * Returns false when the library failed.
   */
  compute(batch: Batch, esp: number, bytes: number, seqHi: number, esn: boolean): boolean;
  destroy(): void;
}

/** Digest of an HMAC in OpenSSL's own terms. */
const DIGESTS: Partial<Record<AuthAlgorithm["name"], string>> = {
  "hmac(md5)": "MD5",
  "hmac(sha1)": "SHA1",
  "hmac(sha256)": "SHA256",
  "hmac(sha384)": "SHA384",
  "hmac(sha512)": "SHA512",
  "hmac(rmd160)": "RIPEMD160",
};

const SEQ_HI_BYTES = 4n;

/** The MAC with its key set; null when the library lacks it. */
export function makeMac(lib: Libcrypto, auth: AuthAlgorithm, key: Uint8Array): PacketMac | null {
  if (auth.name === "digest_null") return NULL_MAC;
  // A buffer of its own and never empty: a null pointer would mean "the key as before".
  const held = new Uint8Array(new ArrayBuffer(key.length + 1));
  held.set(key);
  const pointer = Deno.UnsafePointer.of(held);
  const mac = auth.name === "xcbc(aes)"
    ? makeXcbc(lib, pointer)
    : auth.name === "cmac(aes)"
    ? makeCmac(lib, pointer, key.length)
    : makeHmac(lib, auth, pointer, key.length);
  held.fill(0);
  return mac;
}

function makeHmac(
  lib: Libcrypto,
  auth: AuthAlgorithm,
  key: Deno.PointerValue,
  keyBytes: number,
): PacketMac | null {
  const name = DIGESTS[auth.name];
  if (name === undefined) return null;
  const digest = lib.EVP_get_digestbyname(new TextEncoder().encode(`${name}\0`));
  if (digest === null) return null;
  const ctx = lib.HMAC_CTX_new();
  if (lib.HMAC_Init_ex(ctx, key, keyBytes, digest, null) === 1) return new Hmac(lib, ctx);
  lib.HMAC_CTX_free(ctx);
  return null;
}

function makeCmac(lib: Libcrypto, key: Deno.PointerValue, keyBytes: number): PacketMac | null {
  const name = `AES-${keyBytes * 8}-CBC\0`;
  const cipher = lib.EVP_CIPHER_fetch(null, new TextEncoder().encode(name), null);
  if (cipher === null) return null;
  const ctx = lib.CMAC_CTX_new();
  const ok = lib.CMAC_Init(ctx, key, BigInt(keyBytes), cipher, null);
  lib.EVP_CIPHER_free(cipher);
  if (ok === 1) return new Cmac(lib, ctx);
  lib.CMAC_CTX_free(ctx);
  return null;
}

/** digest_null: the ICV has no bytes. */
const NULL_MAC: PacketMac = { compute: () => true, destroy: () => {} };

/** HMAC (RFC 2104); the states after both pads are kept, a packet starts from them. */
class Hmac implements PacketMac {
  readonly #lib: Libcrypto;
  #ctx: Deno.PointerValue;

  constructor(lib: Libcrypto, ctx: Deno.PointerValue) {
    this.#lib = lib;
    this.#ctx = ctx;
  }

  compute(batch: Batch, esp: number, bytes: number, seqHi: number, esn: boolean): boolean {
    const lib = this.#lib, ctx = this.#ctx;
    if (lib.HMAC_Init_ex(ctx, null, 0, null, null) !== 1) return false;
    if (lib.HMAC_Update(ctx, pointerAt(batch, esp), scratch.u64(bytes)) !== 1) return false;
    if (esn) {
      scratch.writeSeqHi(seqHi);
      if (lib.HMAC_Update(ctx, scratch.seqHiPointer, SEQ_HI_BYTES) !== 1) return false;
    }
    return lib.HMAC_Final(ctx, scratch.tagPointer, scratch.outLengthPointer) === 1;
  }

  destroy(): void {
    this.#lib.HMAC_CTX_free(this.#ctx);
    this.#ctx = null;
  }
}

/** AES-CMAC (RFC 4493, in ESP RFC 4494). */
class Cmac implements PacketMac {
  readonly #lib: Libcrypto;
  #ctx: Deno.PointerValue;

  constructor(lib: Libcrypto, ctx: Deno.PointerValue) {
    this.#lib = lib;
    this.#ctx = ctx;
  }

  compute(batch: Batch, esp: number, bytes: number, seqHi: number, esn: boolean): boolean {
    const lib = this.#lib, ctx = this.#ctx;
    if (lib.CMAC_Init(ctx, null, 0n, null, null) !== 1) return false;
    if (lib.CMAC_Update(ctx, pointerAt(batch, esp), scratch.u64(bytes)) !== 1) return false;
    if (esn) {
      scratch.writeSeqHi(seqHi);
      if (lib.CMAC_Update(ctx, scratch.seqHiPointer, SEQ_HI_BYTES) !== 1) return false;
    }
    return lib.CMAC_Final(ctx, scratch.tagPointer, scratch.outLengthPointer) === 1;
  }

  destroy(): void {
    this.#lib.CMAC_CTX_free(this.#ctx);
    this.#ctx = null;
  }
}
