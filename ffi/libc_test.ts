import assert from "node:assert/strict";
import { cString, fromCString } from "./libc.ts";
import { nativeTable, storeAddress, swap16, swap32 } from "./struct_layout.ts";

/** labs(3) reads the whole register: it shows what the callee sees of an argument declared as u32. */
const { symbols: probe } = Deno.dlopen("libc.so.6", {
  labs: { parameters: ["u32"], result: "i64" },
});

Deno.test("a u32 argument reaches a 64-bit parameter with its upper half clear", () => {
  const source = Int32Array.from({ length: 64 }, (_, i) => (i * 0x1f00_1f03) & 0x7fff_ffff);
  source[0] = 0x7fff_ffff;
  const bytes = new Uint8Array(65536);
  const view = new DataView(bytes.buffer);
  // Hot enough for the optimising compiler, whose calls are the ones without a conversion.
  for (let round = 0; round < 20_000; round++) {
    const i = round & 63;
    view.setInt32(i * 4, source[i]);
    const values = [
      source[i],
      view.getInt32(i * 4),
      (source[i] & 0xffff) - (i & 1),
      bytes.byteLength - i,
      Math.min(source[i], 65536),
      (i << 11) + 8192,
    ];
    for (let k = 0; k < values.length; k++) {
      const value = values[k];
      const seen = probe.labs(value);
      if (seen !== BigInt(value >>> 0)) assert.fail(`${value} became ${seen}, round ${round}, kind ${k}`);
    }
  }
});

Deno.test("cString() refuses a NUL, fromCString() stops at one", () => {
  assert.throws(() => cString("a\0b"), TypeError);
  assert.equal(fromCString(cString("vti1")), "vti1");
  assert.equal(fromCString(Uint8Array.of(97, 98)), "ab");
});

Deno.test("storeAddress() carries into the upper half", () => {
  const i32 = new Int32Array(2);
  storeAddress(i32, 0, 0xffff_f000 | 0, 0x7f01, 0x2000);
  assert.deepEqual(Array.from(i32), [0x1000, 0x7f02]);
  storeAddress(i32, 0, 0x1000, 0x7f01, 0x2000);
  assert.deepEqual(Array.from(i32), [0x3000, 0x7f01]);
});

Deno.test("swap32() and swap16() reverse bytes", () => {
  assert.equal(swap32(0x0a4d_0001), 0x0100_4d0a);
  assert.equal(swap32(0xc000_0201 | 0), 0x0102_00c0);
  assert.equal(swap16(4500), 0x9411);
});

Deno.test("nativeTable() knows its own address", () => {
  const table = nativeTable(64);
  const address = Deno.UnsafePointer.value(table.pointer);
  assert.equal((BigInt(table.hi) << 32n) | BigInt(table.lo >>> 0), address);
  new Deno.UnsafePointerView(table.pointer);
  table.i32[1] = 7;
  assert.equal(new Deno.UnsafePointerView(table.pointer).getInt32(4), 7);
});
