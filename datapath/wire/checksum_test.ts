import assert from "node:assert/strict";
import fc from "fast-check";
import { finish, fold, pseudo4, pseudo6, sum, update } from "./checksum.ts";

/** RFC 1071 word by word: the sum of big-endian 16-bit words, carries added in. */
function slow(bytes: Uint8Array, initial = 0): number {
  let s = initial;
  for (let i = 0; i < bytes.length; i += 2) s += (bytes[i] << 8) | (bytes[i + 1] ?? 0);
  while (s > 0xffff) s = (s & 0xffff) + Math.floor(s / 0x10000);
  return s;
}

Deno.test("sum() of the example of RFC 1071 §3", () => {
  const view = new DataView(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7).buffer);
  assert.equal(fold(sum(view, 0, 8, 0)), 0xddf2);
  assert.equal(finish(sum(view, 0, 8, 0)), 0x220d);
});

Deno.test("sum() agrees with the sum word by word, at any offset, length and start", () => {
  const input = fc.tuple(fc.uint8Array({ maxLength: 300 }), fc.nat(17), fc.nat(0x7fffff));
  fc.assert(fc.property(input, ([bytes, offset, initial]) => {
    const room = new Uint8Array(offset + bytes.length + 8).fill(0xff);
    room.set(bytes, offset);
    const s = sum(new DataView(room.buffer), offset, bytes.length, initial);
    // 0 and 0xffff are the same number in one's complement.
    assert.equal(fold(s) % 0xffff, slow(bytes, initial) % 0xffff);
  }));
});

Deno.test("sum() of the longest packet of all ones does not overflow", () => {
  const view = new DataView(new Uint8Array(65535).fill(0xff).buffer);
  assert.equal(
    fold(sum(view, 0, 65535, 0x1ffff)) % 0xffff,
    slow(new Uint8Array(65535).fill(0xff), 0x1ffff) % 0xffff,
  );
});

Deno.test("update() gives what a new sum would give", () => {
  const input = fc.tuple(fc.uint8Array({ minLength: 20, maxLength: 20 }), fc.nat(9), fc.nat(0xffff));
  fc.assert(fc.property(input, ([bytes, word, after]) => {
    const view = new DataView(bytes.slice().buffer);
    const old = finish(sum(view, 0, 20, 0));
    const updated = update(old, view.getUint16(2 * word), after);
    view.setUint16(2 * word, after);
    assert.equal(updated % 0xffff, finish(sum(view, 0, 20, 0)) % 0xffff);
  }));
});

Deno.test("pseudo4() and pseudo6() sum addresses, protocol and length", () => {
  const bytes = Uint8Array.from({ length: 40 }, (_, i) => 7 * i + 1);
  const view = new DataView(bytes.buffer);
  assert.equal(fold(pseudo4(view, 0, 17, 100)), slow(bytes.slice(12, 20), 117));
  assert.equal(fold(pseudo6(view, 0, 58, 100)), slow(bytes.slice(8, 40), 158));
});
