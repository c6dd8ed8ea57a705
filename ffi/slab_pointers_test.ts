import assert from "node:assert/strict";
import {
  ADDRESS_HI,
  ADDRESS_LO,
  Batch,
  BATCH_PACKETS,
  DATA,
  SLAB_BYTES,
  SLOT_BYTES,
} from "../datapath/batch.ts";
import { newBatch, newSlabMemory, pointerAt, Slab } from "./slab_pointers.ts";

const addressOf = (pointer: Deno.PointerObject) => Deno.UnsafePointer.value(pointer);

Deno.test("newSlabMemory() writes the address, and the data are aligned", () => {
  const batch = new Slab(1, newSlabMemory()).wrap();
  const address = (BigInt(batch.i32[ADDRESS_HI]) << 32n) | BigInt(batch.i32[ADDRESS_LO] >>> 0);
  assert.equal(address, addressOf(Deno.UnsafePointer.of(batch.u8)!));
  assert.equal((address + BigInt(DATA)) % 16n, 0n);
  assert.equal(batch.buffer.byteLength, SLAB_BYTES);
});

Deno.test("Slab.wrap() gives views of the same bytes each time, which end when their buffer is detached", () => {
  const slab = new Slab(1);
  const first = slab.wrap();
  first.u8[DATA] = 77;
  first.buffer.transfer(0);
  assert.deepEqual([first.u8.length, first.i32.length, first.u8[DATA]], [0, 0, undefined]);
  assert.throws(() => first.view.getUint8(DATA), TypeError);
  first.u8[DATA] = 78;
  const second = slab.wrap();
  assert.equal(second.u8[DATA], 77, "a write by a view of the detached buffer arrived");
  assert.equal(second.slab, slab);
});

/** Sends a slab's memory to a thread, which writes to it in a batch of its own, and returns what is then in it. */
Deno.test("Slab.wrap() gives another thread the same bytes, without a copy", async () => {
  const memory = newSlabMemory();
  const code = `
    import { Slab } from ${JSON.stringify(new URL("./slab_pointers.ts", import.meta.url).href)};
    self.onmessage = ({ data }) => {
      const batch = new Slab(1, data).wrap();
      batch.u8[${DATA}]++;
      batch.buffer.transfer(0);
      self.postMessage(null);
    };
    self.postMessage(null);`;
  const worker = new Worker(`data:application/typescript,${encodeURIComponent(code)}`, { type: "module" });
  const answer = () => new Promise((resolve) => worker.onmessage = resolve);
  try {
    await answer();
    const batch = new Slab(1, memory).wrap();
    batch.u8[DATA] = 41;
    worker.postMessage(memory);
    await answer();
    assert.equal(batch.u8[DATA], 42);
  } finally {
    worker.terminate();
  }
});

Deno.test("pointerAt() points at the byte, and gives the same object again", () => {
  const batch = newBatch();
  for (let slot = 0; slot < BATCH_PACKETS; slot++) {
    const offset = DATA + slot * SLOT_BYTES + (slot % 3) * 8;
    batch.u8[offset] = slot + 1;
    const pointer = pointerAt(batch, offset);
    assert.equal(new Deno.UnsafePointerView(pointer).getUint8(), slot + 1);
    assert.equal(pointerAt(batch, offset), pointer);
  }
});

Deno.test("pointerAt() finds its pointers again by other views of the slab", () => {
  const slab = new Slab(1);
  const first = slab.wrap();
  const pointer = pointerAt(first, DATA + 128);
  first.buffer.transfer(0);
  assert.equal(pointerAt(slab.wrap(), DATA + 128), pointer);
});

Deno.test("pointerAt() refuses what is outside the data, and batches without a slab", () => {
  const batch = newBatch();
  for (const offset of [-1, 0, DATA - 1, SLAB_BYTES, NaN]) {
    assert.throws(() => pointerAt(batch, offset), RangeError, `${offset}`);
  }
  assert.throws(() => pointerAt(new Batch(new ArrayBuffer(SLAB_BYTES)), DATA));
});

Deno.test("pointerAt() is right at every place of a slot, also beyond those that are kept", () => {
  const batch = newBatch();
  const base = addressOf(Deno.UnsafePointer.of(batch.u8)!);
  for (let place = 0; place < SLOT_BYTES; place += 3) {
    const offset = DATA + 5 * SLOT_BYTES + place;
    assert.equal(addressOf(pointerAt(batch, offset)), base + BigInt(offset));
    assert.equal(addressOf(pointerAt(batch, offset)), base + BigInt(offset));
  }
});
