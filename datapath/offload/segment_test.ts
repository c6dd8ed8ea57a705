import assert from "node:assert/strict";
import fc from "fast-check";
import { Batch, SLAB_BYTES } from "../batch.ts";
import { DropReason } from "../drop_reason.ts";
import { Segmenter } from "./segment.ts";
import {
  ACK,
  arbitraryPacket,
  asRead,
  buildPacket,
  hex,
  isSound,
  packetsOf,
  PLAIN,
  somePayload,
} from "../../tests/doubles/packets.ts";

/** Everything the segmenter makes of one read, through as many batches as it takes. */
function segmentsOf(segmenter: Segmenter, read: Uint8Array): Uint8Array[] {
  segmenter.staging.set(read);
  assert.equal(segmenter.begin(read.length), DropReason.None);
  const packets: Uint8Array[] = [];
  const batch = new Batch(new ArrayBuffer(SLAB_BYTES));
  for (let done = false; !done;) {
    batch.clear();
    done = segmenter.fill(batch);
    if (!done) assert.ok(batch.count > 0, "a full batch holds packets");
    packets.push(...packetsOf(batch));
  }
  return packets;
}

function headerBytes(packet: Uint8Array): number {
  const ip = packet[0]! >> 4 === 4 ? 20 : 40;
  return ip + (packet[ip === 20 ? 9 : 6] === 17 ? 8 : packet[ip + 12]! >> 4 << 2);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

Deno.test("Segmenter cuts any super-packet into sound packets that carry its payload in order", () => {
  const segmenter = new Segmenter();
  fc.assert(
    fc.property(arbitraryPacket(20_000), fc.integer({ min: 100, max: 9000 }), (spec, gsoSize) => {
      const whole = buildPacket(spec);
      const packets = segmentsOf(segmenter, asRead(whole, gsoSize));
      const header = headerBytes(whole);
      assert.equal(packets.length, Math.ceil(spec.payload.length / gsoSize));
      for (const packet of packets) assert.ok(isSound(packet), hex(packet.subarray(0, header)));
      assert.deepEqual(concat(packets.map((p) => p.subarray(header))), spec.payload);
      for (const packet of packets.slice(0, -1)) assert.equal(packet.length, header + gsoSize);
    }),
    { numRuns: 150 },
  );
});

Deno.test("Segmenter counts sequence numbers and IDs on, and gives FIN, PSH and CWR to one segment", () => {
  const payload = somePayload(2500);
  const spec = { ...PLAIN, payload, id: 65535, seq: 0xffffff00, flags: ACK | 0x08 | 0x01 | 0x80 };
  const packets = segmentsOf(new Segmenter(), asRead(buildPacket(spec), 1000));
  const views = packets.map((p) => new DataView(p.buffer));
  assert.deepEqual(views.map((v) => v.getUint16(4)), [65535, 0, 1]);
  assert.deepEqual(views.map((v) => v.getUint32(24)), [0xffffff00, 0x2e8, 0x6d0]);
  assert.deepEqual(views.map((v) => v.getUint8(33)), [ACK | 0x80, ACK, ACK | 0x08 | 0x01]);
});

Deno.test("Segmenter completes the checksum of a packet that is no super-packet", () => {
  const segmenter = new Segmenter();
  fc.assert(
    fc.property(arbitraryPacket(3000), (spec) => {
      const whole = buildPacket(spec);
      assert.deepEqual(segmentsOf(segmenter, asRead(whole, 0)), [whole]);
    }),
    { numRuns: 100 },
  );
});

Deno.test("Segmenter leaves a packet without partial checksum as it is", () => {
  const garbage = somePayload(777);
  const read = new Uint8Array(787);
  read.set(garbage, 10);
  assert.deepEqual(segmentsOf(new Segmenter(), read), [garbage]);
});

Deno.test("Segmenter repeats IPv6 extension headers in every segment", () => {
  const tcp = buildPacket({ ...PLAIN, version: 6, payload: somePayload(300) });
  const read = new Uint8Array(tcp.length + 18);
  // A destination options header of 8 bytes: next header TCP, PadN.
  read.set(asRead(tcp, 100).subarray(0, 50));
  read[16] = 60;
  read.set([6, 0, 1, 4, 0, 0, 0, 0], 50);
  read.set(asRead(tcp, 100).subarray(50), 58);
  new DataView(read.buffer).setUint16(6, 48, true);
  const packets = segmentsOf(new Segmenter(), read);
  assert.equal(packets.length, 3);
  for (const packet of packets) {
    assert.equal(new DataView(packet.buffer).getUint16(4), packet.length - 40);
    assert.deepEqual([...packet.subarray(40, 48)], [6, 0, 1, 4, 0, 0, 0, 0]);
    const without = new Uint8Array([...packet.subarray(0, 40), ...packet.subarray(48)]);
    without[6] = 6;
    new DataView(without.buffer).setUint16(4, without.length - 40);
    assert.ok(isSound(without));
  }
});

Deno.test("Segmenter goes on in the next batch where the last one was full", () => {
  const payload = somePayload(64_000);
  const segmenter = new Segmenter();
  const whole = asRead(buildPacket({ ...PLAIN, payload }), 500);
  const packets = segmentsOf(segmenter, whole);
  assert.equal(packets.length, 128);
  assert.deepEqual(concat(packets.map((p) => p.subarray(40))), payload);
});

Deno.test("Segmenter refuses headers that contradict each other", () => {
  const good = asRead(buildPacket({ ...PLAIN, payload: somePayload(3000) }), 1000);
  const cases: [string, number, number[]][] = [
    ["gso_size 0", 4, [0, 0]],
    ["csum_start beyond the packet", 6, [0xff, 0xff]],
    ["csum_start inside the IP header", 6, [12, 0]],
    ["csum_offset of UDP", 8, [6, 0]],
    ["csum_offset at the packet's end", 8, [0xff, 0x0b]],
    ["gso_type of IPv6", 1, [4]],
    ["gso_type of UDP", 1, [5]],
    ["gso_type unknown", 1, [3]],
    ["no partial checksum", 0, [0]],
    ["IP version 5", 10, [0x55]],
    ["IP header of 16 bytes", 10, [0x44]],
    ["a fragment", 16, [0x20]],
    ["protocol ICMP", 19, [1]],
    ["TCP header of 16 bytes", 10 + 20 + 12, [0x40]],
  ];
  for (const [name, at, bytes] of cases) {
    const segmenter = new Segmenter();
    segmenter.staging.set(good);
    segmenter.staging.set(bytes, at);
    assert.equal(segmenter.begin(good.length), DropReason.OutHeader, name);
    assert.equal(segmenter.fill(new Batch(new ArrayBuffer(SLAB_BYTES))), true, `${name}: nothing to fill`);
  }
  const segmenter = new Segmenter();
  segmenter.staging.set(good);
  for (const length of [0, 9, 10, 11, 30, 49, 50, 70_000]) {
    assert.equal(segmenter.begin(length), DropReason.OutHeader, `${length} bytes read`);
  }
});

Deno.test("Segmenter ends on any bytes without throwing", () => {
  const segmenter = new Segmenter();
  const batch = new Batch(new ArrayBuffer(SLAB_BYTES));
  const good = asRead(buildPacket({ ...PLAIN, payload: somePayload(200) }), 50);
  const mutations = fc.array(fc.tuple(fc.nat(70), fc.nat(255)), { maxLength: 8 });
  fc.assert(
    fc.property(mutations, fc.nat(good.length), (bytes, length) => {
      segmenter.staging.set(good);
      for (const [at, value] of bytes) segmenter.staging[at] = value;
      if (segmenter.begin(length) !== DropReason.None) return;
      let batches = 0;
      do {
        batch.clear();
        assert.ok(++batches <= 200 / 64 + 1);
      } while (!segmenter.fill(batch));
    }),
    { numRuns: 5000 },
  );
});
