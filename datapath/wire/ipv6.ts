/** IPv6 header (RFC 8200 §3) and its extension headers (§4). Offsets in bytes. */

export const PAYLOAD_LENGTH = 4;
export const NEXT_HEADER = 6;
export const HOP_LIMIT = 7;
export const SRC = 8;
export const DST = 24;
/** Bytes of the fixed header. */
export const HEADER_BYTES = 40;

/** Extension headers that a packet's reader walks past. */
export const HOP_BY_HOP = 0;
export const ROUTING = 43;
export const FRAGMENT_HEADER = 44;
export const DESTINATION = 60;
/** Bytes of a fragment header (RFC 8200 §4.5); the others say their own length. */
export const FRAGMENT_HEADER_BYTES = 8;

/** True when `length` bytes can hold the fixed header. */
export function checkLen(length: number): boolean {
  return length >= HEADER_BYTES;
}

export function getTrafficClass(view: DataView, at: number): number {
  return (view.getUint16(at) >> 4) & 0xff;
}

export function setTrafficClass(view: DataView, at: number, trafficClass: number): void {
  view.setUint16(at, (view.getUint16(at) & 0xf00f) | (trafficClass << 4));
}

/** Bytes of the extension header at `at`, but for a fragment header. */
export function getExtensionBytes(view: DataView, at: number): number {
  return (view.getUint8(at + 1) + 1) << 3;
}

/** Writes the fixed header with flow label 0; addresses are left to the caller (SRC, DST). */
export function emit(
  view: DataView,
  at: number,
  trafficClass: number,
  payloadLength: number,
  nextHeader: number,
  hopLimit: number,
): void {
  view.setUint32(at, 0x60000000 | (trafficClass << 20));
  view.setUint32(at + PAYLOAD_LENGTH, (payloadLength << 16) | (nextHeader << 8) | hopLimit);
}
