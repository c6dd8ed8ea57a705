/**
 * Slabs that native code can address, and their pointer objects.
 *
 * Making a pointer object costs 100 ns, so each is made once and kept by the worker's Slab. Packets start at few
 * different places: at some bytes of their slots, or one behind the other in the size that most packets of a path have.
 *
 * A slab is shared memory, but no view of it is: each batch has a plain ArrayBuffer over it, which V8 neither owns nor
 * moves, and which can be detached when the batch is passed on. What keeps the memory is the Slab.
 */
import { ADDRESS_HI, ADDRESS_LO, Batch, type BatchSlab, DATA, SLAB_BYTES } from "../datapath/batch.ts";

/** A KiB of a slab, where no more than one long packet starts, has 8 entries. */
const KIB_SHIFT = 10;
const ENTRIES = (SLAB_BYTES - DATA) >> KIB_SHIFT << 3;

/** Makes the memory of a slab: SLAB_BYTES, all zero but for ADDRESS_LO and ADDRESS_HI. */
export function newSlabMemory(): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(SLAB_BYTES);
  const address = Deno.UnsafePointer.value(pointerTo(memory));
  if ((address + BigInt(DATA)) % 16n !== 0n) {
    throw new Error(`Make a slab: address 0x${address.toString(16)} is not 16-byte aligned`);
  }
  const i32 = new Int32Array(memory, 0, ADDRESS_HI + 1);
  i32[ADDRESS_LO] = Number(address & 0xffffffffn);
  i32[ADDRESS_HI] = Number(address >> 32n);
  return memory;
}

function pointerTo(memory: SharedArrayBuffer): Deno.PointerObject {
  // Deno takes shared memory here; its types only know the other kind.
  return Deno.UnsafePointer.of(new Uint8Array(memory) as unknown as Uint8Array<ArrayBuffer>)!;
}

/** A slab as one worker knows it. */
export class Slab implements BatchSlab {
  readonly id: number;
  readonly memory: SharedArrayBuffer;
  readonly #start: Deno.PointerObject;
  /** Pointers into it, direct-mapped, and the offset that each is for, 0 none. */
  readonly #offsets = new Int32Array(ENTRIES);
  readonly #pointers = new Array<Deno.PointerObject | null>(ENTRIES).fill(null);

  /** `memory` is of newSlabMemory(), in this worker or another. */
  constructor(id: number, memory = newSlabMemory()) {
    this.id = id;
    this.memory = memory;
    this.#start = pointerTo(memory);
  }

  /** A batch over it. */
  wrap(): Batch {
    return new Batch(Deno.UnsafePointerView.getArrayBuffer(this.#start, SLAB_BYTES), this);
  }

  pointerAt(offset: number): Deno.PointerObject {
    const entry = entryOf(offset);
    return this.#offsets[entry] === offset ? this.#pointers[entry]! : this.#create(entry, offset);
  }

  #create(entry: number, offset: number): Deno.PointerObject {
    if (!(offset >= DATA && offset < SLAB_BYTES)) {
      throw new RangeError(`Point into a slab: offset ${offset} is not between ${DATA} and ${SLAB_BYTES}`);
    }
    const pointer = Deno.UnsafePointer.offset(this.#start, offset)!;
    this.#offsets[entry] = offset;
    this.#pointers[entry] = pointer;
    return pointer;
  }
}

/** A batch in a new slab of no pool. */
export function newBatch(): Batch {
  return new Slab(0).wrap();
}

/** Pointer to byte `offset` (DATA or more) of the batch's slab. Allocates only the first time, as a rule. */
export function pointerAt(batch: Batch, offset: number): Deno.PointerObject {
  return (batch.slab as Slab).pointerAt(offset);
}

function entryOf(offset: number): number {
  return (offset - DATA >> KIB_SHIFT << 3) | ((offset >> 2 ^ offset >> 5) & 7);
}
