/** AH both ways, against what Linux 6.1 was seen to send and count. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { nobleBackend } from "../../ffi/aead_noble.ts";
import { INNER_LENGTH, LENGTH, OFFSET, OUTER_TOS } from "../batch.ts";
import {
  CELL_FAILED,
  CELL_OSEQ,
  CELL_PACKETS,
  CELL_REPLAY,
  viewXfrmCells,
  WORD_SEQ,
} from "../xfrm/xfrm_cells.ts";
import {
  anySelector,
  FROM_R,
  inPolicyRecord,
  inStateRecord,
  ip,
  ipv4Packet,
  ipv6Packet,
  makeTable,
  outBatch,
  packetOf,
  peerBatch,
  policyRecord,
  R,
  reasonOf,
  receive,
  SPI_IN,
  SPI_OUT,
  stateRecord,
  templateRecord,
  type TestTable,
} from "../xfrm/xfrm_fixture.ts";
import {
  AF_INET6,
  AF_UNSPEC,
  IPPROTO_AH,
  XfrmStateFlagBit,
  type XfrmStateRecord,
} from "../xfrm/xfrm_record.ts";

const KEY = Uint8Array.from({ length: 32 }, (_, i) => 0xa0 + i);
const auth = (name = "hmac(sha256)", truncBits = 128, keyBytes = 32) => ({
  auth: { name, key: KEY.slice(0, keyBytes), truncBits },
  esn: false,
});
const ah = { proto: IPPROTO_AH, sel: anySelector(AF_UNSPEC) };

/** Sender R towards L. */
function sender(change: Partial<XfrmStateRecord> = {}): TestTable {
  const t = makeTable(nobleBackend());
  const record = stateRecord({ ...ah, ...FROM_R, spi: SPI_IN, transform: auth(), ...change });
  assert.equal(t.table.addState(record), null);
  const templates = [templateRecord({ ...FROM_R, proto: IPPROTO_AH })];
  t.table.addPolicy(policyRecord({ templates }));
  t.table.addPolicy(policyRecord({ index: 17, family: AF_INET6, templates }));
  return t;
}

/** Receiver L. */
function receiver(change: Partial<XfrmStateRecord> = {}) {
  const t = makeTable(nobleBackend());
  const record = inStateRecord({ ...ah, transform: auth(), ...change });
  assert.equal(t.table.addState(record), null);
  const templates = [templateRecord({ ...FROM_R, proto: IPPROTO_AH })];
  t.table.addPolicy(inPolicyRecord({ templates }));
  t.table.addPolicy(inPolicyRecord({ index: 16, family: AF_INET6, templates }));
  return { ...t, ...viewXfrmCells(record.cells) };
}

function send(t: TestTable, packet: Uint8Array): Uint8Array {
  const batch = peerBatch(packet);
  t.table.transmit(batch);
  assert.equal(reasonOf(batch), "None");
  return packetOf(batch, 0);
}

Deno.test("AH in tunnel mode has the lengths that 6.1 sends", () => {
  const rows: [string, Partial<XfrmStateRecord>, Record<number, number>][] = [
    ["sha256", {}, { 28: 80, 29: 81, 30: 82, 31: 83, 32: 84, 100: 152 }],
    ["sha1", { transform: auth("hmac(sha1)", 96, 20) }, { 28: 72, 29: 73, 30: 74, 100: 144 }],
    ["align4", { flags: XfrmStateFlagBit.align4 }, { 28: 76, 29: 77, 30: 78, 100: 148 }],
  ];
  for (const [name, change, lengths] of rows) {
    const t = sender(change);
    for (const [inner, outer] of Object.entries(lengths)) {
      assert.equal(send(t, ipv4Packet(Number(inner))).length, outer, `${name} ${inner}`);
    }
  }
});

Deno.test("AH in tunnel mode writes the headers of RFC 4302", () => {
  const packet = send(sender(), ipv4Packet(84, { tos: 0xb8 }));
  const view = new DataView(packet.buffer);
  assert.deepEqual([packet[0], packet[1], view.getUint16(2), packet[8], packet[9]], [
    0x45,
    0xb8,
    136,
    64,
    51,
  ]);
  assert.deepEqual([20, 24, 28].map((at) => view.getUint32(at)), [0x04060000, SPI_IN, 1]);
  assert.deepEqual([...packet.subarray(48, 52)], [0, 0, 0, 0]);
  assert.deepEqual(packet.subarray(52), ipv4Packet(84, { tos: 0xb8 }));
  assert.equal(send(sender(), ipv6Packet(84))[20], 41);
});

Deno.test("AH reports what is too long with the kernel's MTU: 1448 for sha256, 1456 for sha1", () => {
  for (const [transform, mtu] of [[auth(), 1448], [auth("hmac(sha1)", 96, 20), 1456]] as const) {
    assert.equal(send(sender({ transform }), ipv4Packet(mtu)).length, 1500);
    const batch = peerBatch(ipv4Packet(mtu + 1));
    sender({ transform }).table.transmit(batch);
    assert.equal(reasonOf(batch), "OutTooBig");
  }
});

Deno.test("AH gives back what was sent, of either family and any length, with every MAC", () => {
  const macs = fc.constantFrom(
    ["hmac(md5)", 96, 16],
    ["hmac(sha1)", 96, 20],
    ["hmac(sha256)", 96, 32],
    ["hmac(sha384)", 192, 32],
    ["hmac(sha512)", 512, 32],
    ["xcbc(aes)", 96, 16],
    ["cmac(aes)", 96, 16],
    ["digest_null", 0, 0],
  ) as fc.Arbitrary<[string, number, number]>;
  const property = fc.property(
    macs,
    fc.boolean(),
    fc.integer({ min: 40, max: 1400 }),
    fc.boolean(),
    fc.boolean(),
    (mac, six, length, align4, esn) => {
      const change = {
        transform: { ...auth(...mac), esn },
        flags: align4 ? XfrmStateFlagBit.align4 : 0,
        ...(esn && { replayKind: "esn", replayWindow: 64 } as const),
      };
      const inner = six ? ipv6Packet(length) : ipv4Packet(length, { df: length % 2 === 0 });
      const batch = receive(receiver(change), send(sender(change), inner));
      assert.equal(reasonOf(batch), "None");
      assert.deepEqual(packetOf(batch, 0), inner);
      assert.equal(batch.i32[INNER_LENGTH], length);
    },
  );
  fc.assert(property, { numRuns: 60 });
});

/** Offsets of the outer packet that a router may change: TOS, fragment word, TTL, checksum. */
const MUTABLE = [1, 6, 7, 8, 10, 11];

Deno.test("AH takes what routers change, and refuses every other flipped bit", () => {
  const packet = send(sender(), ipv4Packet(40));
  for (let at = 0; at < packet.length; at++) {
    // The first byte is the receiver's to parse; the total length cuts the packet; protocol and SPI find the SA.
    if (at === 0 || at === 2 || at === 3 || at === 9 || (at >= 16 && at < 20) || (at >= 24 && at < 28)) {
      continue;
    }
    const changed = packet.slice();
    changed[at] ^= 2;
    const t = receiver();
    const reason = reasonOf(receive(t, changed));
    if (MUTABLE.includes(at)) {
      assert.equal(reason, "None", `byte ${at}`);
    } else {
      assert.equal(reason, "InStateProtoError", `byte ${at}`);
      assert.deepEqual([t.f64[CELL_PACKETS], t.i32[WORD_SEQ]], [0, 0]);
    }
  }
});

Deno.test("AH counts a wrong ICV on the SA, a wrong length only in the MIB", () => {
  const packet = send(sender(), ipv4Packet(40));
  packet[60] ^= 1;
  const t = receiver();
  assert.equal(reasonOf(receive(t, packet)), "InStateProtoError");
  assert.equal(t.f64[CELL_FAILED], 1);
  // Padded to 4, as RFC 4302 has it, for an SA without align4.
  const short = receiver();
  assert.equal(
    reasonOf(receive(short, send(sender({ flags: XfrmStateFlagBit.align4 }), ipv4Packet(40)))),
    "InStateProtoError",
  );
  assert.deepEqual([short.f64[CELL_FAILED], short.mib()], [0, { XfrmInStateProtoError: 1 }]);
});

Deno.test("AH takes a header with room for the whole MAC too", () => {
  // sha256 truncated to 128 bits, in a header as long as for 256.
  const inner = ipv4Packet(40);
  const long = sender({ transform: auth("hmac(sha256)", 256) });
  const packet = send(long, inner);
  assert.equal(packet[21], 10);
  const t = receiver();
  // The ICV differs, as its place is zeroed for 16 bytes only; the length alone is accepted.
  assert.equal(reasonOf(receive(t, packet)), "InStateProtoError");
  assert.equal(t.f64[CELL_FAILED], 1);
});

Deno.test("AH covers IPv4 options but for those that routers change", () => {
  const options = [0x94, 4, 0, 0, 7, 7, 4, 9, 9, 9, 9, 0];
  const plain = send(sender(), ipv4Packet(40));
  const build = (opts: number[], sign: boolean) => {
    const packet = new Uint8Array(plain.length + opts.length);
    packet.set(plain.subarray(0, 20));
    packet.set(opts, 20);
    packet.set(plain.subarray(20), 20 + opts.length);
    packet[0] = 0x40 | (20 + opts.length) >> 2;
    new DataView(packet.buffer).setUint16(2, packet.length);
    if (sign) signAsRfc4302(packet, 20 + opts.length);
    return packet;
  };
  const signed = build(options, true);
  assert.equal(reasonOf(receive(receiver(), signed)), "None");
  const recorded = signed.slice();
  recorded[20 + 8] = 1;
  assert.equal(reasonOf(receive(receiver(), recorded)), "None");
  const alert = signed.slice();
  alert[20 + 3] = 1;
  assert.equal(reasonOf(receive(receiver(), alert)), "InStateProtoError");
  const broken = build([0x94, 60, 0, 0], false);
  const t = receiver();
  assert.equal(reasonOf(receive(t, broken)), "InStateProtoError");
  assert.equal(t.f64[CELL_FAILED], 0);
});

/** The ICV by hand: mutable fields, the record route option and the ICV zero. */
function signAsRfc4302(packet: Uint8Array, at: number): void {
  const copy = packet.slice();
  const view = new DataView(copy.buffer);
  view.setUint8(1, 0);
  view.setUint16(6, 0);
  view.setUint8(8, 0);
  view.setUint16(10, 0);
  copy.fill(0, 24, 31);
  copy.fill(0, at + 12, at + 28);
  const made = nobleBackend().createAuth({ ...auth() });
  assert.ok(!("errno" in made));
  const slab = outBatch(copy);
  const start = slab.i32[OFFSET];
  assert.ok(made.sign(slab, start, copy.length, start + at + 12, 0));
  packet.set(slab.u8.subarray(start + at + 12, start + at + 28), at + 12);
}

Deno.test("AH checks for replays", () => {
  const t = receiver();
  const packet = send(sender(), ipv4Packet(40));
  assert.equal(reasonOf(receive(t, packet)), "None");
  assert.equal(reasonOf(receive(t, packet)), "InStateSeqError");
  assert.equal(t.f64[CELL_REPLAY], 1);
});

Deno.test("AH with ESN authenticates the high half", () => {
  const esn = { replayKind: "esn", replayWindow: 64, transform: { ...auth(), esn: true } } as const;
  const record = stateRecord({ ...ah, ...FROM_R, spi: SPI_OUT });
  const cells = record.cells;
  viewXfrmCells(cells).f64[CELL_OSEQ] = 0x1_0000_0000 - 1;
  const out = sender({ ...esn, cells, transform: { ...auth(), esn: true } });
  const packet = send(out, ipv4Packet(40));
  assert.equal(new DataView(packet.buffer).getUint32(28), 0);
  const behind = receiver({ ...esn, transform: { ...auth(), esn: true } });
  assert.notEqual(reasonOf(receive(behind, packet)), "None");
  const there = receiver({ ...esn, transform: { ...auth(), esn: true } });
  there.i32[WORD_SEQ] = -2;
  assert.equal(reasonOf(receive(there, packet)), "None");
});

Deno.test("AH copies ECN and DSCP from the outer header that came, not from the zeroed one", () => {
  const packet = send(sender(), ipv4Packet(40, { tos: 2 }));
  packet[1] = 3;
  const batch = receive(receiver(), packet);
  assert.equal(batch.i32[OUTER_TOS], 3);
  assert.equal(packetOf(batch, 0)[1], 3);
});

Deno.test("AH never throws, whatever arrives", () => {
  const t = receiver({ replayWindow: 0 });
  const outer = ipv4Packet(20, { proto: 51, src: "192.0.2.1", dst: "192.0.2.2" });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    const packet = Uint8Array.of(...outer, ...bytes);
    const view = new DataView(packet.buffer);
    view.setUint16(2, packet.length);
    if (bytes.length >= 8) view.setUint32(24, SPI_IN);
    const batch = receive(t, packet);
    assert.notEqual(reasonOf(batch), "None");
    assert.ok(batch.i32[LENGTH] >= 0);
  }));
  assert.equal(ip("192.0.2.1"), R);
});
