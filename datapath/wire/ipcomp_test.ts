import assert from "node:assert/strict";
import * as ipcomp from "./ipcomp.ts";

Deno.test("emit() writes next header, no flags and the low 16 bits of the SPI", () => {
  const view = new DataView(new ArrayBuffer(8));
  view.setUint32(2, 0xffffffff);
  ipcomp.emit(view, 2, 41, 0x12342002);
  assert.equal(view.getUint32(2), 0x29002002);
  assert.equal(ipcomp.getCpi(view, 2), 0x2002);
});

Deno.test("checkLen() needs the four bytes", () => {
  assert.deepEqual([3, 4].map(ipcomp.checkLen), [false, true]);
});
