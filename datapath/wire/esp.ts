/**
 * ESP packet (RFC 4303 §2): SPI, sequence number, IV, text, ICV. The end of the text is the trailer: padding,
 * pad length, next header. Offsets in bytes.
 */

export const SPI = 0;
export const SEQ = 4;
/** The IV follows the fixed part. */
export const IV = 8;
export const HEADER_BYTES = 8;
/** Pad length and next header. */
export const TRAILER_BYTES = 2;
/** Next header of a packet that carries nothing (RFC 4303 §2.6). */
export const NO_NEXT_HEADER = 59;

/** True when `length` bytes can hold SPI and sequence number. */
export function checkLen(length: number): boolean {
  return length >= HEADER_BYTES;
}

/** SPI, a 32-bit integer of either sign. */
export function getSpi(view: DataView, at: number): number {
  return view.getInt32(at);
}

/** Low half of the sequence number, a 32-bit integer of either sign. */
export function getSeq(view: DataView, at: number): number {
  return view.getInt32(at + SEQ);
}

/** Writes SPI and the low half of the sequence number. */
export function emit(view: DataView, at: number, spi: number, seq: number): void {
  view.setInt32(at, spi);
  view.setInt32(at + SEQ, seq);
}

/** Writes `pad` bytes 1, 2, 3, … (RFC 4303 §2.4), the pad length and the next header at `at`. */
export function emitTrailer(u8: Uint8Array, at: number, pad: number, nextHeader: number): void {
  for (let i = 0; i < pad; i++) u8[at + i] = i + 1;
  u8[at + pad] = pad;
  u8[at + pad + 1] = nextHeader;
}
