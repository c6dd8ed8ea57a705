/** IPv4 header (RFC 791 §3.1). Offsets in bytes; numbers in host order; addresses as 32-bit integers, either sign. */

export const VERSION_IHL = 0;
export const TOS = 1;
export const TOTAL_LENGTH = 2;
export const ID = 4;
export const FRAGMENT = 6;
export const TTL = 8;
export const PROTOCOL = 9;
export const CHECKSUM = 10;
export const SRC = 12;
export const DST = 16;
/** Bytes of a header without options. */
export const HEADER_BYTES = 20;

/** Bits of the FRAGMENT word. */
export const DF = 0x4000;
export const MF = 0x2000;
export const OFFSET_MASK = 0x1fff;

/** ECN field of the TOS byte (RFC 3168 §5). */
export const ECN_MASK = 3;
export const ECN_ECT0 = 2;
export const ECN_CE = 3;

/** True when `length` bytes can hold a header without options. */
export function checkLen(length: number): boolean {
  return length >= HEADER_BYTES;
}

export function getVersion(view: DataView, at: number): number {
  return view.getUint8(at) >> 4;
}

/** Bytes of the header, options included, as the header claims: 0 to 60. */
export function getHeaderBytes(view: DataView, at: number): number {
  return (view.getUint8(at) & 15) << 2;
}

export function getFragment(view: DataView, at: number): number {
  return view.getUint16(at + FRAGMENT);
}

/** True for any part of a fragmented packet, the first one too. */
export function isFragment(view: DataView, at: number): boolean {
  return (view.getUint16(at + FRAGMENT) & (MF | OFFSET_MASK)) !== 0;
}

/** Sets the TOS byte and corrects the checksum, wrong ones staying wrong (RFC 1624 eqn. 3). */
export function setTos(view: DataView, at: number, tos: number): void {
  const before = view.getUint16(at);
  const after = (before & 0xff00) | tos;
  const s = (~view.getUint16(at + CHECKSUM) & 0xffff) + (~before & 0xffff) + after;
  view.setUint16(at, after);
  view.setUint16(at + CHECKSUM, ~fold(s));
}

/** Writes a header without options, its checksum included. `df` is DF or 0. */
export function emit(
  view: DataView,
  at: number,
  tos: number,
  totalLength: number,
  id: number,
  df: number,
  ttl: number,
  protocol: number,
  src: number,
  dst: number,
): void {
  const first = 0x4500 | tos;
  const life = (ttl << 8) | protocol;
  const s = first + totalLength + id + df + life + (src >>> 16) + (src & 0xffff) + (dst >>> 16) +
    (dst & 0xffff);
  view.setUint32(at, (first << 16) | totalLength);
  view.setUint32(at + ID, (id << 16) | df);
  view.setUint32(at + TTL, (life << 16) | (~fold(s) & 0xffff));
  view.setUint32(at + SRC, src);
  view.setUint32(at + DST, dst);
}

/** Ten 16-bit words need two folds at the most. */
function fold(s: number): number {
  const once = (s & 0xffff) + (s >>> 16);
  return (once & 0xffff) + (once >>> 16);
}
