/** Makes the slabs of an actor's pool. */
import { Batch } from "../datapath/batch.ts";
import { newSlab } from "../ffi/slab_pointers.ts";

/** Slabs that one pool can have; the slab's number in the process is made of the actor's and its own. */
const MAX_SLABS_PER_POOL = 4096;

/** Maker of slabs for the pool of `actor`. */
export function batchMaker(actor: number): (id: number) => Batch {
  return (id) => new Batch(newSlab(actor * MAX_SLABS_PER_POOL + (id % MAX_SLABS_PER_POOL) + 1));
}
