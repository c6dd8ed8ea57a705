/** What all workers of a system share: where each actor is, which start of each worker counts, and a count of slabs. */
import { type ActorId, MAX_ACTORS } from "./behaviour.ts";

/** Slots that a directory has room for. */
export const MAX_SLOTS = 32;

// Words of the shared memory: the actors', then those of the slots, then the count.
const EPOCHS = MAX_ACTORS;
const SLABS_MADE = EPOCHS + MAX_SLOTS;

export class Directory {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(memory = new SharedArrayBuffer((SLABS_MADE + 1) * 4)) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
  }

  /** Slot of the worker that has the actor, -1 none. */
  slotOf(actor: ActorId): number {
    return this.#words[actor] - 1;
  }

  /** Written by the worker that has the actor; `slot` -1: it is gone. */
  place(actor: ActorId, slot: number): void {
    Atomics.store(this.#words, actor, slot + 1);
  }

  /** Epoch in which the worker that is up in this slot started, 0 when none is. */
  epochOf(slot: number): number {
    return Atomics.load(this.#words, EPOCHS + slot);
  }

  /** Written by the main thread: when a worker starts, and when it has failed, before others are told. */
  setEpoch(slot: number, epoch: number): void {
    Atomics.store(this.#words, EPOCHS + slot, epoch);
  }

  /** Number for a new slab. */
  nextSlab(): number {
    return Atomics.add(this.#words, SLABS_MADE, 1) + 1;
  }
}
