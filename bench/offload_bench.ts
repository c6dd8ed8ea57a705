/**
 * Nanoseconds per packet of segmenting and coalescing, 1394 payload bytes each, and the heap they take:
 * `deno bench -A bench/offload_bench.ts`. One iteration is PACKETS packets.
 */
import assert from "node:assert/strict";
import { type Batch, DATA, OFFSET } from "../datapath/batch.ts";
import { DropReason } from "../datapath/drop_reason.ts";
import { icmpSend } from "../datapath/icmp/icmp_send.ts";
import { memcpy } from "../datapath/memcpy.ts";
import { Coalescer, type CoalesceSink } from "../datapath/offload/coalesce.ts";
import { Segmenter } from "../datapath/offload/segment.ts";
import { slabSum } from "../datapath/offload/slab_sum.ts";
import * as checksum from "../datapath/wire/checksum.ts";
import { gmpSlabSum } from "../ffi/gmp_sum.ts";
import { newBatch } from "../ffi/slab_pointers.ts";
import { asRead, buildPacket, PLAIN, somePayload } from "../tests/doubles/packets.ts";

const PACKETS = 46;
const MSS = 1394;
/** Timestamps, as TCP between two Linux hosts has them. */
const OPTIONS = Uint8Array.of(1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2);

/** What the gateway sums with. */
const sum = gmpSlabSum() ?? slabSum;
const batch = newBatch();

function segmenting(version: 4 | 6, protocol: "tcp" | "udp"): () => void {
  const segmenter = new Segmenter(sum);
  const spec = { ...PLAIN, version, protocol, options: OPTIONS, payload: somePayload(PACKETS * MSS) };
  const read = asRead(buildPacket(spec), MSS);
  segmenter.staging.set(read);
  const header = read.slice(0, 128);
  const fixed = segmenter.staging.subarray(0, 128);
  return () => {
    fixed.set(header);
    assertNone(segmenter.begin(read.length));
    batch.clear();
    if (!segmenter.fill(batch)) throw new Error("Fill a batch: it was too small");
  };
}

function assertNone(reason: number): void {
  if (reason !== DropReason.None) throw new Error(`Begin a super-packet: refused with ${reason}`);
}

class CountingSink implements CoalesceSink {
  packets = 0;
  superPackets = 0;
  writePacket(): void {
    this.packets++;
  }
  writeSuperPacket(_batch: Batch, _offset: number, _bytes: number, _part: number, packets: number): void {
    this.superPackets++;
    this.packets += packets;
  }
}

/** PACKETS packets of `streams` streams in turn; `payload` 0 gives acknowledgments. */
function coalescing(streams: number, protocol: "tcp" | "udp", payload: number): () => void {
  const sink = new CountingSink();
  const coalescer = new Coalescer(sink, true, sum);
  const full = newBatch();
  for (let i = 0; i < PACKETS; i++) {
    const spec = { ...PLAIN, protocol, options: OPTIONS, payload: somePayload(payload) };
    const seq = 1000 + Math.floor(i / streams) * payload;
    const packet = buildPacket({ ...spec, seq, sourcePort: 40000 + i % streams });
    full.u8.set(packet, full.i32[OFFSET + full.append(packet.length)]);
  }
  const run = (): void => {
    for (let i = 0; i < PACKETS; i++) coalescer.add(full, i);
    coalescer.flush();
  };
  run();
  assert.equal(sink.packets, PACKETS);
  assert.equal(sink.superPackets, payload === 0 ? 0 : Math.min(streams, PACKETS));
  return run;
}

const source = new DataView(new ArrayBuffer(65_536));
const packet = new DataView(buildPacket({ ...PLAIN, payload: somePayload(MSS) }).buffer);
const message = new DataView(new ArrayBuffer(576));

function times(n: number, fn: (i: number) => void): () => void {
  return () => {
    for (let i = 0; i < n; i++) fn(i);
  };
}

/** The same as checksum.sum() by GMP, which is compared with a plain sum first. */
function gmpChecksum(): (i: number) => void {
  const slab = newBatch();
  crypto.getRandomValues(slab.u8.subarray(DATA, DATA + 65_536) as Uint8Array<ArrayBuffer>);
  const place = (i: number): number => DATA + i * MSS;
  for (let i = 0; i < PACKETS; i++) {
    let plain = 0;
    for (let p = place(i); p < place(i) + MSS; p += 2) plain += slab.view.getUint16(p);
    assert.equal(sum(slab, place(i), MSS) % 0xffff, plain % 0xffff);
    assert.equal(checksum.sum(slab.view, place(i), MSS, 0) % 0xffff, plain % 0xffff);
  }
  return (i) => sum(slab, place(i), MSS);
}

const SUBJECTS: Record<string, () => void> = {
  "segment, TCP over IPv4": segmenting(4, "tcp"),
  "segment, TCP over IPv6": segmenting(6, "tcp"),
  "segment, UDP over IPv4": segmenting(4, "udp"),
  "coalesce, TCP, 1 stream": coalescing(1, "tcp", MSS),
  "coalesce, TCP, 2 streams": coalescing(2, "tcp", MSS),
  "coalesce, TCP, 16 streams": coalescing(16, "tcp", MSS),
  "coalesce, UDP, 1 stream": coalescing(1, "udp", MSS),
  "coalesce, acknowledgments": coalescing(1, "tcp", 0),
  "checksum of 1394 bytes": times(PACKETS, (i) => checksum.sum(source, i * MSS, MSS, 0)),
  "checksum of 1394 bytes, GMP": times(PACKETS, gmpChecksum()),
  "copy of 1394 bytes": times(PACKETS, (i) => memcpy(batch.view, 8192 + i * 2048, source, i * MSS, MSS)),
  "ICMP error": times(PACKETS, () => icmpSend(packet, 0, packet.byteLength, 3, 4, 1446, message)),
};

/** Median over rounds of nanoseconds and heap bytes per packet. Few enough packets a round for no collection between. */
function measure(run: () => void): { readonly ns: number; readonly heap: number } {
  const ROUNDS = 25, RUNS = 400;
  for (let i = 0; i < 4000; i++) run();
  const ns: number[] = [], heap: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = Deno.memoryUsage().heapUsed;
    const start = performance.now();
    for (let i = 0; i < RUNS; i++) run();
    ns.push((performance.now() - start) * 1e6 / (RUNS * PACKETS));
    heap.push((Deno.memoryUsage().heapUsed - before) / (RUNS * PACKETS));
  }
  const median = (values: number[]): number => values.sort((a, b) => a - b)[ROUNDS >> 1];
  return { ns: median(ns), heap: median(heap) };
}

if (import.meta.main && Deno.args.includes("--table")) {
  for (const [name, run] of Object.entries(SUBJECTS)) {
    const { ns, heap } = measure(run);
    console.log(
      `${name.padEnd(28)} ${ns.toFixed(0).padStart(6)} ns ${
        (heap * 1e6 / 1e3).toFixed(0).padStart(8)
      } kB/1e6`,
    );
  }
} else {
  for (const [name, fn] of Object.entries(SUBJECTS)) Deno.bench({ name: `${name}, ${PACKETS}`, fn });
}
