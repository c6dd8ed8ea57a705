/** IPComp header (RFC 3173 §3.1): next header, flags, CPI. The compressed payload follows. Offsets in bytes. */

export const NEXT_HEADER = 0;
export const CPI = 2;
export const HEADER_BYTES = 4;

/** True when `length` bytes can hold the header. */
export function checkLen(length: number): boolean {
  return length >= HEADER_BYTES;
}

/** 16 bits; the SPI of an IPComp SA. */
export function getCpi(view: DataView, at: number): number {
  return view.getUint16(at + CPI);
}

/** Writes the header, flags zero. */
export function emit(view: DataView, at: number, nextHeader: number, cpi: number): void {
  view.setUint32(at, (nextHeader << 24) | (cpi & 0xffff));
}
