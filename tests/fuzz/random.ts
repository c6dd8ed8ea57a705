/** Random numbers that a seed repeats, fast enough for ten million packets; and damage to bytes. */

/** xorshift128 (Marsaglia 2003). */
export class Random {
  #a: number;
  #b = 0x9e3779b9;
  #c = 0x243f6a88;
  #d = 0xb7e15162;

  constructor(seed: number) {
    this.#a = seed | 1;
    for (let i = 0; i < 16; i++) this.u32();
  }

  u32(): number {
    let t = this.#d;
    const s = this.#a;
    this.#d = this.#c;
    this.#c = this.#b;
    this.#b = s;
    t ^= t << 11;
    t ^= t >>> 8;
    this.#a = t ^ s ^ (s >>> 19);
    return this.#a >>> 0;
  }

  /** 0 to n - 1. */
  below(n: number): number {
    return this.u32() % n;
  }

  /** True once in n times. */
  once(n: number): boolean {
    return this.below(n) === 0;
  }

  pick<T>(among: readonly T[]): T {
    return among[this.below(among.length)]!;
  }

  fill(bytes: Uint8Array, from = 0, to = bytes.length): void {
    for (let i = from; i < to; i++) bytes[i] = this.u32();
  }
}

/** Values that comparisons go wrong at. */
const EDGES = [0, 1, 2, 4, 5, 0x0f, 0x3f, 0x40, 0x45, 0x4f, 0x50, 0x60, 0x7f, 0x80, 0xfe, 0xff];

/**
 * Damages a message of `length` bytes at the start of `buffer`, in one to four places, mostly in its first bytes, where
 * its headers are. Returns the new length, from 0 to that of the buffer.
 */
export function mutate(random: Random, buffer: Uint8Array, length: number): number {
  for (let times = 1 + random.below(4); times > 0; times--) {
    const reach = random.once(3) ? length : Math.min(length, 64);
    const at = reach === 0 ? 0 : random.below(reach);
    switch (random.below(8)) {
      case 0:
        buffer[at]! ^= 1 << random.below(8);
        break;
      case 1:
        buffer[at] = random.pick(EDGES);
        break;
      case 2:
        buffer[at] = random.u32();
        break;
      case 3: // A 16-bit field: lengths, offsets, ports.
        buffer[at & ~1] = random.pick(EDGES);
        buffer[at | 1] = random.pick(EDGES);
        break;
      case 4:
        length = random.below(length + 1);
        break;
      case 5: // Longer, by what was there before or by anything.
        length = Math.min(buffer.length, length + random.below(random.once(8) ? buffer.length : 64));
        break;
      case 6: { // A part again in another place.
        const from = length === 0 ? 0 : random.below(length);
        buffer.copyWithin(at, from, Math.min(length, from + random.below(32)));
        break;
      }
      default:
        random.fill(buffer, at, Math.min(length, at + 1 + random.below(8)));
    }
  }
  return length;
}
