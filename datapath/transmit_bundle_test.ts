/** Bundles of several SAs, against what Linux 6.1 was seen to send: protocols, lengths, MTUs, counted bytes. */
import assert from "node:assert/strict";
import { DEVICE_MTU, INFO, OFFSET, REASON, UDP_PORTS } from "./batch.ts";
import { nobleBackend } from "../ffi/aead_noble.ts";
import { CELL_BYTES, viewXfrmCells } from "./xfrm/xfrm_cells.ts";
import {
  inBatch,
  inPolicyRecord,
  inStateRecord,
  ip,
  ipv4Packet,
  L,
  makeTable,
  outBatch,
  packetOf,
  policyRecord,
  R,
  reasonOf,
  stateRecord,
  templateRecord,
  type TestTable,
} from "./xfrm/xfrm_fixture.ts";
import { IPPROTO_AH, type TemplateRecord, XfrmModeNumber, type XfrmStateRecord } from "./xfrm/xfrm_record.ts";

const { transport, tunnel } = XfrmModeNumber;
const key = (bytes: number): Uint8Array => Uint8Array.from({ length: bytes }, (_, i) => i + 1);
const GCM = () => ({ aead: { name: "rfc4106(gcm(aes))", key: key(20), icvBits: 128 }, esn: false });
const SHA256 = () => ({ name: "hmac(sha256)", key: key(32), truncBits: 128 });
const CBC = () => ({ enc: { name: "cbc(aes)", key: key(16) }, auth: SHA256(), esn: false });
const AH = () => ({ auth: SHA256(), esn: false });

/** One SA of a bundle and its template. */
interface Step {
  readonly mode: number;
  readonly proto?: number;
  readonly transform: () => XfrmStateRecord["transform"];
  readonly more?: Partial<XfrmStateRecord>;
}
type Transform = Step["transform"];
const esp = (mode: number, transform: Transform = GCM, more: Partial<XfrmStateRecord> = {}): Step => ({
  mode,
  transform,
  more,
});
const ah = (mode: number): Step => ({ mode, proto: IPPROTO_AH, transform: AH });
const udp = { encapType: 2, encapSport: 4500, encapDport: 4500 };

interface Bundle extends TestTable {
  readonly records: XfrmStateRecord[];
}

function bundle(...steps: Step[]): Bundle {
  const t = makeTable(nobleBackend());
  const records = steps.map(({ mode, proto, transform, more }, k) =>
    stateRecord({
      number: k + 1,
      spi: 0x2001 + k,
      reqid: k + 1,
      mode,
      ...(proto && { proto }),
      transform: transform(),
      ...more,
    })
  );
  for (const record of records) assert.equal(t.table.addState(record), null);
  const templates = steps.map(({ mode, proto }, k): TemplateRecord =>
    templateRecord({ mode, reqid: k + 1, ...(proto && { proto }) })
  );
  t.table.addPolicy(policyRecord({ templates }));
  return { ...t, records };
}

function send(t: TestTable, packet: Uint8Array): Uint8Array {
  const batch = outBatch(packet);
  t.table.transmit(batch);
  assert.equal(reasonOf(batch), "None");
  return packetOf(batch, 0);
}

/** Steps; protocol and length for an inner packet of 228 bytes; longest inner packet; bytes that each SA counts. */
// deno-fmt-ignore
const ROWS: readonly (readonly [string, Step[], number, number, number, number[]])[] = [
  ["ESP in ESP",               [esp(tunnel), esp(tunnel, CBC)],     50, 348, 1382, [228, 284]],
  ["ESP, AH in transport",     [esp(tunnel), ah(transport)],        51, 316, 1414, [228, 264]],
  ["ESP, AH in tunnel",        [esp(tunnel), ah(tunnel)],           51, 336, 1394, [228, 284]],
  ["AH, ESP in transport",     [ah(tunnel), esp(transport)],        50, 316, 1414, [228, 260]],
  ["ESP in UDP, AH over it",   [esp(tunnel, GCM, udp), ah(transport)], 51, 324, 1406, [228, 272]],
];

Deno.test("transmit() applies the SAs of a bundle in the order of the templates", () => {
  for (const [name, steps, protocol, length, mtu, bytes] of ROWS) {
    const t = bundle(...steps);
    const packet = send(t, ipv4Packet(228));
    assert.deepEqual([packet[9], packet.length], [protocol, length], name);
    assert.equal(new DataView(packet.buffer).getUint16(2), length, name);
    assert.deepEqual(t.records.map(({ cells }) => viewXfrmCells(cells).f64[CELL_BYTES]), bytes, name);
    assert.ok(send(bundle(...steps), ipv4Packet(mtu)).length <= 1500, name);
    const batch = outBatch(ipv4Packet(mtu + 1));
    bundle(...steps).table.transmit(batch);
    assert.deepEqual([reasonOf(batch), batch.i32[INFO]], ["OutTooBig", mtu], name);
  }
});

Deno.test("transmit() and receive() of ESP in ESP, one SA a pass", () => {
  const inner = ipv4Packet(228, { tos: 0xb9 });
  let packet = send(bundle(esp(tunnel), esp(tunnel, CBC)), inner);
  for (const [k, transform] of [[1, CBC], [0, GCM]] as const) {
    const t = makeTable(nobleBackend());
    const ends = { saddr: [L, 0, 0, 0], daddr: [R, 0, 0, 0] } as const;
    t.table.addState(inStateRecord({ ...ends, spi: 0x2001 + k, transform: transform() }));
    t.table.addPolicy(inPolicyRecord({ templates: [templateRecord()] }));
    const batch = inBatch(packet);
    t.table.receive(batch);
    assert.equal(reasonOf(batch), "None");
    packet = packetOf(batch, 0);
    if (k === 1) assert.deepEqual([packet[1], packet[9], packet.length], [0xb9, 50, 284]);
  }
  assert.deepEqual(packet, inner);
});

Deno.test("transmit() signs with the header that goes out, its identification too", () => {
  const t = bundle(esp(tunnel), ah(transport));
  const packet = send(t, ipv4Packet(100, { df: false }));
  const view = new DataView(packet.buffer);
  assert.notEqual(view.getUint16(4), 0);
  assert.equal(packet[20], 50);
  const made = nobleBackend().createAuth({ auth: SHA256(), esn: false });
  assert.ok(!("errno" in made));
  const zeroed = packet.slice();
  for (const at of [1, 6, 7, 8, 10, 11]) zeroed[at] = 0;
  const slab = outBatch(zeroed);
  assert.ok(made.verify(slab, slab.i32[OFFSET], zeroed.length, slab.i32[OFFSET] + 32, 0));
});

Deno.test("transmit() of ESP in UDP inside another SA leaves no port for the socket to send by", () => {
  const batch = outBatch(ipv4Packet(100));
  bundle(esp(tunnel, GCM, udp), esp(tunnel, CBC)).table.transmit(batch);
  assert.deepEqual([reasonOf(batch), batch.i32[UDP_PORTS], packetOf(batch, 0)[9]], ["None", 0, 50]);
  const last = outBatch(ipv4Packet(100));
  bundle(esp(tunnel), esp(tunnel, CBC, udp)).table.transmit(last);
  assert.deepEqual([last.i32[UDP_PORTS], packetOf(last, 0)[9]], [(4500 << 16) | 4500, 17]);
});

Deno.test("transmit() finds room for five SAs, and refuses what has none", () => {
  const five = () => {
    const t = bundle(...[0, 1, 2, 3, 4].map(() => esp(tunnel, CBC)));
    t.routes.result.mtu = 9000;
    return t;
  };
  for (let length = 40; length < 1300; length += 97) {
    const t = five();
    const batch = outBatch(ipv4Packet(length), ipv4Packet(1400));
    // One that has a reason is left alone; nothing may run into it.
    batch.i32[REASON + 1] = 5;
    const behind = packetOf(batch, 1);
    t.table.transmit(batch);
    assert.equal(reasonOf(batch), "None");
    assert.deepEqual(packetOf(batch, 1), behind);
  }
  // A slot holds 1856 bytes and what one SA adds; five need more.
  const t = five();
  const batch = outBatch(ipv4Packet(1850));
  batch.i32[DEVICE_MTU] = 9000;
  t.table.transmit(batch);
  assert.deepEqual([reasonOf(batch), t.mib()], ["OutError", { XfrmOutError: 1 }]);
});

Deno.test("transmit() takes the MTU of every route of a bundle", () => {
  const t = bundle(esp(tunnel), esp(tunnel, CBC, { daddr: [ip("198.51.100.1"), 0, 0, 0] }));
  const templates = [
    templateRecord({ reqid: 1 }),
    templateRecord({ reqid: 2, daddr: [ip("198.51.100.1"), 0, 0, 0] }),
  ];
  t.table.addPolicy(policyRecord({ templates }));
  const lookup = t.routes.lookup.bind(t.routes);
  t.routes.lookup = (dst, src, tos, mark) => {
    const route = lookup(dst, src, tos, mark);
    return { ...route, mtu: dst === (R | 0) ? 1300 : 9000, oif: dst === (R | 0) ? 2 : 3 };
  };
  const batch = outBatch(ipv4Packet(1400));
  t.table.transmit(batch);
  // What ESP makes of the packet goes by the first route before the second SA takes it: 1300 - 36 - 16 - 2.
  assert.deepEqual([reasonOf(batch), batch.i32[INFO]], ["OutTooBig", 1246]);
});

Deno.test("transmit() refuses a bundle whose first SA is no tunnel, and BEET behind it", () => {
  const ends = { saddr: [ip("10.9.0.2"), 0, 0, 0], daddr: [ip("10.9.0.1"), 0, 0, 0] } as const;
  const first = outBatch(ipv4Packet(100));
  bundle(esp(transport, GCM, ends), esp(tunnel, CBC)).table.transmit(first);
  assert.equal(reasonOf(first), "OutStateCheck");
  const beet = outBatch(ipv4Packet(100));
  bundle(esp(tunnel), esp(XfrmModeNumber.beet, CBC)).table.transmit(beet);
  assert.equal(reasonOf(beet), "OutStateCheck");
});

Deno.test("transmit() pads with TFC inside a bundle without running out of the slot", () => {
  const t = bundle(esp(tunnel, CBC, { tfcpad: 4000 }), esp(tunnel, CBC), esp(tunnel, CBC));
  t.routes.result.mtu = 9000;
  const batch = outBatch(ipv4Packet(100), ipv4Packet(100));
  t.table.transmit(batch);
  assert.equal(reasonOf(batch), "None");
  assert.ok(packetOf(batch, 0).length > 1700);
  assert.ok(batch.i32[OFFSET] + packetOf(batch, 0).length <= batch.i32[OFFSET + 1]);
});
