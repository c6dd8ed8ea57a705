/** ICMPv6 message (RFC 4443 §2.1). Offsets in bytes; numbers in host order. */

export const TYPE = 0;
export const CODE = 1;
export const CHECKSUM = 2;
/** Packet too big: MTU of the next hop, 32 bits (RFC 4443 §3.2). */
export const MTU = 4;
export const HEADER_BYTES = 8;

/** Types. */
export const DEST_UNREACH = 1;
export const PACKET_TOO_BIG = 2;
/** Code of DEST_UNREACH: address unreachable. */
export const ADDR_UNREACH = 3;

/** True for errors: the high bit marks messages that are informational (RFC 4443 §2.1). */
export function isError(type: number): boolean {
  return (type & 0x80) === 0;
}

/** Writes the header with checksum 0. `info` is the word behind the checksum. */
export function emit(view: DataView, at: number, type: number, code: number, info: number): void {
  view.setUint32(at, (type << 24) | (code << 16));
  view.setUint32(at + 4, info);
}
