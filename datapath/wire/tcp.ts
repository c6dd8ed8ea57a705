/** TCP header (RFC 9293 §3.1). Offsets in bytes; numbers in host order. */

export const SRC_PORT = 0;
export const DST_PORT = 2;
export const SEQ = 4;
export const ACK_SEQ = 8;
/** Data offset in 32-bit words (upper 4 bits), reserved bits, FLAGS, window: one 32-bit word. */
export const FLAG_WORD = 12;
export const FLAGS = 13;
export const CHECKSUM = 16;
/** Bytes of a header without options. */
export const HEADER_BYTES = 20;

/** Bits of FLAGS (RFC 9293 §3.1, RFC 3168 §6.1). */
export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const PSH = 0x08;
export const URG = 0x20;
export const CWR = 0x80;

/** Bytes of the header, options included, as the header claims: 0 to 60. */
export function getHeaderBytes(view: DataView, at: number): number {
  return view.getUint8(at + FLAG_WORD) >> 4 << 2;
}

/** Source port << 16 | destination port. */
export function getPorts(view: DataView, at: number): number {
  return view.getInt32(at);
}
