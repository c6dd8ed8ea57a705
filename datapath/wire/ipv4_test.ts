import assert from "node:assert/strict";
import fc from "fast-check";
import * as ipv4 from "./ipv4.ts";

const u16 = fc.integer({ min: 0, max: 65535 });
const u8 = fc.integer({ min: 0, max: 255 });
const word = fc.integer({ min: -0x80000000, max: 0x7fffffff });

/** The checksum of RFC 1071 over a header of 20 bytes: 0 when the header's own fits. */
function checksum(view: DataView, at: number): number {
  let s = 0;
  for (let i = 0; i < 20; i += 2) s += view.getUint16(at + i);
  while (s > 0xffff) s = (s & 0xffff) + (s >>> 16);
  return ~s & 0xffff;
}

Deno.test("emit() writes every field, and a checksum that fits", () => {
  const fields = fc.tuple(u8, u16, u16, fc.boolean(), u8, u8, word, word);
  fc.assert(fc.property(fields, ([tos, length, id, df, ttl, protocol, src, dst]) => {
    const view = new DataView(new ArrayBuffer(32));
    ipv4.emit(view, 4, tos, length, id, df ? ipv4.DF : 0, ttl, protocol, src, dst);
    assert.equal(ipv4.getVersion(view, 4), 4);
    assert.equal(ipv4.getHeaderBytes(view, 4), 20);
    assert.deepEqual(
      [view.getUint8(5), view.getUint16(6), view.getUint16(8), view.getUint8(12), view.getUint8(13)],
      [tos, length, id, ttl, protocol],
    );
    assert.equal(ipv4.getFragment(view, 4), df ? 0x4000 : 0);
    assert.deepEqual([view.getInt32(16), view.getInt32(20)], [src, dst]);
    assert.equal(checksum(view, 4), 0);
    assert.deepEqual([view.getUint32(0), view.getUint32(24)], [0, 0]);
  }));
});

Deno.test("setTos() keeps a right checksum right and a wrong one wrong", () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 20, maxLength: 20 }), u8, (bytes, tos) => {
    const view = new DataView(bytes.slice().buffer);
    const before = checksum(view, 0);
    ipv4.setTos(view, 0, tos);
    assert.equal(view.getUint8(1), tos);
    assert.equal(checksum(view, 0) % 0xffff, before % 0xffff);
  }));
});

Deno.test("isFragment() is true for the first, the middle and the last part", () => {
  const at = (word: number): boolean => {
    const view = new DataView(new ArrayBuffer(20));
    view.setUint16(6, word);
    return ipv4.isFragment(view, 0);
  };
  assert.deepEqual([0, ipv4.DF, 0x8000].map(at), [false, false, false]);
  assert.deepEqual([ipv4.MF, ipv4.MF | 1, 1, 0x1fff].map(at), [true, true, true, true]);
});
