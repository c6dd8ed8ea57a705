/** The way out of packets that are refused: why, what is counted, and what is left of them. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Batch,
  DEVICE_MTU,
  IFINDEX,
  INFO,
  LENGTH,
  LOCAL,
  OFFSET,
  OKEY,
  OUTER_DF,
  PATH_MTU,
  REASON,
  REMOTE,
} from "./batch.ts";
import { DROP_ROWS } from "./drop_reason.ts";
import { CELL_BYTES, CELL_OSEQ, CELL_PACKETS, viewXfrmCells } from "./xfrm/xfrm_cells.ts";
import { fakeBackend } from "./xfrm/transform_fixture.ts";
import {
  anySelector,
  ipv4Packet,
  ipv6Packet,
  makeTable,
  outBatch,
  packetOf,
  policyRecord,
  R,
  reasonOf,
  SPI_OUT,
  stateRecord,
  templateRecord,
  type TestTable,
} from "./xfrm/xfrm_fixture.ts";
import { AF_UNSPEC } from "./xfrm/xfrm_record.ts";
import { send, tableWith } from "./transmit_fixture.ts";

/** Sends one packet that is to be refused, and proves that it is as it came. */
function refused(
  t: TestTable,
  packet: Uint8Array,
  prepare: (batch: Batch) => void = () => {},
): readonly unknown[] {
  const batch = outBatch(packet);
  prepare(batch);
  const offset = batch.i32[OFFSET];
  t.table.transmit(batch);
  assert.equal(batch.i32[OFFSET], offset);
  assert.deepEqual(packetOf(batch, 0), packet);
  return [reasonOf(batch), batch.i32[INFO], t.mib()];
}

Deno.test("transmit() reports what is too long and may not be fragmented: 1446 for GCM over 1500", () => {
  assert.equal(send(tableWith(), ipv4Packet(1446)).bytes.length, 1500);
  assert.deepEqual(refused(tableWith(), ipv4Packet(1447)), ["OutTooBig", 1446, {}]);
  const udp = tableWith({ encapType: 2, encapSport: 4500, encapDport: 4500 });
  assert.deepEqual(refused(udp, ipv4Packet(1439)), ["OutTooBig", 1438, {}]);
});

Deno.test("transmit() encrypts whole what may be fragmented, as 6.1 does", () => {
  const { bytes, batch } = send(tableWith(), ipv4Packet(1480, { df: false }));
  assert.deepEqual([bytes.length, batch.i32[OUTER_DF], batch.i32[PATH_MTU]], [1536, 0, 1500]);
});

Deno.test("transmit() reports IPv6 packets as too big with at least 1280", () => {
  const t = tableWith({ sel: anySelector(AF_UNSPEC) });
  assert.deepEqual(refused(t, ipv6Packet(1447)), ["OutTooBig", 1446, {}]);
  t.routes.result.mtu = 1300;
  t.table.routesChanged();
  assert.deepEqual(refused(t, ipv6Packet(1260)), ["OutTooBig", 1280, {}]);
});

Deno.test("transmit() minds the device's MTU and the path's", () => {
  const device = (batch: Batch) => void (batch.i32[DEVICE_MTU] = 1300);
  assert.deepEqual(refused(tableWith(), ipv4Packet(1301), device), ["OutTooBig", 1300, {}]);
  const t = tableWith();
  t.routes.result.mtu = 1400;
  assert.deepEqual(refused(t, ipv4Packet(1347)), ["OutTooBig", 1346, {}]);
});

Deno.test("transmit() refuses, with the kernel's counter, what has no way", () => {
  const none = makeTable();
  assert.deepEqual(refused(none, ipv4Packet(84)), ["OutNoPolicy", 0, {}]);
  none.table.addPolicy(policyRecord());
  assert.deepEqual(refused(none, ipv4Packet(84)), ["OutNoStates", 0, { XfrmOutNoStates: 1 }]);
  none.table.addPolicy(policyRecord({ block: true }));
  assert.deepEqual(refused(none, ipv4Packet(84)), ["OutPolBlock", 0, {
    XfrmOutNoStates: 1,
    XfrmOutPolBlock: 1,
  }]);

  const t = tableWith();
  t.routes.result.errno = 101;
  assert.deepEqual(refused(t, ipv4Packet(84)), ["OutBundleGenError", 0, { XfrmOutBundleGenError: 1 }]);
});

Deno.test("transmit() refuses an SA that is not between the tunnel's ends, before a loop, before a length", () => {
  const remote = (batch: Batch) => void (batch.i32[REMOTE] = R + 98);
  assert.deepEqual(refused(tableWith(), ipv4Packet(84), remote), ["OutStateCheck", 0, {}]);
  const loop = (batch: Batch) => void (batch.i32[IFINDEX] = 2);
  assert.deepEqual(refused(tableWith(), ipv4Packet(1447), loop), ["OutCollision", 0, {}]);
  const both = (batch: Batch) => void (batch.i32[IFINDEX] = 2, batch.i32[LOCAL] = 1);
  assert.deepEqual(refused(tableWith(), ipv4Packet(84), both), ["OutStateCheck", 0, {}]);
  const open = (batch: Batch) => void (batch.i32[REMOTE] = 0);
  const batch = outBatch(ipv4Packet(84));
  open(batch);
  tableWith().table.transmit(batch);
  assert.equal(reasonOf(batch), "None");
});

Deno.test("transmit() refuses what is no IP packet or has half a header", () => {
  const bad = [
    new Uint8Array(84),
    ipv4Packet(84).slice(0, 19),
    ipv6Packet(84).slice(0, 39),
    new Uint8Array(0),
  ];
  for (const packet of bad) assert.deepEqual(refused(tableWith(), packet), ["OutHeader", 0, {}]);
});

Deno.test("transmit() at a hard packet limit: expired once, told once, then no SA", () => {
  const lifetime = { ...stateRecord().lifetime, hardPackets: 1 };
  const t = tableWith({ lifetime });
  send(t, ipv4Packet(84));
  assert.deepEqual(refused(t, ipv4Packet(84)), ["OutStateExpired", 0, { XfrmOutStateExpired: 1 }]);
  assert.equal(refused(t, ipv4Packet(84))[0], "OutNoStates");
  const told: unknown[] = [];
  t.table.drainExpired((number, hard) => told.push([number, hard]));
  t.table.drainExpired((number, hard) => told.push([number, hard]));
  assert.deepEqual(told, [[1, true]]);
});

Deno.test("transmit() at a soft limit goes on, told once, and takes another SA from then on", () => {
  const t = tableWith({ lifetime: { ...stateRecord().lifetime, softPackets: 2 }, addTime: 5 });
  t.table.addState(stateRecord({ number: 2, spi: 0x3000, addTime: 1 }));
  const spis = [1, 2, 3, 4].map(() => send(t, ipv4Packet(84)).view.getUint32(20));
  assert.deepEqual(spis, [SPI_OUT, SPI_OUT, SPI_OUT, 0x3000]);
  const told: unknown[] = [];
  t.table.drainExpired((number, hard) => told.push([number, hard]));
  assert.deepEqual(told, [[1, false]]);
});

Deno.test("transmit() at the end of the sequence numbers refuses before it counts", () => {
  const record = stateRecord();
  const { f64 } = viewXfrmCells(record.cells);
  f64[CELL_OSEQ] = 0xfffffffe;
  const t = makeTable();
  t.table.addState(record);
  t.table.addPolicy(policyRecord());
  assert.equal(send(t, ipv4Packet(84)).view.getUint32(24), 0xffffffff);
  assert.deepEqual(refused(t, ipv4Packet(84)), ["OutStateSeqError", 0, { XfrmOutStateSeqError: 1 }]);
  assert.deepEqual([f64[CELL_BYTES], f64[CELL_PACKETS], f64[CELL_OSEQ]], [84, 1, 0xffffffff]);
});

Deno.test("transmit() never takes a sequence number back when sealing fails", () => {
  const backend = fakeBackend();
  const t = tableWith({}, backend);
  send(t, ipv4Packet(84));
  const sealer = backend.made.at(-1)!;
  const seal = sealer.seal;
  sealer.seal = () => false;
  const batch = outBatch(ipv4Packet(84));
  t.table.transmit(batch);
  assert.equal(reasonOf(batch), "OutStateProtoError");
  sealer.seal = seal;
  assert.equal(send(t, ipv4Packet(84)).view.getUint32(24), 3);
});

Deno.test("transmit() refuses a packet that would be longer than IPv4 allows", () => {
  const t = tableWith();
  const big = (batch: Batch) => void (batch.i32[DEVICE_MTU] = 65535);
  const batch = outBatch(ipv4Packet(65500, { df: false }));
  big(batch);
  t.table.transmit(batch);
  assert.equal(reasonOf(batch), "OutStateProtoError");
});

Deno.test("transmit() leaves packets alone that have a reason, and sends the others", () => {
  const t = tableWith();
  const batch = outBatch(ipv4Packet(84), ipv4Packet(84), ipv4Packet(84));
  batch.i32[REASON + 1] = 5;
  t.table.transmit(batch);
  assert.deepEqual([0, 1, 2].map((i) => batch.i32[REASON + i]), [0, 5, 0]);
  assert.deepEqual([0, 1, 2].map((i) => batch.i32[LENGTH + i]), [140, 84, 140]);
});

Deno.test("transmit() gives every garbage packet a reason or a way, and never throws", () => {
  const t = tableWith({ sel: anySelector(AF_UNSPEC) });
  const packets = fc.array(fc.uint8Array({ maxLength: 1500 }), { minLength: 1, maxLength: 20 });
  fc.assert(fc.property(packets, fc.integer(), (list, mark) => {
    // Half of the time the version nibble is right, or all would end at the first step.
    list.forEach((p, i) => p.length > 0 && (p[0] = [0x45, 0x60, p[0], 0x4f][i % 4]));
    const batch = outBatch(...list);
    if (mark % 4 === 0) batch.i32[OKEY] = mark;
    t.table.transmit(batch);
    list.forEach((p, i) => {
      const reason = batch.i32[REASON + i];
      assert.ok(reason >= 0 && reason < DROP_ROWS.length);
      if (reason === 0) assert.ok(batch.i32[LENGTH + i] > p.length + 50);
      else assert.deepEqual(packetOf(batch, i), p);
    });
  }));
});

Deno.test("transmit() chooses by the interface too: a selector with dev", () => {
  const t = makeTable();
  t.table.addState(stateRecord());
  t.table.addPolicy(policyRecord({ sel: { ...anySelector(2), ifindex: 10 }, templates: [templateRecord()] }));
  send(t, ipv4Packet(84));
  assert.equal(refused(t, ipv4Packet(84), (batch) => void (batch.i32[IFINDEX] = 11))[0], "OutNoPolicy");
});
