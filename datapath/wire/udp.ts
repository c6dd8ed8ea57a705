/** UDP header (RFC 768). Offsets in bytes; ports in host order. */

export const SRC_PORT = 0;
export const DST_PORT = 2;
export const LENGTH = 4;
export const CHECKSUM = 6;
export const HEADER_BYTES = 8;

/** True when `length` bytes can hold the header. */
export function checkLen(length: number): boolean {
  return length >= HEADER_BYTES;
}

/** Source port << 16 | destination port. */
export function getPorts(view: DataView, at: number): number {
  return view.getInt32(at);
}

/** Writes the header. `length` counts header and payload. Checksum 0: none, as RFC 3948 §2.1 wants it for ESP. */
export function emit(view: DataView, at: number, ports: number, length: number): void {
  view.setInt32(at, ports);
  view.setUint32(at + LENGTH, length << 16);
}
