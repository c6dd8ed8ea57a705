import assert from "node:assert/strict";
import fc from "fast-check";
import { memcpy } from "./memcpy.ts";

Deno.test("memcpy() copies what set() copies, at any alignment, and touches nothing else", () => {
  const from = Uint8Array.from({ length: 400 }, (_, i) => i * 7 + 1);
  fc.assert(fc.property(fc.nat(40), fc.nat(40), fc.nat(300), (toOffset, offset, length) => {
    const got = new Uint8Array(400).fill(0xee), want = got.slice();
    memcpy(new DataView(got.buffer), toOffset, new DataView(from.buffer), offset, length);
    want.set(from.subarray(offset, offset + length), toOffset);
    assert.deepEqual(got, want);
  }));
});
