import assert from "node:assert/strict";
import zlib from "node:zlib";
import fc from "fast-check";
import { OFFSET } from "../datapath/batch.ts";
import { ZlibCompressor } from "./deflate_zlib.ts";
import { newBatch } from "./slab_pointers.ts";

const batch = newBatch();
const at = batch.i32[OFFSET + batch.append(60000)];
const compressor = new ZlibCompressor();

function put(bytes: Uint8Array): number {
  batch.u8.set(bytes, at);
  return bytes.length;
}

function taken(bytes: number): Uint8Array {
  compressor.take(batch, at);
  return batch.u8.slice(at, at + bytes);
}

Deno.test("inflate() gives back what deflate() took, in the slab", () => {
  const text = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 3000 }),
    fc.string({ minLength: 1, maxLength: 3000 }).map((s) => new TextEncoder().encode(s.repeat(3))),
  );
  fc.assert(fc.property(text, (bytes) => {
    const packed = taken(compressor.deflate(batch, at, put(bytes)));
    assert.deepEqual(new Uint8Array(zlib.inflateRawSync(packed)), bytes);
    assert.equal(compressor.inflate(batch, at, packed.length, 65400), bytes.length);
    assert.deepEqual(taken(bytes.length), bytes);
  }));
});

Deno.test("deflate() looks back no farther than 2 KiB, as Linux inflates", () => {
  const noise = crypto.getRandomValues(new Uint8Array(3000));
  const bytes = new Uint8Array([...noise, ...noise]);
  assert.ok(compressor.deflate(batch, at, put(bytes)) > 5900);
  const near = new Uint8Array([...noise.subarray(0, 1500), ...noise.subarray(0, 1500)]);
  const packed = taken(compressor.deflate(batch, at, put(near)));
  assert.ok(packed.length < 1700);
  // A window of 11 bits, or zlib refuses the stream.
  assert.equal(zlib.inflateRawSync(packed, { windowBits: 11 }).length, 3000);
});

Deno.test("inflate() takes streams of any window", () => {
  const noise = crypto.getRandomValues(new Uint8Array(20000));
  const far = zlib.deflateRawSync(new Uint8Array([...noise, ...noise]), { windowBits: 15 });
  assert.equal(compressor.inflate(batch, at, put(far), 65400), 40000);
});

Deno.test("inflate() takes a stream that ends with one zero byte more, as Linux does", () => {
  const damaged = Uint8Array.fromHex("4bb39cb4994187e1bf0223ef0e064e062e06086004f3");
  assert.equal(compressor.inflate(batch, at, put(damaged), 65400), 29);
  assert.equal(taken(29).toHex(), "663992b3002c00ff20010db80009000a00000000000000010db8000900");
});

Deno.test("inflate() stops at its bound, and says so of a bomb and of rubbish", () => {
  const bomb = zlib.deflateRawSync(new Uint8Array(40 << 20));
  assert.ok(bomb.length < 50000);
  assert.equal(compressor.inflate(batch, at, put(bomb), 65400), -1);
  const most = zlib.deflateRawSync(new Uint8Array(1000));
  assert.equal(compressor.inflate(batch, at, put(most), 1000), 1000);
  assert.equal(compressor.inflate(batch, at, put(most), 999), -1);
  assert.equal(compressor.inflate(batch, at, put(Uint8Array.of(0xff, 0xff, 0xff)), 1000), -1);
  assert.equal(compressor.inflate(batch, at, 0, 1000), -1);
});

Deno.test("inflate() never throws, whatever it gets", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    const result = compressor.inflate(batch, at, put(bytes), 500);
    assert.ok(result >= -1 && result <= 500);
  }));
});
