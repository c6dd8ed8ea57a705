/**
 * Slabs that native code can address, and their pointer objects.
 *
 * Making a pointer object costs 100 ns, so each is made once and kept. Packets start at few different places: at some
 * bytes of their slots, or one behind the other in the size that most packets of a path have. A transferred
 * ArrayBuffer keeps its address but gets new views, so the pointers belong to the slab's number (SLAB_ID) and not to
 * the Batch.
 */
import { ADDRESS_HI, ADDRESS_LO, type Batch, DATA, SLAB_BYTES, SLAB_ID } from "../datapath/batch.ts";

/** Pointers of one slab: direct-mapped, each entry with the offset that it is for, 0 none. */
interface SlabPointers {
  /** Base address of the slab that the pointers were made for. */
  readonly base: bigint;
  readonly offsets: Int32Array;
  readonly pointers: (Deno.PointerObject | null)[];
}

/** Slabs whose pointers a worker keeps; the one kept longest makes room. */
const MAX_SLABS = 4096;
/** A KiB of a slab, where no more than one long packet starts, has 8 entries. */
const KIB_SHIFT = 10;
const ENTRIES = (SLAB_BYTES - DATA) >> KIB_SHIFT << 3;

const slabs = new Map<number, SlabPointers>();

/**
 * Makes a slab: SLAB_BYTES zeroed bytes with SLAB_ID, ADDRESS_LO and ADDRESS_HI written.
 * `slabId` must be unique in the process and not 0.
 */
export function newSlab(slabId: number): ArrayBuffer {
  const buffer = new ArrayBuffer(SLAB_BYTES);
  prepareSlab(buffer, slabId);
  return buffer;
}

/** Writes SLAB_ID, ADDRESS_LO and ADDRESS_HI into a buffer of SLAB_BYTES. Throws when DATA is not 16-byte aligned. */
export function prepareSlab(buffer: ArrayBuffer, slabId: number): void {
  if (buffer.byteLength !== SLAB_BYTES) {
    throw new RangeError(`Prepare a slab: ${buffer.byteLength} bytes, ${SLAB_BYTES} are needed`);
  }
  const address = Deno.UnsafePointer.value(Deno.UnsafePointer.of(new Uint8Array(buffer)));
  if ((address + BigInt(DATA)) % 16n !== 0n) {
    throw new Error(`Prepare a slab: address 0x${address.toString(16)} is not 16-byte aligned`);
  }
  const i32 = new Int32Array(buffer, 0, SLAB_ID + 1);
  i32[ADDRESS_LO] = Number(address & 0xffffffffn);
  i32[ADDRESS_HI] = Number(address >> 32n);
  i32[SLAB_ID] = slabId;
}

/** Pointer to byte `offset` (DATA or more) of the batch's slab. Allocates only the first time, as a rule. */
export function pointerAt(batch: Batch, offset: number): Deno.PointerObject {
  const native = (batch.native as SlabPointers | null) ?? attach(batch);
  const entry = entryOf(offset);
  return native.offsets[entry] === offset ? native.pointers[entry]! : create(native, offset);
}

/** Pointers of slabs kept by this worker, for tests and statistics. */
export function slabsKept(): number {
  return slabs.size;
}

function entryOf(offset: number): number {
  return (offset - DATA >> KIB_SHIFT << 3) | ((offset >> 2 ^ offset >> 5) & 7);
}

function attach(batch: Batch): SlabPointers {
  const id = batch.i32[SLAB_ID];
  const base = (BigInt(batch.i32[ADDRESS_HI]) << 32n) | BigInt(batch.i32[ADDRESS_LO] >>> 0);
  if (base === 0n) throw new Error("Find the pointers of a slab: it was not made by newSlab()");
  let native = slabs.get(id);
  // A number that came back with another address is another slab: a pool of a worker that was restarted.
  if (native === undefined || native.base !== base) {
    native = { base, offsets: new Int32Array(ENTRIES), pointers: new Array(ENTRIES).fill(null) };
    slabs.delete(id);
    if (slabs.size >= MAX_SLABS) slabs.delete(slabs.keys().next().value!);
    slabs.set(id, native);
  }
  batch.native = native;
  return native;
}

function create(native: SlabPointers, offset: number): Deno.PointerObject {
  if (!(offset >= DATA && offset < SLAB_BYTES)) {
    throw new RangeError(`Point into a slab: offset ${offset} is not between ${DATA} and ${SLAB_BYTES}`);
  }
  const pointer = Deno.UnsafePointer.create(native.base + BigInt(offset))!;
  const entry = entryOf(offset);
  native.offsets[entry] = offset;
  native.pointers[entry] = pointer;
  return pointer;
}
