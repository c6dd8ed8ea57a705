/**
 * The Internet checksum (RFC 1071): one's complement sum of big-endian 16-bit words.
 *
 * `sum` gives a partial sum that other parts (a pseudo header, another buffer) can be added to by passing it as
 * `initial`; `finish` folds and complements it. A part that others follow must have an even length.
 */

/**
 * Partial sum of `length` bytes at `at`, added to `initial`. An odd last byte counts as if a zero followed.
 * `length` is at most 65535 and `initial` below 2^31. Kernel: csum_partial().
 *
 * The loop adds the halves of little-endian loads: the sum does not depend on byte order (RFC 1071 §2(B)), so one swap
 * at the end replaces one per word. 16 bytes a round measured fastest: 8-byte loads make BigInts, 32 bytes a round
 * spill registers.
 */
export function sum(view: DataView, at: number, length: number, initial: number): number {
  const end = at + length;
  let p = at, s = 0, t = 0;
  for (; p + 16 <= end; p += 16) {
    const a = view.getInt32(p, true), b = view.getInt32(p + 4, true);
    const c = view.getInt32(p + 8, true), d = view.getInt32(p + 12, true);
    s = s + (a & 0xffff) + (a >>> 16) + (b & 0xffff) + (b >>> 16) | 0;
    t = t + (c & 0xffff) + (c >>> 16) + (d & 0xffff) + (d >>> 16) | 0;
  }
  for (; p + 2 <= end; p += 2) s = s + view.getUint16(p, true) | 0;
  if (p < end) s = s + view.getUint8(p) | 0;
  // 32-bit wrap-around is harmless: the whole sum stays below 2^32, and fold() reads it as unsigned.
  const folded = fold(s + t | 0);
  return initial + ((folded & 0xff) << 8 | folded >>> 8);
}

/** Folds a partial sum below 2^32 to 16 bits. */
export function fold(partial: number): number {
  const s = (partial & 0xffff) + (partial >>> 16);
  return (s & 0xffff) + (s >>> 16);
}

/** Checksum of a partial sum, as it stands in a header (host order number of the big-endian field). */
export function finish(partial: number): number {
  return ~fold(partial) & 0xffff;
}

/** Checksum after one 16-bit word of the data changed from `before` to `after` (RFC 1624 eqn. 3). */
export function update(checksum: number, before: number, after: number): number {
  return finish((~checksum & 0xffff) + (~before & 0xffff) + after);
}

/** Partial sum of the pseudo header of TCP, UDP and the like over IPv4 (RFC 9293 §3.1), addresses read at `ip`. */
export function pseudo4(view: DataView, ip: number, protocol: number, length: number): number {
  return sum(view, ip + 12, 8, protocol + length);
}

/** Partial sum of the pseudo header over IPv6 (RFC 8200 §8.1), addresses read at `ip`. */
export function pseudo6(view: DataView, ip: number, protocol: number, length: number): number {
  return sum(view, ip + 8, 32, protocol + length);
}
