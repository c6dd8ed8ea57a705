/**
 * The Internet checksum (RFC 1071): one's complement sum of big-endian 16-bit words.
 *
 * `sum` gives a partial sum that other parts (a pseudo header, another buffer) can be added to by passing it as
 * `initial`; `finish` folds and complements it. A part that others follow must have an even length.
 */

/**
 * Partial sum of `length` bytes at `at`, added to `initial`. An odd last byte counts as if a zero followed.
 * `length` is at most 65535, so the sum stays exact.
 */
export function sum(view: DataView, at: number, length: number, initial: number): number {
  let acc = fold(initial);
  const end = at + length;
  const end16 = at + (length & ~15);
  let p = at;
  for (; p < end16; p += 16) {
    const a = view.getUint32(p),
      b = view.getUint32(p + 4),
      c = view.getUint32(p + 8),
      d = view.getUint32(p + 12);
    acc += (a >>> 16) + (a & 0xffff) + (b >>> 16) + (b & 0xffff);
    acc += (c >>> 16) + (c & 0xffff) + (d >>> 16) + (d & 0xffff);
  }
  for (; p + 1 < end; p += 2) acc += view.getUint16(p);
  if (p < end) acc += view.getUint8(p) << 8;
  return acc;
}

/** Folds a partial sum to 16 bits. */
export function fold(partial: number): number {
  let s = partial;
  while (s > 0xffff) s = (s & 0xffff) + Math.floor(s / 0x10000);
  return s;
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
