/**
 * AH header (RFC 4302 §2): next header, payload length, reserved, SPI, sequence number, ICV, padding. It stands between
 * the IP header and what it protects. Offsets in bytes.
 */

export const NEXT_HEADER = 0;
/** Bytes of the header in 32-bit words, less 2. */
export const PAYLOAD_LENGTH = 1;
export const SPI = 4;
export const SEQ = 8;
export const ICV = 12;
/** Bytes before the ICV. */
export const HEADER_BYTES = 12;

/** True when `length` bytes can hold SPI and sequence number. */
export function checkLen(length: number): boolean {
  return length >= HEADER_BYTES;
}

/**
 * Bytes of a header with an ICV of `icvLength`. Linux pads to 8 over IPv4 too, where RFC 4302 §3.3.3.2.1 asks for 4;
 * `align4` is the SA flag that does as the RFC says. Kernel: ah_init_state().
 */
export function headerBytes(icvLength: number, align4: boolean): number {
  const align = align4 ? 4 : 8;
  return HEADER_BYTES + icvLength + align - 1 & -align;
}

/** Bytes of the header as it claims: 8 to 1028. */
export function getHeaderBytes(view: DataView, at: number): number {
  return view.getUint8(at + PAYLOAD_LENGTH) + 2 << 2;
}

/** SPI, a 32-bit integer of either sign. */
export function getSpi(view: DataView, at: number): number {
  return view.getInt32(at + SPI);
}

/** Low half of the sequence number, a 32-bit integer of either sign. */
export function getSeq(view: DataView, at: number): number {
  return view.getInt32(at + SEQ);
}

/** Writes a header of `bytes` bytes, ICV and padding zero. */
export function emit(
  view: DataView,
  at: number,
  nextHeader: number,
  bytes: number,
  spi: number,
  seq: number,
): void {
  view.setUint32(at, (nextHeader << 24) | ((bytes >> 2) - 2 << 16));
  view.setInt32(at + SPI, spi);
  view.setInt32(at + SEQ, seq);
  for (let i = ICV; i < bytes; i += 4) view.setInt32(at + i, 0);
}
