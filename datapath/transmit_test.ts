/** The way out, against what Linux 6.1 was seen to send and count. */
import assert from "node:assert/strict";
import {
  INNER_LENGTH,
  LENGTH,
  OFFSET,
  OUTER_DF,
  OUTER_DST,
  OUTER_SRC,
  OUTER_TOS,
  PATH_MTU,
  SA,
  UDP_PORTS,
} from "./batch.ts";
import { CELL_BYTES, CELL_OSEQ, CELL_PACKETS, viewXfrmCells } from "./xfrm/xfrm_cells.ts";
import { fakeBackend } from "./xfrm/transform_fixture.ts";
import {
  anySelector,
  ipv4Packet,
  ipv6Packet,
  L,
  makeTable,
  outBatch,
  policyRecord,
  R,
  SPI_OUT,
  stateRecord,
} from "./xfrm/xfrm_fixture.ts";
import { AF_UNSPEC, XfrmExtraFlagBit, XfrmStateFlagBit, type XfrmStateRecord } from "./xfrm/xfrm_record.ts";
import { send, tableWith } from "./transmit_fixture.ts";

function checksumFits(view: DataView): boolean {
  let s = 0;
  for (let i = 0; i < 20; i += 2) s += view.getUint16(i);
  return (s & 0xffff) + (s >>> 16) === 0xffff;
}

Deno.test("transmit() builds the outer packet of a ping", () => {
  const { bytes, view, batch } = send(tableWith(), ipv4Packet(84, { tos: 0xb8 }));
  assert.equal(bytes.length, 140);
  assert.deepEqual([bytes[0], bytes[1], view.getUint16(2)], [0x45, 0xb8, 140]);
  assert.deepEqual([view.getUint16(4), view.getUint16(6)], [0, 0x4000]);
  assert.deepEqual([bytes[8], bytes[9]], [64, 50]);
  assert.ok(checksumFits(view));
  assert.deepEqual([view.getUint32(12), view.getUint32(16)], [L, R]);
  assert.deepEqual([view.getUint32(20), view.getUint32(24)], [SPI_OUT, 1]);
  const i32 = batch.i32;
  assert.deepEqual([i32[LENGTH], i32[INNER_LENGTH], i32[PATH_MTU], i32[SA]], [140, 84, 1500, 1]);
  assert.deepEqual([i32[OUTER_SRC] >>> 0, i32[OUTER_DST] >>> 0, i32[OUTER_TOS], i32[OUTER_DF]], [
    L,
    R,
    0xb8,
    1,
  ]);
  assert.equal(i32[UDP_PORTS], 0);
});

/** Outer lengths for inner lengths 28 to 63 as 6.1 sends them, by IV, ICV and block. */
// deno-fmt-ignore
const SIZES: readonly (readonly [name: string, iv: number, icv: number, block: number, outer: string])[] = [
  ["gcm", 8, 16, 4, "84 84 84 88 88 88 88 92 92 92 92 96 96 96 96 100 100 100 100 104 104 104 104 108 108 108 108 112 112 112 112 116"],
  ["cbc256", 16, 16, 16, "92 92 92 108 108 108 108 108 108 108 108 108 108 108 108 108 108 108 108 124 124 124 124 124 124 124 124 124 124 124 124 124 124 124 124 140"],
  ["cbc1", 16, 12, 16, "88 88 88 104 104 104 104 104 104 104 104 104 104 104 104 104 104 104 104 120 120 120 120 120 120 120 120 120 120 120 120 120 120 120 120 136"],
  ["null256", 0, 16, 4, "76 76 76 80 80 80 80 84 84 84 84 88 88 88 88 92 92 92 92 96 96 96 96 100 100 100 100 104 104 104 104 108 108 108 108 112"],
  ["3des", 8, 12, 8, "80 80 80 88 88 88 88 88 88 88 88 96 96 96 96 96 96 96 96 104 104 104 104 104 104 104 104 112 112 112 112 112 112 112 112 120"],
];

Deno.test("transmit() pads to the lengths that 6.1 sends", () => {
  for (const [name, iv, icv, block, list] of SIZES) {
    const t = tableWith({}, fakeBackend(iv, icv, block));
    list.split(" ").forEach((outer, i) => {
      assert.equal(send(t, ipv4Packet(28 + i)).bytes.length, Number(outer), `${name} ${28 + i}`);
    });
  }
});

Deno.test("transmit() writes padding 1, 2, 3, pad length and next header", () => {
  const t = tableWith({}, fakeBackend(16, 16, 16, false));
  const { bytes } = send(t, ipv4Packet(101));
  assert.deepEqual([...bytes.slice(20 + 8 + 16 + 101, -16)], [1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 4]);
  const six = send(tableWith({ sel: anySelector(AF_UNSPEC) }, fakeBackend(8, 16, 4, false)), ipv6Packet(104));
  assert.equal(six.bytes.length, 160);
  assert.deepEqual([...six.bytes.slice(-20, -16)], [1, 2, 2, 41]);
});

/** TOS of the inner packet; of the outer one; with noecn; with dont-encap-dscp. */
const TOS: readonly (readonly [number, number, number, number])[] = [
  [0x00, 0x00, 0x00, 0x00],
  [0x01, 0x01, 0x00, 0x01],
  [0x02, 0x02, 0x00, 0x02],
  [0x03, 0x02, 0x00, 0x02],
  [0xb8, 0xb8, 0xb8, 0x00],
  [0xb9, 0xb9, 0xb8, 0x01],
  [0xbb, 0xba, 0xb8, 0x02],
  [0xff, 0xfe, 0xfc, 0x02],
];

Deno.test("transmit() copies DSCP and ECN as the SA's flags say, for both families", () => {
  const outer = (change: Partial<XfrmStateRecord>, packet: Uint8Array) =>
    send(tableWith(change), packet).bytes[1];
  const noecn = { flags: XfrmStateFlagBit.noecn };
  const noDscp = { extraFlags: XfrmExtraFlagBit["dont-encap-dscp"] };
  const both = { sel: anySelector(AF_UNSPEC) };
  for (const [tos, plain, withNoecn, withNoDscp] of TOS) {
    assert.equal(outer({}, ipv4Packet(84, { tos })), plain);
    assert.equal(outer(noecn, ipv4Packet(84, { tos })), withNoecn);
    assert.equal(outer(noDscp, ipv4Packet(84, { tos })), withNoDscp);
    assert.equal(outer(both, ipv6Packet(84, { tc: tos })), plain);
  }
});

Deno.test("transmit() copies DF, and numbers packets that may be fragmented", () => {
  const t = tableWith();
  const df = send(t, ipv4Packet(84)).view;
  assert.deepEqual([df.getUint16(4), df.getUint16(6)], [0, 0x4000]);
  const first = send(t, ipv4Packet(84, { df: false }));
  const second = send(t, ipv4Packet(84, { df: false }));
  assert.deepEqual([first.view.getUint16(6), first.batch.i32[OUTER_DF]], [0, 0]);
  const [a, b] = [first.view.getUint16(4), second.view.getUint16(4)];
  assert.equal(b, a === 65535 ? 1 : a + 1);
  const nopmtudisc = tableWith({ flags: XfrmStateFlagBit.nopmtudisc });
  assert.equal(send(nopmtudisc, ipv4Packet(84)).view.getUint16(6), 0);
  const six = tableWith({ sel: anySelector(AF_UNSPEC) });
  assert.equal(send(six, ipv6Packet(84)).view.getUint16(6), 0x4000);
});

Deno.test("transmit() gives the outer packet the TTL of its route, else the default", () => {
  const t = tableWith();
  const ttl = () => {
    t.table.routesChanged();
    return send(t, ipv4Packet(84)).view.getUint8(8);
  };
  assert.equal(ttl(), 64);
  t.table.defaultTtl = 77;
  assert.equal(ttl(), 77);
  t.routes.result.hopLimit = 99;
  assert.equal(ttl(), 99);
});

Deno.test("transmit() wraps into UDP, checksum 0, and into the non-IKE draft's eight zeros", () => {
  const ports = { encapSport: 4500, encapDport: 4501 };
  const { bytes, view, batch } = send(tableWith({ encapType: 2, ...ports }), ipv4Packet(84));
  assert.deepEqual([bytes.length, bytes[9]], [148, 17]);
  assert.deepEqual([20, 22, 24, 26].map((at) => view.getUint16(at)), [4500, 4501, 128, 0]);
  assert.deepEqual([view.getUint32(28), view.getUint32(32)], [SPI_OUT, 1]);
  assert.equal(batch.i32[UDP_PORTS], (4500 << 16) | 4501);
  const nonike = send(tableWith({ encapType: 1, ...ports }), ipv4Packet(84));
  assert.deepEqual([28, 32, 36, 40].map((at) => nonike.view.getUint32(at)), [0, 0, SPI_OUT, 1]);
  assert.deepEqual([nonike.bytes.length, nonike.view.getUint16(24)], [156, 136]);
});

Deno.test("transmit() counts inner bytes and packets, and numbers from 1", () => {
  const record = stateRecord();
  const t = makeTable();
  t.table.addState(record);
  t.table.addPolicy(policyRecord());
  for (let n = 1; n <= 3; n++) assert.equal(send(t, ipv4Packet(84)).view.getUint32(24), n);
  const { f64 } = viewXfrmCells(record.cells);
  assert.deepEqual([f64[CELL_BYTES], f64[CELL_PACKETS], f64[CELL_OSEQ]], [252, 3, 3]);
});

Deno.test("transmit() pads with TFC zeros up to tfcpad, the path's MTU and the slot", () => {
  const clear = fakeBackend(8, 16, 4, false);
  const { bytes } = send(tableWith({ tfcpad: 500 }, clear), ipv4Packet(84));
  assert.equal(bytes.length, 20 + 8 + 8 + 504 + 16);
  assert.ok(bytes.slice(36 + 84, 36 + 500).every((b) => b === 0));
  assert.deepEqual([...bytes.slice(-20, -16)], [1, 2, 2, 4]);
  assert.equal(send(tableWith({ tfcpad: 9000 }, clear), ipv4Packet(84)).bytes.length, 1500);
  const jumbo = tableWith({ tfcpad: 9000 }, clear);
  jumbo.routes.result.mtu = 9000;
  const batch = outBatch(ipv4Packet(84), ipv4Packet(85));
  jumbo.table.transmit(batch);
  const [first, second] = [0, 1].map((i) => batch.i32[OFFSET + i]);
  assert.ok(first + batch.i32[LENGTH] <= second);
});

Deno.test("hasSent() knows an ESP header that went out lately from one that was made up", () => {
  const t = tableWith();
  for (let n = 0; n < 5; n++) send(t, ipv4Packet(84));
  assert.equal(t.table.hasSent(7, R, SPI_OUT, 5), true);
  assert.equal(t.table.hasSent(7, R, SPI_OUT, 1), true);
  assert.equal(t.table.hasSent(7, R, SPI_OUT, 6), false);
  assert.equal(t.table.hasSent(7, R, SPI_OUT, 0x80000000), false);
  assert.equal(t.table.hasSent(7, R, SPI_OUT, 0xffffffff), false);
  assert.equal(t.table.hasSent(7, R, SPI_OUT, 0), false);
  assert.equal(t.table.hasSent(7, R, SPI_OUT, 5, 51), false);
  assert.equal(t.table.hasSent(7, R, SPI_OUT + 1, 5), false);
  assert.equal(t.table.hasSent(8, R, SPI_OUT, 5), false);
  assert.equal(t.table.hasSent(7, L, SPI_OUT, 5), false);
});
