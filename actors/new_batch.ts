/** Makes the slabs of an actor's pool. */
import { Batch } from "../datapath/batch.ts";
import { newSlab } from "../ffi/slab_pointers.ts";

/** Maker of slabs, which go to other workers if `shared`. */
export function batchMaker(shared: boolean): (slab: number) => Batch {
  return (slab) => new Batch(newSlab(slab, shared));
}
