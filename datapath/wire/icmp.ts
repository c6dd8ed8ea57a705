/** ICMP message (RFC 792). Offsets in bytes; numbers in host order. */

export const TYPE = 0;
export const CODE = 1;
export const CHECKSUM = 2;
/** Fragmentation needed: MTU of the next hop (RFC 1191 §4). */
export const NEXT_HOP_MTU = 6;
export const HEADER_BYTES = 8;

/** Types. */
export const DEST_UNREACH = 3;
/** Codes of DEST_UNREACH. */
export const HOST_UNREACH = 1;
export const FRAG_NEEDED = 4;

/** Highest type that is known to be an error or not. Kernel: NR_ICMP_TYPES. */
export const MAX_TYPE = 18;
/** Types that are queries and answers, as bits; every other one is an error or unknown. Kernel: icmp_pointers[]. */
const QUERIES = 1 << 0 | 1 << 8 | 1 << 13 | 1 << 14 | 1 << 15 | 1 << 16 | 1 << 17 | 1 << 18;

/** True for errors and unknown types, which no error may answer (RFC 1122 §3.2.2). */
export function isError(type: number): boolean {
  return type > MAX_TYPE || (QUERIES >>> type & 1) === 0;
}

/** Writes the header with checksum 0. `info` is the word behind the checksum. */
export function emit(view: DataView, at: number, type: number, code: number, info: number): void {
  view.setUint32(at, (type << 24) | (code << 16));
  view.setUint32(at + 4, info);
}
