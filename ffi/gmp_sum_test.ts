import assert from "node:assert/strict";
import fc from "fast-check";
import { DATA, SLAB_BYTES, SLOT_BYTES } from "../datapath/batch.ts";
import { slabSum } from "../datapath/offload/slab_sum.ts";
import { gmpSlabSum } from "./gmp_sum.ts";
import { newBatch } from "./slab_pointers.ts";

Deno.test("gmpSlabSum() sums as slabSum() does, at every alignment and length", () => {
  const sum = gmpSlabSum();
  assert.ok(sum !== null, "libgmp10 is missing here; every Debian has it");
  const batch = newBatch();
  const bytes = fc.uint8Array({ maxLength: SLOT_BYTES });
  fc.assert(
    fc.property(
      bytes,
      fc.integer({ min: 0, max: 63 }),
      fc.integer({ min: 0, max: 40 }),
      (data, place, slot) => {
        const at = DATA + slot * SLOT_BYTES + place;
        batch.u8.set(data, at);
        assert.equal(sum(batch, at, data.length) % 0xffff, slabSum(batch, at, data.length) % 0xffff);
      },
    ),
    { numRuns: 2000 },
  );
});

Deno.test("gmpSlabSum() reads nothing before or behind what it is told to sum", () => {
  const sum = gmpSlabSum()!;
  const batch = newBatch();
  batch.u8.fill(0xff, DATA, SLAB_BYTES);
  for (let length = 0; length < 40; length++) {
    batch.u8.fill(0, DATA + 100, DATA + 100 + length);
    assert.equal(sum(batch, DATA + 100, length), 0);
    batch.u8.fill(0xff, DATA + 100, DATA + 100 + length);
  }
});

Deno.test("gmpSlabSum() takes the longest packet there can be", () => {
  const batch = newBatch();
  batch.u8.fill(0xff, DATA, DATA + 65_535);
  assert.equal(gmpSlabSum()!(batch, DATA, 65_535), slabSum(batch, DATA, 65_535));
});
