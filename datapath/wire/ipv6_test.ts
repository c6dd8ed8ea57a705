import assert from "node:assert/strict";
import * as ipv6 from "./ipv6.ts";

Deno.test("emit() writes version, class, length, next header and hop limit", () => {
  const view = new DataView(new ArrayBuffer(44));
  ipv6.emit(view, 4, 0xb9, 1000, 58, 64);
  assert.deepEqual([view.getUint32(4), view.getUint32(8)], [0x6b900000, 0x03e83a40]);
  assert.equal(ipv6.getTrafficClass(view, 4), 0xb9);
});

Deno.test("setTrafficClass() leaves version and flow label", () => {
  const view = new DataView(new ArrayBuffer(40));
  view.setUint32(0, 0x60abcdef);
  for (const tc of [0, 1, 3, 0xb8, 0xff]) {
    ipv6.setTrafficClass(view, 0, tc);
    assert.equal(ipv6.getTrafficClass(view, 0), tc);
    assert.equal(view.getUint32(0) & 0xf00fffff, 0x600bcdef);
  }
});

Deno.test("getExtensionBytes() counts in units of eight, the first not counted", () => {
  const view = new DataView(Uint8Array.of(17, 0, 17, 255).buffer);
  assert.deepEqual([ipv6.getExtensionBytes(view, 0), ipv6.getExtensionBytes(view, 2)], [8, 2048]);
});
