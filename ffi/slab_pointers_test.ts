import assert from "node:assert/strict";
import {
  ADDRESS_HI,
  ADDRESS_LO,
  Batch,
  BATCH_PACKETS,
  DATA,
  SLAB_BYTES,
  SLAB_ID,
  SLOT_BYTES,
} from "../datapath/batch.ts";
import { newSlab, pointerAt, prepareSlab, slabsKept } from "./slab_pointers.ts";

const addressOf = (pointer: Deno.PointerObject) => Deno.UnsafePointer.value(pointer);

Deno.test("newSlab() writes number and address, and its data are aligned", () => {
  const batch = new Batch(newSlab(1));
  const address = (BigInt(batch.i32[ADDRESS_HI]) << 32n) | BigInt(batch.i32[ADDRESS_LO] >>> 0);
  assert.equal(address, addressOf(Deno.UnsafePointer.of(batch.u8)!));
  assert.equal((address + BigInt(DATA)) % 16n, 0n);
  assert.equal(batch.i32[SLAB_ID], 1);
});

Deno.test("prepareSlab() refuses another size", () => {
  assert.throws(() => prepareSlab(new ArrayBuffer(SLAB_BYTES - 1), 2), RangeError);
});

Deno.test("pointerAt() points at the byte, and gives the same object again", () => {
  const batch = new Batch(newSlab(3));
  for (let slot = 0; slot < BATCH_PACKETS; slot++) {
    const offset = DATA + slot * SLOT_BYTES + (slot % 3) * 8;
    batch.u8[offset] = slot + 1;
    const pointer = pointerAt(batch, offset);
    assert.equal(new Deno.UnsafePointerView(pointer).getUint8(), slot + 1);
    assert.equal(pointerAt(batch, offset), pointer);
  }
});

Deno.test("pointerAt() finds its pointers again after a transfer there and back", async () => {
  const batch = new Batch(newSlab(4));
  const pointer = pointerAt(batch, DATA + 128);
  const { port1, port2 } = new MessageChannel();
  try {
    const arrived = new Promise<ArrayBuffer>((resolve) => port2.onmessage = (event) => resolve(event.data));
    port1.postMessage(batch.buffer, [batch.buffer]);
    const again = new Batch(await arrived);
    assert.equal(batch.buffer.byteLength, 0);
    assert.equal(pointerAt(again, DATA + 128), pointer);
    assert.equal(addressOf(Deno.UnsafePointer.of(again.u8)!) + BigInt(DATA + 128), addressOf(pointer));
  } finally {
    port1.close();
    port2.close();
  }
});

Deno.test("pointerAt() tells a number that was given to another slab", () => {
  const first = new Batch(newSlab(5));
  const second = new Batch(newSlab(5));
  pointerAt(first, DATA);
  assert.equal(
    addressOf(pointerAt(second, DATA)),
    addressOf(Deno.UnsafePointer.of(second.u8)!) + BigInt(DATA),
  );
});

Deno.test("pointerAt() refuses what is outside the data, and slabs that newSlab() did not make", () => {
  const batch = new Batch(newSlab(6));
  for (const offset of [-1, 0, DATA - 1, SLAB_BYTES, NaN]) {
    assert.throws(() => pointerAt(batch, offset), RangeError, `${offset}`);
  }
  assert.throws(() => pointerAt(new Batch(new ArrayBuffer(SLAB_BYTES)), DATA));
});

Deno.test("pointerAt() is right at every place of a slot, also beyond those that are kept", () => {
  const batch = new Batch(newSlab(7));
  const base = addressOf(Deno.UnsafePointer.of(batch.u8)!);
  for (let place = 0; place < SLOT_BYTES; place += 3) {
    const offset = DATA + 5 * SLOT_BYTES + place;
    assert.equal(addressOf(pointerAt(batch, offset)), base + BigInt(offset));
    assert.equal(addressOf(pointerAt(batch, offset)), base + BigInt(offset));
  }
});

Deno.test("pointers are kept for a bounded number of slabs", () => {
  // One buffer under many numbers stands for many slabs: only the header words tell them apart.
  const buffer = newSlab(8);
  for (let id = 100; id < 6000; id++) {
    prepareSlab(buffer, id);
    pointerAt(new Batch(buffer), DATA);
  }
  assert.ok(slabsKept() <= 4096);
});
