import assert from "node:assert/strict";
import fc from "fast-check";
import { clearMutableOptions } from "./ah_options.ts";

/** The options after clearing, null for an error. */
function cleared(...options: number[]): number[] | null {
  const header = Uint8Array.of(...new Array(20).fill(0xee), ...options);
  const ok = clearMutableOptions(header, 0, header.length);
  assert.ok(header.subarray(0, 20).every((byte) => byte === 0xee));
  return ok ? [...header.subarray(20)] : null;
}

Deno.test("clearMutableOptions() keeps what no router changes and zeroes the others", () => {
  assert.deepEqual(cleared(0x94, 4, 9, 9), [0x94, 4, 9, 9]);
  assert.deepEqual(cleared(1, 1, 7, 7, 4, 1, 2, 3, 4, 0), [1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual(cleared(0x82, 3, 5, 0x44, 4, 5, 5, 0x86, 2, 0, 0, 0), [
    0x82,
    3,
    5,
    0,
    0,
    0,
    0,
    0x86,
    2,
    0,
    0,
    0,
  ]);
  assert.deepEqual(cleared(0x83, 7, 4, 1, 2, 3, 4, 1), [0, 0, 0, 0, 0, 0, 0, 1]);
  assert.deepEqual(cleared(0x85, 2, 0x95, 2), [0x85, 2, 0x95, 2]);
});

Deno.test("clearMutableOptions() ends at END and leaves what is behind", () => {
  assert.deepEqual(cleared(0, 7, 7, 7), [0, 7, 7, 7]);
});

Deno.test("clearMutableOptions() refuses an option too short, or longer than the header", () => {
  assert.equal(cleared(7, 0, 0, 0), null);
  assert.equal(cleared(7, 1, 0, 0), null);
  assert.equal(cleared(7, 5, 0, 0), null);
  assert.equal(cleared(1, 1, 1, 7), null);
  assert.equal(cleared(0x89, 5, 4, 1, 2, 1, 1, 1), null);
});

Deno.test("clearMutableOptions() ends with any options and never leaves the header", () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 0, maxLength: 40 }), (options) => {
    const memory = new Uint8Array(200).fill(0xee);
    memory.set(options, 120);
    clearMutableOptions(memory, 100, 20 + options.length);
    assert.ok(memory.subarray(0, 120).every((byte) => byte === 0xee));
    assert.ok(memory.subarray(120 + options.length).every((byte) => byte === 0xee));
  }));
});
