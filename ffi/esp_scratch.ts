/**
 * The small buffers of a transform that native code reads and writes: AAD, nonce, ICV. One set for each thread, held
 * here for ever, with pointers made once; a transform fills them, calls its library and is done with them before it
 * returns.
 */
import type { Batch } from "../datapath/batch.ts";

/** SPI ‖ sequence number, or SPI ‖ high half ‖ low half: 12 bytes. */
export const AAD = 0;
/** Salt ‖ IV ‖ block counter: 16 bytes. A salt of 3 bytes starts at NONCE + 1. */
export const NONCE = 16;
/** ICV as computed, at full length. */
export const TAG = 32;
export const TAG_BYTES = 64;
/** `int *outl` of the EVP calls, and the length of a digest. */
const OUT_LENGTH = 96;
/** 16 bytes that nobody writes. */
const ZERO = 112;
const SCRATCH_BYTES = 128;

/** Words 4 and 5 of the AAD with ESN begin here, the high half of the sequence number. */
const AAD_SEQ_HI = AAD + 4;

/** The scratch bytes; TAG is where the ICV stands. In a buffer of its own: a short array may lie in the moving heap. */
export const scratch = new Uint8Array(new ArrayBuffer(SCRATCH_BYTES));
const view = new DataView(scratch.buffer);
const address = Deno.UnsafePointer.value(Deno.UnsafePointer.of(scratch));
const pointerTo = (offset: number): Deno.PointerObject =>
  Deno.UnsafePointer.create(address + BigInt(offset))!;

export const aadPointer = pointerTo(AAD);
export const seqHiPointer = pointerTo(AAD_SEQ_HI);
export const noncePointer = pointerTo(NONCE);
/** Nonce with a salt of 3 bytes (RFC 4309 §4). */
export const nonce3Pointer = pointerTo(NONCE + 1);
export const tagPointer = pointerTo(TAG);
export const outLengthPointer = pointerTo(OUT_LENGTH);
export const zeroPointer = pointerTo(ZERO);

/** Bytes of the AAD without and with ESN. */
export const AAD_BYTES = 8;
export const AAD_ESN_BYTES = 12;

/**
 * Writes the AAD of the packet at `esp` and returns its length (RFC 4106 §5, the same in RFC 4309, 4543 and 7634).
 */
export function writeAad(batch: Batch, esp: number, seqHi: number, esn: boolean): number {
  view.setInt32(AAD, batch.view.getInt32(esp));
  if (!esn) {
    view.setInt32(AAD + 4, batch.view.getInt32(esp + 4));
    return AAD_BYTES;
  }
  view.setInt32(AAD_SEQ_HI, seqHi);
  view.setInt32(AAD + 8, batch.view.getInt32(esp + 4));
  return AAD_ESN_BYTES;
}

/** Writes the high half of the sequence number where `seqHiPointer` points (RFC 4303 §2.2.1). */
export function writeSeqHi(seqHi: number): void {
  view.setInt32(AAD_SEQ_HI, seqHi);
}

/** Writes salt ‖ the 8-byte IV of the packet at `esp` ‖ 1. A 3-byte salt is the low 24 bits. */
export function writeNonce(batch: Batch, esp: number, salt: number): void {
  view.setInt32(NONCE, salt);
  view.setInt32(NONCE + 4, batch.view.getInt32(esp + 8));
  view.setInt32(NONCE + 8, batch.view.getInt32(esp + 12));
  // RFC 3686 §4: the block counter begins at one. AEADs do not look at it.
  view.setInt32(NONCE + 12, 1);
}

/** A salt of 3 or 4 bytes as the number that `writeNonce` takes. */
export function saltWord(salt: Uint8Array): number {
  return salt.reduce((word, byte) => (word << 8) | byte, 0);
}

/** Copies the ICV that was computed to `at` in the slab. */
export function copyTagToSlab(batch: Batch, at: number, icvLength: number): void {
  const whole = icvLength & ~3;
  for (let i = 0; i < whole; i += 4) batch.view.setInt32(at + i, view.getInt32(TAG + i));
  for (let i = whole; i < icvLength; i++) batch.u8[at + i] = scratch[TAG + i];
}

/** Copies the ICV of a received packet out of the slab, for a library that compares by itself. */
export function copyTagFromSlab(batch: Batch, at: number, icvLength: number): void {
  const whole = icvLength & ~3;
  for (let i = 0; i < whole; i += 4) view.setInt32(TAG + i, batch.view.getInt32(at + i));
  for (let i = whole; i < icvLength; i++) scratch[TAG + i] = batch.u8[at + i];
}

/** Compares the ICV that was computed with the one at `at` in the slab, in constant time. */
export function tagMatches(batch: Batch, at: number, icvLength: number): boolean {
  const whole = icvLength & ~3;
  let difference = 0;
  for (let i = 0; i < whole; i += 4) difference |= batch.view.getInt32(at + i) ^ view.getInt32(TAG + i);
  for (let i = whole; i < icvLength; i++) difference |= batch.u8[at + i] ^ scratch[TAG + i];
  return difference === 0;
}

/** Lengths up to a jumbo frame and beyond get a BigInt that is kept. */
const KEPT_LENGTHS = 16384;
const lengths: (bigint | undefined)[] = new Array(KEPT_LENGTHS).fill(undefined);

/** `n` as a BigInt, made once: a `u64` argument costs 94 ns as a Number, 10 ns as a BigInt that is there. */
export function u64(n: number): bigint {
  if (n >= KEPT_LENGTHS) return BigInt(n);
  return lengths[n] ?? (lengths[n] = BigInt(n));
}
