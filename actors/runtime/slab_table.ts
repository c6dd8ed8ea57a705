/**
 * The slabs that a worker knows: those of its own pools, and those in which others have sent it parcels.
 *
 * Memory lasts while any worker refers to it, so a slab must be forgotten everywhere once its pool has given it up or
 * died with its worker. Such a slab is nobody's: a parcel in it goes to no other worker any more, and whoever counts
 * its packets has counted them as lost. Word EPOCH in the slab, beside the directory, says whose it is.
 */
import { EPOCH, type Parcel, type Slab } from "./behaviour.ts";
import type { Directory } from "./directory.ts";

/** What a worker must be told of a slab before the first parcel in it. */
export interface Introduction {
  readonly op: "slab";
  readonly id: number;
  readonly memory: SharedArrayBuffer;
  /** Slot of the worker whose pool it is of. */
  readonly home: number;
}

interface Known<P extends Parcel> {
  readonly slab: Slab<P>;
  readonly home: number;
  readonly words: Int32Array;
  /** Slots whose workers know it, bit by bit. */
  told: number;
}

export interface SlabTableParts<P extends Parcel> {
  /** This worker's slot, and the epoch in which it started. */
  readonly slot: number;
  readonly epoch: number;
  readonly directory: Directory;
  /** Makes new memory for a slab, with all that its parcels need in it from the start. */
  readonly makeMemory: () => SharedArrayBuffer;
  readonly makeSlab: (id: number, memory: SharedArrayBuffer) => Slab<P>;
}

export class SlabTable<P extends Parcel> {
  readonly #parts: SlabTableParts<P>;
  readonly #known = new Map<number, Known<P>>();

  constructor(parts: SlabTableParts<P>) {
    this.#parts = parts;
  }

  /** Makes a slab for a pool of this worker. */
  make(): Slab<P> {
    const { directory, makeMemory, slot, epoch } = this.#parts;
    const memory = makeMemory();
    new Int32Array(memory)[EPOCH] = epoch;
    return this.#add(directory.nextSlab(), memory, slot).slab;
  }

  /** The worker of slot `from` has told of a slab, maybe not as the first. */
  learn({ id, memory, home }: Introduction, from: number): void {
    const known = this.#known.get(id) ?? this.#add(id, memory, home);
    known.told |= 1 << from;
    if (!this.#isSomebodys(known)) this.#known.delete(id);
  }

  #add(id: number, memory: SharedArrayBuffer, home: number): Known<P> {
    const slab = this.#parts.makeSlab(id, memory);
    const known: Known<P> = { slab, home, words: new Int32Array(memory, 0, EPOCH + 1), told: 1 << home };
    this.#known.set(id, known);
    return known;
  }

  /** A parcel in a slab that another worker has sent; null when the slab is nobody's any more. */
  wrap(id: number): P | null {
    return this.#known.get(id)?.slab.wrap() ?? null;
  }

  /** Whether a parcel in this slab may go to another worker. */
  maySend(id: number): boolean {
    const known = this.#known.get(id);
    return known !== undefined && this.#isSomebodys(known);
  }

  /** What the worker of `slot` must be told before a parcel in this known slab; null: nothing. */
  introduction(id: number, slot: number): Introduction | null {
    const known = this.#known.get(id)!;
    if ((known.told >>> slot & 1) === 1) return null;
    known.told |= 1 << slot;
    return { op: "slab", id, memory: known.slab.memory, home: known.home };
  }

  /** Another worker has taken the slot, and knows nothing. */
  untold(slot: number): void {
    for (const known of this.#known.values()) known.told &= ~(1 << slot);
  }

  /** A pool of this worker has given these slabs up. */
  giveUp(ids: Iterable<number>): void {
    for (const id of ids) {
      const known = this.#known.get(id);
      if (known !== undefined) Atomics.store(known.words, EPOCH, 0);
    }
  }

  /** Forgets slabs that are nobody's. */
  sweep(): void {
    for (const [id, known] of this.#known) if (!this.#isSomebodys(known)) this.#known.delete(id);
  }

  /** Slabs that are known. */
  get size(): number {
    return this.#known.size;
  }

  #isSomebodys({ words, home }: Known<P>): boolean {
    return Atomics.load(words, EPOCH) === this.#parts.directory.epochOf(home);
  }
}
