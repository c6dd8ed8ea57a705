/**
 * AES-XCBC-MAC (RFC 3566) out of libcrypto's AES-CBC: the library has no function for it.
 */
import { type Batch, SLOT_BYTES } from "../datapath/batch.ts";
import * as scratch from "./esp_scratch.ts";
import type { Libcrypto } from "./libcrypto.ts";
import type { PacketMac } from "./mac_libcrypto.ts";
import { pointerAt } from "./slab_pointers.ts";

const BLOCK_BYTES = 16;

/** Where the ciphertext of all but the last block goes: nobody reads it. Exported so that it stays reachable. */
export const discarded = new Uint8Array(SLOT_BYTES);
const discardedPointer = Deno.UnsafePointer.of(discarded);

/** The MAC with the 16 bytes of key at `key`; null when the library lacks AES. */
export function makeXcbc(lib: Libcrypto, key: Deno.PointerValue): PacketMac | null {
  // RFC 3566 §4: K1, K2, K3 are the encryptions of blocks of ones, twos and threes.
  const subkeys = new Uint8Array(new ArrayBuffer(3 * BLOCK_BYTES));
  subkeys.fill(1, 0, 16).fill(2, 16, 32).fill(3, 32, 48);
  const pointer = Deno.UnsafePointer.of(subkeys);
  const ecb = keyedContext(lib, "AES-128-ECB", key);
  if (ecb === null) return null;
  const derived = lib.EVP_EncryptUpdate(ecb, pointer, scratch.outLengthPointer, pointer, subkeys.length);
  lib.EVP_CIPHER_CTX_free(ecb);
  const cbc = derived === 1 ? keyedContext(lib, "AES-128-CBC", pointer) : null;
  subkeys.fill(0, 0, BLOCK_BYTES);
  return cbc === null ? null : new Xcbc(lib, cbc, subkeys);
}

function keyedContext(lib: Libcrypto, name: string, key: Deno.PointerValue): Deno.PointerValue {
  const cipher = lib.EVP_CIPHER_fetch(null, new TextEncoder().encode(`${name}\0`), null);
  if (cipher === null) return null;
  const ctx = lib.EVP_CIPHER_CTX_new();
  const ok = lib.EVP_EncryptInit_ex(ctx, cipher, null, key, scratch.zeroPointer);
  lib.EVP_CIPHER_free(cipher);
  if (ok === 1 && lib.EVP_CIPHER_CTX_set_padding(ctx, 0) === 1) return ctx;
  lib.EVP_CIPHER_CTX_free(ctx);
  return null;
}

class Xcbc implements PacketMac {
  readonly #lib: Libcrypto;
  /** AES-CBC under K1. */
  #ctx: Deno.PointerValue;
  /** K2 at 16, K3 at 32. */
  readonly #subkeys: Uint8Array;

  constructor(lib: Libcrypto, ctx: Deno.PointerValue, subkeys: Uint8Array) {
    this.#lib = lib;
    this.#ctx = ctx;
    this.#subkeys = subkeys;
  }

  /**
   * 1. CBC over all blocks but the last: those in the slab, then one that the high half straddles. 2. The last one
   * padded and masked with K2 or K3. 3. Through CBC: the MAC.
   */
  compute(batch: Batch, esp: number, bytes: number, seqHi: number, esn: boolean): boolean {
    const lib = this.#lib, ctx = this.#ctx, out = scratch.outLengthPointer;
    const total = esn ? bytes + 4 : bytes;
    const before = (total - 1) & ~(BLOCK_BYTES - 1);
    const inSlab = Math.min(before, bytes & ~(BLOCK_BYTES - 1));
    if (lib.EVP_EncryptInit_ex(ctx, null, null, null, scratch.zeroPointer) !== 1) return false;
    // In steps of a slot, so that each finds its pointer made.
    for (let done = 0; done < inSlab; done += SLOT_BYTES) {
      const step = Math.min(SLOT_BYTES, inSlab - done);
      const part = pointerAt(batch, esp + done);
      if (lib.EVP_EncryptUpdate(ctx, discardedPointer, out, part, step) !== 1) return false;
    }
    if (before > inSlab) {
      this.#block(batch, esp, inSlab, bytes, seqHi, esn);
      if (lib.EVP_EncryptUpdate(ctx, discardedPointer, out, scratch.tagPointer, BLOCK_BYTES) !== 1) {
        return false;
      }
    }
    this.#maskLast(this.#block(batch, esp, before, bytes, seqHi, esn));
    return lib.EVP_EncryptUpdate(ctx, scratch.tagPointer, out, scratch.tagPointer, BLOCK_BYTES) === 1;
  }

  destroy(): void {
    this.#lib.EVP_CIPHER_CTX_free(this.#ctx);
    this.#ctx = null;
    this.#subkeys.fill(0);
  }

  /** Copies up to a block from position `from` of the message into scratch TAG. Returns the bytes copied. */
  #block(batch: Batch, esp: number, from: number, bytes: number, seqHi: number, esn: boolean): number {
    const block = scratch.scratch;
    let n = 0;
    for (let p = from; p < bytes && n < BLOCK_BYTES; p++) block[scratch.TAG + n++] = batch.u8[esp + p];
    if (!esn) return n;
    for (let p = Math.max(0, from - bytes); p < 4 && n < BLOCK_BYTES; p++) {
      block[scratch.TAG + n++] = seqHi >>> (24 - 8 * p);
    }
    return n;
  }

  /** Pads and masks the last block, of which `n` bytes are there (RFC 3566 §4). */
  #maskLast(n: number): void {
    const block = scratch.scratch;
    const mask = n === BLOCK_BYTES ? 16 : 32;
    if (n < BLOCK_BYTES) block[scratch.TAG + n++] = 0x80;
    while (n < BLOCK_BYTES) block[scratch.TAG + n++] = 0;
    for (let i = 0; i < BLOCK_BYTES; i++) block[scratch.TAG + i] ^= this.#subkeys[mask + i];
  }
}
