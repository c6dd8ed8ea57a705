/** Copying between two buffers without a view made for it. */

/**
 * Copies `length` bytes; neither offset need be aligned.
 *
 * `set(subarray)` makes an object per call and element loops over 32-bit words take twice as long. The BigInts here
 * exist in the source alone: compiled code moves each 64-bit word through a register.
 */
export function memcpy(to: DataView, toOffset: number, from: DataView, offset: number, length: number): void {
  const end = offset + length;
  let p = offset, q = toOffset;
  for (; p + 32 <= end; p += 32, q += 32) {
    to.setBigUint64(q, from.getBigUint64(p, true), true);
    to.setBigUint64(q + 8, from.getBigUint64(p + 8, true), true);
    to.setBigUint64(q + 16, from.getBigUint64(p + 16, true), true);
    to.setBigUint64(q + 24, from.getBigUint64(p + 24, true), true);
  }
  for (; p + 4 <= end; p += 4, q += 4) to.setInt32(q, from.getInt32(p, true), true);
  for (; p < end; p++, q++) to.setUint8(q, from.getUint8(p));
}
