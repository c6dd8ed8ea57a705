import assert from "node:assert/strict";
import * as ah from "./ah.ts";

Deno.test("headerBytes() pads to 8 as Linux does, to 4 with align4", () => {
  // ICV: sha1-96, sha256-96, sha256-128, sha384-192, sha512-256, sha512 whole.
  assert.deepEqual([12, 12, 16, 24, 32, 64].map((n) => ah.headerBytes(n, false)), [24, 24, 32, 40, 48, 80]);
  assert.deepEqual([12, 12, 16, 24, 32, 64].map((n) => ah.headerBytes(n, true)), [24, 24, 28, 36, 44, 76]);
});

Deno.test("emit() writes the header with length in words less two, and zeros for ICV and padding", () => {
  const view = new DataView(new ArrayBuffer(40));
  for (let i = 0; i < 40; i++) view.setUint8(i, 0xff);
  ah.emit(view, 4, 4, 32, 0x80002002, 7);
  assert.deepEqual([0, 4, 8].map((at) => view.getUint32(4 + at)), [0x04060000, 0x80002002, 7]);
  for (let at = 12; at < 32; at++) assert.equal(view.getUint8(4 + at), 0);
  assert.equal(view.getUint8(36), 0xff);
  assert.equal(ah.getHeaderBytes(view, 4), 32);
  assert.equal(ah.getSpi(view, 4), 0x80002002 | 0);
  assert.equal(ah.getSeq(view, 4), 7);
});

Deno.test("checkLen() needs SPI and sequence number", () => {
  assert.deepEqual([11, 12].map(ah.checkLen), [false, true]);
});
