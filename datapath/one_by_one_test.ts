/**
 * What packets of a batch share (input_run.ts, flow_cache.ts LastEntry) changes nothing: a batch ends as its packets do
 * when each comes alone to tables that remember nothing.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Batch, COUNT, IKEY, INFO, OKEY, OUTER_SRC, PATH_MTU, REASON, SA } from "./batch.ts";
import { DropReason } from "./drop_reason.ts";
import { CELL_PACKETS, viewXfrmCells } from "./xfrm/xfrm_cells.ts";
import {
  anySelector,
  inBatch,
  inPolicyRecord,
  inStateRecord,
  ipv4Packet,
  ipv6Packet,
  KEY,
  L,
  makeTable,
  outBatch,
  packetOf,
  policyRecord,
  R,
  SPI_OUT,
  stateRecord,
  templateRecord,
  type TestTable,
} from "./xfrm/xfrm_fixture.ts";
import {
  AF_INET,
  AF_INET6,
  IPPROTO_UDP,
  type LifetimeRecord,
  type SelectorRecord,
} from "./xfrm/xfrm_record.ts";

const LIMITED: LifetimeRecord = { softBytes: Infinity, hardBytes: 2000, softPackets: 4, hardPackets: 9 };
const SHORT: LifetimeRecord = { ...LIMITED, softPackets: Infinity };
const TCP = 6;

function toPort(dport: number): SelectorRecord {
  return { ...anySelector(AF_INET), proto: TCP, dport, dportMask: 0xffff };
}

interface End extends TestTable {
  readonly cells: SharedArrayBuffer[];
  /** Everything that the packets so far have left in shared memory and counters. */
  left(): unknown;
}

function makeEnd(): End {
  const table = makeTable();
  // The first ID is random.
  Object.assign(table.table, { nextId: () => 77 });
  const cells: SharedArrayBuffer[] = [];
  const left = () => [table.mib(), cells.map((memory) => [...new Int32Array(memory)])];
  return { ...table, cells, left };
}

function add(end: End, record: { readonly cells: unknown }): void {
  end.cells.push(record.cells as SharedArrayBuffer);
}

/** SAs with and without limits, a blocked port, a port with another SA, IPv6, and a mark without a policy. */
function sender(): End {
  const end = makeEnd();
  const states = [
    stateRecord(),
    stateRecord({
      number: 2,
      spi: SPI_OUT + 1,
      reqid: 1,
      encapType: 2,
      encapSport: 4500,
      encapDport: 4500,
      lifetime: SHORT,
    }),
    stateRecord({ number: 3, spi: SPI_OUT + 2, reqid: 1, lifetime: LIMITED }),
    stateRecord({ number: 4, spi: SPI_OUT + 3, reqid: 2, saddr: [L + 1, 0, 0, 0] }),
  ];
  const policies = [
    policyRecord({ index: 1, priority: 9 }),
    policyRecord({ index: 2, sel: toPort(1), templates: [templateRecord({ reqid: 1 })] }),
    policyRecord({ index: 3, sel: toPort(2), block: true }),
    policyRecord({
      index: 4,
      sel: toPort(3),
      templates: [templateRecord({ reqid: 2, saddr: [L + 1, 0, 0, 0] })],
    }),
    policyRecord({ index: 5, sel: toPort(4), templates: [templateRecord({ reqid: 3 })] }),
    policyRecord({ index: 6, family: AF_INET6, priority: 9 }),
  ];
  for (const record of states) add(end, record), end.table.addState(record);
  for (const record of policies) add(end, record), end.table.addPolicy(record);
  return end;
}

function receiver(): End {
  const end = makeEnd();
  const from = { saddr: [L, 0, 0, 0], daddr: [R, 0, 0, 0] } as const;
  const states = [
    inStateRecord({ number: 1, spi: SPI_OUT, ...from }),
    inStateRecord({ number: 2, spi: SPI_OUT + 1, ...from, encapType: 2, encapSport: 4500, encapDport: 4500 }),
    inStateRecord({ number: 3, spi: SPI_OUT + 2, ...from, lifetime: LIMITED, replayKind: "bitmap" }),
    inStateRecord({ number: 4, spi: SPI_OUT, ...from, mark: { value: KEY + 1, mask: -1 } }),
  ];
  const templates = [templateRecord(from)];
  const policies = [
    inPolicyRecord({ index: 1, priority: 9, templates }),
    inPolicyRecord({ index: 2, sel: toPort(2), block: true }),
    inPolicyRecord({ index: 5, sel: toPort(1), templates: [templateRecord({ ...from, spi: SPI_OUT + 2 })] }),
    inPolicyRecord({ index: 3, family: AF_INET6, priority: 9, templates }),
    // Without a mark: it judges outer packets from one other source.
    inPolicyRecord({
      index: 4,
      mark: { value: 0, mask: 0 },
      sel: { ...anySelector(AF_INET), saddr: [R + 9, 0, 0, 0], prefixlenS: 32 },
      block: true,
    }),
  ];
  for (const record of states) add(end, record), end.table.addState(record);
  for (const record of policies) add(end, record), end.table.addPolicy(record);
  return end;
}

const inner = fc.record({
  length: fc.integer({ min: 24, max: 120 }),
  port: fc.constantFrom(0, 1, 1, 1, 2, 3, 4, 5),
  src: fc.constantFrom("10.9.0.2", "10.9.0.3"),
  kind: fc.constantFrom("tcp", "tcp", "tcp", "tcp", "ipv6", "fragment", "icmp", "short"),
  df: fc.boolean(),
  repeat: fc.integer({ min: 1, max: 9 }),
}).map(({ length, port, src, kind, df, repeat }) => {
  const packet = kind === "ipv6"
    ? ipv6Packet(40 + length, { next: TCP })
    : ipv4Packet(length, { proto: kind === "icmp" ? 1 : TCP, df, src, ports: port });
  if (kind === "fragment") packet[6] |= 0x20;
  return new Array<Uint8Array>(repeat).fill(kind === "short" ? packet.subarray(0, 12) : packet);
});
const batches = fc.array(
  fc.record({
    packets: fc.array(inner, { minLength: 1, maxLength: 6, size: "max" }).map((runs) =>
      runs.flat().slice(0, 64)
    ),
    mark: fc.constantFrom(KEY, KEY, KEY, KEY + 1),
    seconds: fc.constantFrom(0, 1),
    again: fc.boolean(),
  }),
  { minLength: 1, maxLength: 3, size: "max" },
).map((rounds) => rounds.flatMap((round) => round.again ? [round, { ...round, seconds: 1 }] : [round]));

/** Runs `test` with a clock that stands still but for what it is told. */
function withClock(test: (clock: { seconds: number }) => void): void {
  const { now } = Date;
  const clock = { seconds: 1_000_000 };
  Date.now = () => clock.seconds * 1000;
  try {
    test(clock);
  } finally {
    Date.now = now;
  }
}

/** Nothing that was found out about a flow holds any more, whatever is compared to tell. */
function forget({ table }: End): void {
  table.routesChanged();
  table.flow.version++;
}

/** What a packet has become. */
function outcome(batch: Batch, i: number): unknown {
  const { i32 } = batch;
  const reason = i32[REASON + i];
  return reason === 0 ? [packetOf(batch, i), i32[SA + i], i32[PATH_MTU + i]] : [reason, i32[INFO + i]];
}

function outcomes(batch: Batch): unknown[] {
  return Array.from({ length: batch.i32[COUNT] }, (_, i) => outcome(batch, i));
}

Deno.test("transmit() does to a batch what it does to its packets one by one", () =>
  withClock((clock) => {
    const property = fc.property(batches, (rounds) => {
      const together = sender();
      const alone = sender();
      for (const { packets, mark, seconds } of rounds) {
        clock.seconds += seconds;
        const batch = outBatch(...packets);
        batch.i32[OKEY] = mark;
        together.table.transmit(batch);
        const expected = packets.map((packet) => {
          const single = outBatch(packet);
          single.i32[OKEY] = mark;
          forget(alone);
          alone.table.transmit(single);
          return outcome(single, 0);
        });
        assert.deepEqual(outcomes(batch), expected);
      }
      assert.deepEqual(together.left(), alone.left());
    });
    fc.assert(property, { numRuns: 150 });
  }));

const damage = fc.record({
  pick: fc.nat(),
  repeat: fc.constantFrom(1, 1, 1, 2),
  spi: fc.constantFrom(0, 0, 0, 0, 0, 1, 7),
  flip: fc.constantFrom(false, false, false, false, true),
  mark: fc.constantFrom(KEY, KEY, KEY, KEY, KEY + 1),
  source: fc.constantFrom(0, 0, 0, 0, 9),
  cut: fc.constantFrom(false, false, false, false, false, true),
});

/** Packets to take from what was sent, damaged or not. */
type Pick = typeof damage extends fc.Arbitrary<infer T> ? T : never;

function pickFrom(sent: readonly Uint8Array[], { pick, repeat, spi, flip, mark, source, cut }: Pick) {
  const packet = sent[pick % sent.length].slice();
  const esp = packet[9] === IPPROTO_UDP ? 28 : 20;
  packet[esp + 3] ^= spi;
  if (flip) packet[packet.length - 1] ^= 1;
  const whole = { packet: cut ? packet.subarray(0, esp + 5) : packet, mark, source };
  return new Array<typeof whole>(repeat).fill(whole);
}

function arrived(chosen: readonly { packet: Uint8Array; mark: number; source: number }[]): Batch {
  const batch = inBatch(...chosen.map(({ packet }) => packet));
  for (const [i, { mark, source }] of chosen.entries()) {
    batch.i32[IKEY + i] = mark;
    if (source !== 0) batch.i32[OUTER_SRC + i] = R + source;
  }
  return batch;
}

/** The packets as they come out of the sender, in order. */
function sentBy(from: End, rounds: readonly { readonly packets: readonly Uint8Array[] }[]): Uint8Array[] {
  return rounds.flatMap(({ packets }) => {
    const batch = outBatch(...packets);
    from.table.transmit(batch);
    return packets.flatMap((_, i) => batch.i32[REASON + i] === 0 ? [packetOf(batch, i)] : []);
  });
}

const UNHARMED: Omit<Pick, "pick"> = { repeat: 1, spi: 0, flip: false, mark: KEY, source: 0, cut: false };

Deno.test("receive() does to a batch what it does to its packets one by one", () =>
  withClock(() => {
    const picks = fc.array(fc.array(damage, { minLength: 1, maxLength: 20, size: "max" }), { maxLength: 4 });
    const property = fc.property(batches, picks, (rounds, later) => {
      const sent = sentBy(sender(), rounds);
      fc.pre(sent.length > 0);
      const first = sent.slice(0, 40).map((_, pick) => ({ ...UNHARMED, pick }));
      const together = receiver();
      const alone = receiver();
      for (const round of [first, ...later]) {
        const chosen = round.flatMap((pick) => pickFrom(sent, pick));
        const batch = arrived(chosen);
        together.table.receive(batch);
        const expected = chosen.map((one) => {
          const single = arrived([one]);
          forget(alone);
          alone.table.receive(single);
          return outcome(single, 0);
        });
        assert.deepEqual(outcomes(batch), expected);
      }
      assert.deepEqual(together.left(), alone.left());
    });
    fc.assert(property, { numRuns: 150 });
  }));

Deno.test("the packets of these tests meet every kind of answer", () => {
  const end = sender();
  const packets = [1, 2, 3, 4, 5].map((ports) => ipv4Packet(60, { proto: TCP, ports }));
  const batch = outBatch(...packets, ...new Array<Uint8Array>(14).fill(packets[0]));
  end.table.transmit(batch);
  const reasons = new Set(batch.i32.subarray(REASON, REASON + batch.i32[COUNT]));
  const { None, OutPolBlock, OutStateCheck, OutNoStates, OutStateExpired } = DropReason;
  assert.deepEqual(reasons, new Set([None, OutPolBlock, OutStateCheck, OutNoStates, OutStateExpired]));
  const [, second, third] = end.cells.slice(0, 3).map((cells) => viewXfrmCells(cells).f64[CELL_PACKETS]);
  assert.deepEqual([second, third], [9, 5], "the soft limit of one, then the hard limit of the other");
});
