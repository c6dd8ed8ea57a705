import assert from "node:assert/strict";
import fc from "fast-check";
import { Batch, OFFSET, SLAB_BYTES } from "../batch.ts";
import { DropReason } from "../drop_reason.ts";
import { Coalescer, type CoalesceSink } from "./coalesce.ts";
import { Segmenter } from "./segment.ts";
import { gathered } from "../../tests/doubles/gathered.ts";
import {
  ACK,
  arbitraryPacket,
  asRead,
  buildPacket,
  packetsOf,
  type PacketSpec,
  PLAIN,
  somePayload,
} from "../../tests/doubles/packets.ts";

const VNET = 10;

/** Copies what is written, each with its vnet header. */
class RecordingSink implements CoalesceSink {
  readonly writes: Uint8Array<ArrayBuffer>[] = [];
  /** Packets in each write. */
  readonly packets: number[] = [];
  readonly coalescer: Coalescer;

  constructor(udp = true) {
    this.coalescer = new Coalescer(this, udp);
  }

  writePacket(batch: Batch, offset: number, length: number): void {
    this.writes.push(batch.u8.slice(offset, offset + length));
    this.packets.push(1);
  }

  writeSuperPacket(batch: Batch, offset: number, headerBytes: number, part: number, packets: number): void {
    this.writes.push(gathered(this.coalescer, batch, offset, headerBytes, part, packets));
    this.packets.push(packets);
  }
}

function batchOf(packets: readonly Uint8Array[]): Batch {
  const batch = new Batch(new ArrayBuffer(SLAB_BYTES));
  for (const packet of packets) {
    const index = batch.append(packet.length);
    assert.ok(index >= 0);
    batch.u8.fill(0xee, batch.i32[OFFSET + index]! - VNET, batch.i32[OFFSET + index]!);
    batch.u8.set(packet, batch.i32[OFFSET + index]);
  }
  return batch;
}

/** Runs the packets through a coalescer, as many batches as they take. */
function coalesce(packets: readonly Uint8Array[], udp = true): RecordingSink {
  const sink = new RecordingSink(udp);
  for (let i = 0; i < packets.length; i += 40) {
    const batch = batchOf(packets.slice(i, i + 40));
    for (let k = 0; k < batch.count; k++) sink.coalescer.add(batch, k);
    sink.coalescer.flush();
  }
  return sink;
}

/** What the kernel would see of a write after segmenting it. */
function segment(write: Uint8Array): Uint8Array[] {
  const segmenter = new Segmenter();
  segmenter.staging.set(write);
  assert.equal(segmenter.begin(write.length), DropReason.None);
  const batch = new Batch(new ArrayBuffer(SLAB_BYTES));
  assert.ok(segmenter.fill(batch));
  return packetsOf(batch);
}

/** Consecutive segments of one stream, `sizes` payload bytes each; `flags` are those of the last, ACK the others'. */
function stream(spec: Partial<PacketSpec>, sizes: readonly number[]): Uint8Array<ArrayBuffer>[] {
  let seq = spec.seq ?? 1000;
  return sizes.map((size, i) => {
    const packet = buildPacket({
      ...PLAIN,
      ...spec,
      seq: seq >>> 0,
      flags: i === sizes.length - 1 ? spec.flags ?? ACK : ACK,
      id: ((spec.id ?? 7) + i) & 0xffff,
      payload: somePayload(size),
    });
    seq += size;
    return packet;
  });
}

Deno.test("Coalescer undoes what Segmenter does", () => {
  fc.assert(
    fc.property(arbitraryPacket(30_000), fc.integer({ min: 750, max: 1500 }), (spec, gsoSize) => {
      const whole = asRead(buildPacket(spec), gsoSize);
      const packets = segment(whole);
      const { writes } = coalesce(packets);
      assert.deepEqual(writes, [packets.length === 1 ? withNoneHeader(packets[0]!) : whole]);
    }),
    { numRuns: 200 },
  );
});

function withNoneHeader(packet: Uint8Array): Uint8Array {
  const write = new Uint8Array(VNET + packet.length);
  write.set(packet, VNET);
  return write;
}

Deno.test("Coalescer loses, changes and reorders nothing, whatever is mixed", () => {
  const flow = fc.record({
    version: fc.constantFrom(4 as const, 6 as const),
    protocol: fc.constantFrom("tcp" as const, "udp" as const),
    sourcePort: fc.integer({ min: 1, max: 3 }),
    df: fc.boolean(),
    sizes: fc.array(fc.constantFrom(0, 1, 99, 100, 100, 100, 100), { minLength: 1, maxLength: 12 }),
    flags: fc.constantFrom(0x10, 0x10, 0x10, 0x18, 0x11, 0x02, 0x90),
    damaged: fc.nat(40),
  });
  const order = fc.array(fc.nat(3), { minLength: 40, maxLength: 40 });
  fc.assert(
    fc.property(fc.array(flow, { minLength: 1, maxLength: 4 }), order, (flows, order) => {
      const queues = flows.map((f) => {
        const packets = stream(f, f.sizes);
        if (f.damaged < packets.length) packets[f.damaged]![packets[f.damaged]!.length - 1]! ^= 1;
        return packets;
      });
      const mixed = order.flatMap((n) => queues[n % queues.length]!.splice(0, 1));
      const out = coalesce(mixed).writes.flatMap(segment);
      for (const version of [4, 6]) {
        for (const protocol of [6, 17]) {
          for (const port of [1, 2, 3]) {
            const ofFlow = (p: Uint8Array): boolean =>
              p[0]! >> 4 === version && p[version === 4 ? 9 : 6] === protocol &&
              p[version === 4 ? 21 : 41] === port;
            assert.deepEqual(out.filter(ofFlow).map(maskId), mixed.filter(ofFlow).map(maskId));
          }
        }
      }
    }),
    { numRuns: 300 },
  );
});

/** The ID of an IPv4 packet with DF, which nobody may rely on (RFC 6864 §4.1), and the checksum over it. */
function maskId(packet: Uint8Array): Uint8Array {
  const copy = packet.slice();
  if (copy[0]! >> 4 === 4 && (copy[6]! & 0x40) !== 0) copy.fill(0, 4, 6).fill(0, 10, 12);
  return copy;
}

Deno.test("Coalescer takes what tcp_gro_receive takes and nothing else", () => {
  const two = (second: Partial<PacketSpec>, first: Partial<PacketSpec> = {}): Uint8Array[] => [
    buildPacket({ ...PLAIN, payload: somePayload(100), ...first }),
    buildPacket({ ...PLAIN, seq: 1100, id: 8, payload: somePayload(100), ...second }),
  ];
  const nop = (last: number): Uint8Array => Uint8Array.of(1, 1, 1, last);
  const cases: [string, Uint8Array[], number][] = [
    ["next in sequence", two({}), 1],
    ["shorter last segment", two({ payload: somePayload(1) }), 1],
    ["PSH", two({ flags: ACK | 0x08 }), 1],
    ["FIN", two({ flags: ACK | 0x01 }), 1],
    ["CWR on the first", two({}, { flags: ACK | 0x80 }), 1],
    ["equal options", two({ options: nop(0) }, { options: nop(0) }), 1],
    ["without DF, next ID", two({ df: false }, { df: false }), 1],
    ["with DF, any ID", two({ id: 0 }), 1],
    ["a hole", two({ seq: 1101 }), 2],
    ["the same again", two({ seq: 1000 }), 2],
    ["longer segment", two({ payload: somePayload(101) }), 2],
    ["no payload", two({ payload: somePayload(0) }), 2],
    ["CWR on the second", two({ flags: ACK | 0x80 }), 2],
    ["PSH on the first", two({}, { flags: ACK | 0x08 }), 2],
    ["SYN", two({ flags: ACK | 0x02 }), 2],
    ["RST", two({ flags: ACK | 0x04 }), 2],
    ["URG on both", two({ flags: ACK | 0x20 }, { flags: ACK | 0x20 }), 2],
    ["ECE differs", two({ flags: ACK | 0x40 }), 2],
    ["options differ", two({ options: nop(1) }, { options: nop(0) }), 2],
    ["options on one", two({ options: nop(1) }), 2],
    ["another TTL", two({ ttl: 63 }), 2],
    ["another TOS", two({ tos: 2 }), 2],
    ["another port", two({ sourcePort: 1 }), 2],
    ["DF differs", two({ df: false }), 2],
    ["without DF, another ID", two({ df: false, id: 9 }, { df: false }), 2],
    ["IPv6 traffic class", two({ version: 6, tos: 4 }, { version: 6 }), 2],
    ["UDP", two({ protocol: "udp" }, { protocol: "udp" }), 1],
    ["UDP and TCP", two({ protocol: "udp" }), 2],
  ];
  for (const [name, packets, writes] of cases) {
    const sink = coalesce(packets);
    assert.equal(sink.writes.length, writes, name);
    assert.deepEqual(sink.writes.flatMap(segment).map(maskId), packets.map(maskId), name);
  }
});

Deno.test("Coalescer passes a segment with a wrong checksum on as it came", () => {
  for (const damaged of [0, 1, 2, 3]) {
    const packets = stream({}, [100, 100, 100, 100]);
    packets[damaged]![60]! ^= 0x10;
    const { writes } = coalesce(packets);
    assert.ok(writes.some((w) => indexOf(w, packets[damaged]!) === VNET && w.length === VNET + 140));
    assert.deepEqual(writes.flatMap(segment).map(maskId), packets.map(maskId));
  }
});

function indexOf(haystack: Uint8Array, needle: Uint8Array): number {
  return haystack.findIndex((_, i) => needle.every((byte, k) => haystack[i + k] === byte));
}

Deno.test("Coalescer passes IPv4 with a wrong header checksum, options or fragments on alone", () => {
  const change = (at: number, value: number) => (packet: Uint8Array): Uint8Array => {
    packet[at] = value;
    return packet;
  };
  for (const spoil of [change(10, 0), change(6, 0x20), change(0, 0x46), change(3, 139)]) {
    const { writes } = coalesce(stream({}, [100, 100]).map(spoil));
    assert.equal(writes.length, 2);
  }
});

Deno.test("Coalescer lets nothing overtake a flow that it can't tell", () => {
  const [a, b] = stream({ protocol: "udp" }, [100, 100]);
  const fragment = buildPacket({ ...PLAIN, protocol: "udp", payload: somePayload(50) });
  fragment[6] = 0x20;
  const { writes } = coalesce([a!, fragment, b!]);
  assert.deepEqual(writes.map((w) => w.length - VNET), [a!.length, fragment.length, b!.length]);
});

Deno.test("Coalescer without UDP super-packets writes datagrams one by one", () => {
  assert.equal(coalesce(stream({ protocol: "udp" }, [100, 100, 100]), false).writes.length, 3);
});

Deno.test("Coalescer leaves datagrams without checksum alone", () => {
  const packets = stream({ protocol: "udp" }, [100, 100]);
  for (const packet of packets) packet.fill(0, 26, 28);
  assert.equal(coalesce(packets).writes.length, 2);
});

Deno.test("Coalescer keeps super-packets within 65,535 bytes and 64 datagrams", () => {
  const sink = new RecordingSink();
  const batch = batchOf(stream({}, Array(60).fill(1748)));
  for (let i = 0; i < batch.count; i++) sink.coalescer.add(batch, i);
  sink.coalescer.flush();
  assert.deepEqual(sink.packets, [37, 23]);
  assert.ok(sink.writes.every((w) => w.length <= VNET + 65_535));
});

Deno.test("Coalescer makes room for a new flow by writing another one", () => {
  const packets = Array.from({ length: 20 }, (_, i) => stream({ sourcePort: i + 1 }, [100, 100]));
  const firsts = packets.map((p) => p[0]!), seconds = packets.map((p) => p[1]!);
  const sink = new RecordingSink();
  const batch = batchOf([...firsts, ...seconds.slice(4)]);
  for (let i = 0; i < batch.count; i++) sink.coalescer.add(batch, i);
  sink.coalescer.flush();
  assert.deepEqual(sink.packets.sort(), [...Array(4).fill(1), ...Array(16).fill(2)]);
});

Deno.test("Coalescer takes any bytes without throwing and writes each packet once", () => {
  const good = stream({}, [60, 60, 60]);
  const mutations = fc.array(fc.tuple(fc.nat(2), fc.nat(50), fc.nat(255)), { maxLength: 6 });
  const lengths = fc.tuple(fc.nat(100), fc.nat(100), fc.nat(100));
  fc.assert(
    fc.property(mutations, lengths, fc.boolean(), (bytes, lengths, cut) => {
      const packets = good.map((p) => p.slice());
      for (const [n, at, value] of bytes) packets[n]![at] = value;
      const { packets: counts } = coalesce(cut ? packets.map((p, i) => p.subarray(0, lengths[i])) : packets);
      assert.equal(counts.reduce((a, b) => a + b), 3);
    }),
    { numRuns: 3000 },
  );
});
