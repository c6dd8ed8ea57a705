import assert from "node:assert/strict";
import { makeRings, ParcelRing, RING_PARCELS } from "./parcel_ring.ts";

function ends(): [ParcelRing, ParcelRing] {
  const memory = makeRings();
  return [new ParcelRing(memory, 0), new ParcelRing(memory, 0)];
}

Deno.test("take() gives back what put() was given, in order, round the ring", () => {
  const [writer, reader] = ends();
  for (let slab = 1; slab <= 3 * RING_PARCELS; slab++) {
    assert.ok(writer.put(slab, 0));
    assert.deepEqual([reader.empty, reader.take(0), reader.empty], [false, slab, true]);
  }
});

Deno.test("put() refuses what finds no room, until something was taken", () => {
  const [writer, reader] = ends();
  for (let slab = 1; slab <= RING_PARCELS; slab++) assert.ok(writer.put(slab, 0));
  assert.equal(writer.put(9999, 0), false);
  assert.equal(reader.take(0), 1);
  assert.equal(writer.put(9999, 0), true);
  for (let slab = 2; slab <= RING_PARCELS; slab++) assert.equal(reader.take(0), slab);
  assert.deepEqual([reader.take(0), reader.take(0)], [9999, 0]);
});

Deno.test("take() holds a slab back that follows messages not yet received, also when their count wraps", () => {
  const [writer, reader] = ends();
  writer.put(5, -(2 ** 31));
  assert.equal(reader.take(2 ** 31 - 1), 0);
  assert.equal(reader.take(-(2 ** 31)), 5);
});

Deno.test("the rings of a channel are apart", () => {
  const memory = makeRings();
  new ParcelRing(memory, 0).put(5, 0);
  assert.equal(new ParcelRing(memory, 1).empty, true);
});
