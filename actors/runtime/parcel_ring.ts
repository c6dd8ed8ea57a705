/** Numbers of slabs on their way from one thread to another: a ring in shared memory with one writer and one reader. */

/** Parcels in a ring at the most, a power of two. */
export const RING_PARCELS = 1024;

// Words of a ring: entries ever put in and ever taken out, which wrap and have a cache line (128 bytes) each, then two
// words an entry: the slab, and how many messages were posted before it.
const PUT = 0;
const TAKEN = 32;
const ENTRIES = 64;
const ENTRY_WORDS = 2;
const RING_WORDS = ENTRIES + RING_PARCELS * ENTRY_WORDS;

/** Memory of the two rings of a channel, one for each direction. */
export function makeRings(): SharedArrayBuffer {
  return new SharedArrayBuffer(2 * RING_WORDS * 4);
}

export class ParcelRing {
  readonly #words: Int32Array;
  /** The writer's count of PUT, and the reader's of TAKEN. */
  #put = 0;
  #taken = 0;

  /** Ring `side` (0 or 1) of `memory`. */
  constructor(memory: SharedArrayBuffer, side: number) {
    this.#words = new Int32Array(memory, side * RING_WORDS * 4, RING_WORDS);
  }

  /** Puts a slab in that follows `messages` messages of the same channel; false when there is no room. */
  put(slab: number, messages: number): boolean {
    const words = this.#words;
    if ((this.#put - Atomics.load(words, TAKEN) | 0) >= RING_PARCELS) return false;
    const at = ENTRIES + (this.#put & RING_PARCELS - 1) * ENTRY_WORDS;
    words[at] = slab;
    words[at + 1] = messages;
    this.#put = this.#put + 1 | 0;
    // Sequentially consistent: whoever sees the count sees the entry, and all that was written to the slab.
    Atomics.store(words, PUT, this.#put);
    return true;
  }

  get empty(): boolean {
    return Atomics.load(this.#words, PUT) === this.#taken;
  }

  /** Takes the next slab out; 0 when there is none, or when it follows more than the `messages` received so far. */
  take(messages: number): number {
    if (this.empty) return 0;
    const words = this.#words;
    const at = ENTRIES + (this.#taken & RING_PARCELS - 1) * ENTRY_WORDS;
    if ((words[at + 1] - messages | 0) > 0) return 0;
    const slab = words[at];
    this.#taken = this.#taken + 1 | 0;
    Atomics.store(words, TAKEN, this.#taken);
    return slab;
  }
}
