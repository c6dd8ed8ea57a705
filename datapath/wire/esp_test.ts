import assert from "node:assert/strict";
import * as esp from "./esp.ts";
import * as udp from "./udp.ts";

Deno.test("esp.emit() and its readers agree on SPI and sequence number of any size", () => {
  const view = new DataView(new ArrayBuffer(16));
  for (const n of [0, 1, 0x7fffffff, 0x80000000, 0xffffffff]) {
    esp.emit(view, 4, n, n ^ 0xff);
    assert.equal(esp.getSpi(view, 4) >>> 0, n);
    assert.equal(esp.getSeq(view, 4) >>> 0, (n ^ 0xff) >>> 0);
  }
});

Deno.test("esp.emitTrailer() writes 1, 2, 3, the pad length and the next header", () => {
  const u8 = new Uint8Array(8).fill(0xee);
  esp.emitTrailer(u8, 1, 3, 41);
  assert.deepEqual([...u8], [0xee, 1, 2, 3, 3, 41, 0xee, 0xee]);
  esp.emitTrailer(u8, 0, 0, 4);
  assert.deepEqual([...u8.slice(0, 3)], [0, 4, 2]);
});

Deno.test("udp.emit() writes ports, length and no checksum", () => {
  const view = new DataView(new ArrayBuffer(8));
  udp.emit(view, 0, (4500 << 16) | 65535, 128);
  assert.deepEqual([0, 2, 4, 6].map((at) => view.getUint16(at)), [4500, 65535, 128, 0]);
  assert.equal(udp.getPorts(view, 0), (4500 << 16) | 65535);
});
