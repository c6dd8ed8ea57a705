/** IPComp both ways, against what Linux 6.1 was seen to send and count. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { BATCH_PACKETS, DATA, INNER_LENGTH, LENGTH, NEXT_SLOT, OFFSET, SLOT_BYTES } from "../batch.ts";
import { CELL_BYTES, CELL_FAILED, CELL_OSEQ, CELL_PACKETS, viewXfrmCells } from "../xfrm/xfrm_cells.ts";
import {
  anySelector,
  FROM_R,
  inBatch,
  inPolicyRecord,
  inStateRecord,
  ipv4Packet,
  ipv6Packet,
  makeTable,
  packetOf,
  peerBatch,
  policyRecord,
  R,
  reasonOf,
  receive,
  stateRecord,
  templateRecord,
  type TestTable,
} from "../xfrm/xfrm_fixture.ts";
import {
  AF_INET6,
  AF_UNSPEC,
  IPPROTO_COMP,
  IPPROTO_IPIP,
  type XfrmStateRecord,
} from "../xfrm/xfrm_record.ts";

const CPI = 0x1001;
const comp = { proto: IPPROTO_COMP, spi: CPI, sel: anySelector(AF_UNSPEC), transform: { esn: false } };
const companion = { ...comp, number: 3, proto: IPPROTO_IPIP, spi: R, replayWindow: 0 };

/** Sender R towards L. */
function sender() {
  const t = makeTable();
  const record = stateRecord({ ...comp, ...FROM_R });
  t.table.addState(record);
  const templates = [templateRecord({ ...FROM_R, proto: IPPROTO_COMP })];
  t.table.addPolicy(policyRecord({ templates }));
  t.table.addPolicy(policyRecord({ index: 17, family: AF_INET6, templates }));
  return { ...t, ...viewXfrmCells(record.cells) };
}

/** Receiver L; `optional`: its policy is content with what did not get shorter. */
function receiver(change: Partial<XfrmStateRecord> = {}, optional = true, withCompanion = true) {
  const t = makeTable();
  const record = inStateRecord({ ...comp, replayWindow: 0, ...change });
  t.table.addState(record);
  const twin = inStateRecord(companion);
  if (withCompanion) t.table.addState(twin);
  const templates = [templateRecord({ ...FROM_R, proto: IPPROTO_COMP, optional })];
  t.table.addPolicy(inPolicyRecord({ templates }));
  t.table.addPolicy(inPolicyRecord({ index: 16, family: AF_INET6, templates }));
  return { ...t, ...viewXfrmCells(record.cells), companion: viewXfrmCells(twin.cells).f64 };
}

function send(t: TestTable, packet: Uint8Array): Uint8Array {
  const batch = peerBatch(packet);
  t.table.transmit(batch);
  assert.equal(reasonOf(batch), "None");
  return packetOf(batch, 0);
}

/** An IPv4 packet whose payload is all zero. */
function plain(length: number): Uint8Array {
  return ipv4Packet(length).fill(0, 20);
}

/** An outer packet with an IPComp payload in the fixture's code: pairs of byte and repetitions. */
function packed(...pairs: number[]): Uint8Array {
  const packet = ipv4Packet(24 + pairs.length, { proto: 108, src: "192.0.2.1", dst: "192.0.2.2" });
  packet.set([4, 0, CPI >> 8, CPI & 255, ...pairs], 20);
  return packet;
}

Deno.test("IPComp compresses from 90 bytes on, and only what gets shorter", () => {
  const t = sender();
  const [short, long] = [send(t, plain(89)), send(t, plain(90))];
  assert.deepEqual([short[9], short.length], [4, 109]);
  assert.deepEqual(short.subarray(20), plain(89));
  assert.deepEqual([long[9], ...long.subarray(20, 24)], [108, 4, 0, 0x10, 0x01]);
  assert.ok(long.length < 90);
  // A payload that counts up has no runs.
  const same = send(t, ipv4Packet(400));
  assert.deepEqual([same[9], same.length], [4, 420]);
  assert.deepEqual(same.subarray(20), ipv4Packet(400));
  assert.deepEqual([send(t, ipv6Packet(400))[9], send(t, ipv6Packet(200).fill(0, 40))[20]], [41, 41]);
  // Counted is what came, compressed or not; no numbers are taken.
  assert.deepEqual([t.f64[CELL_BYTES], t.f64[CELL_PACKETS], t.f64[CELL_OSEQ]], [
    89 + 90 + 400 + 400 + 200,
    5,
    0,
  ]);
});

Deno.test("IPComp reports what is too long with the kernel's MTU, 1480, compressible or not", () => {
  const t = sender();
  assert.equal(send(t, ipv4Packet(1480)).length, 1500);
  const batch = peerBatch(plain(1481));
  t.table.transmit(batch);
  assert.equal(reasonOf(batch), "OutTooBig");
});

Deno.test("IPComp gives back what was sent, compressed or not, of either family", () => {
  const property = fc.property(
    fc.boolean(),
    fc.boolean(),
    fc.integer({ min: 40, max: 1480 }),
    (six, zero, length) => {
      const inner = six ? ipv6Packet(length) : ipv4Packet(length);
      if (zero) inner.fill(0, 40);
      const t = receiver();
      const batch = receive(t, send(sender(), inner));
      assert.equal(reasonOf(batch), "None");
      assert.deepEqual(packetOf(batch, 0), inner);
      assert.equal(batch.i32[INNER_LENGTH], length);
      assert.equal(t.f64[CELL_BYTES] + t.companion[CELL_BYTES], length);
    },
  );
  fc.assert(property);
});

Deno.test("IPComp takes no congestion mark and no DSCP in, its companion does", () => {
  for (const inner of [plain(200), ipv4Packet(68)]) {
    inner[1] = 0x01;
    const outer = send(sender(), inner);
    const isCompressed = outer[9] === IPPROTO_COMP;
    outer[1] = 0x03;
    const tos = packetOf(receive(receiver(), outer), 0)[1];
    assert.equal(tos, isCompressed ? 0x01 : 0x03);
    assert.equal(isCompressed, inner.length === 200);
  }
});

Deno.test("bare IP in IP needs a companion, and a policy that is content with it", () => {
  const bare = send(sender(), plain(60));
  assert.equal(bare[9], 4);
  const none = receiver({}, true, false);
  assert.deepEqual([reasonOf(receive(none, bare)), none.mib()], ["InBareIpip", { XfrmInNoStates: 1 }]);
  const required = receiver({}, false);
  assert.deepEqual([reasonOf(receive(required, bare)), required.mib()], ["InTmplMismatch", {
    XfrmInTmplMismatch: 1,
  }]);
  assert.equal(required.companion[CELL_PACKETS], 1);
  const content = receiver();
  assert.equal(reasonOf(receive(content, bare)), "None");
  assert.deepEqual([content.companion[CELL_BYTES], content.companion[CELL_PACKETS]], [60, 1]);
  // Compressed packets pass by the same policy, and by one that insists on IPComp.
  assert.equal(reasonOf(receive(content, send(sender(), plain(100)))), "None");
  assert.equal(reasonOf(receive(required, send(sender(), plain(100)))), "None");
  const other = bare.slice();
  other[15] = 99;
  assert.equal(reasonOf(receive(content, other)), "InBareIpip");
});

Deno.test("IPComp refuses what is no stream, or one whose sender gained nothing by it", () => {
  const refused = (...pairs: number[]) => {
    const t = receiver();
    const reason = reasonOf(receive(t, packed(...pairs)));
    assert.deepEqual([t.f64[CELL_FAILED], t.f64[CELL_PACKETS]], [0, 0]);
    assert.deepEqual(t.mib(), { XfrmInStateProtoError: 1 });
    return reason;
  };
  assert.equal(refused(1), "InStateProtoError");
  assert.equal(refused(), "InStateProtoError");
  // 30 bytes of stream for 33.
  assert.equal(refused(...new Array(14).fill([0x45, 0]).flat(), 0, 18), "InStateProtoError");
  const enough = receive(receiver(), packed(...new Array(14).fill([0x45, 0]).flat(), 0, 19));
  assert.deepEqual([reasonOf(enough), enough.i32[LENGTH]], ["None", 34]);
});

Deno.test("IPComp refuses a result of more than 65,400 bytes", () => {
  const bomb = (bytes: number) => {
    const pairs = new Array(Math.floor(bytes / 256)).fill([0x45, 255]).flat();
    return packed(...pairs, ...(bytes % 256 ? [0, bytes % 256 - 1] : []));
  };
  assert.equal(reasonOf(receive(receiver(), bomb(65401))), "InStateProtoError");
  const most = receive(receiver(), bomb(65400));
  assert.deepEqual([reasonOf(most), most.i32[LENGTH]], ["None", 65400]);
});

Deno.test("IPComp puts a long result into free slots, and refuses it when none is left", () => {
  const long = packed(...new Array(20).fill([0x45, 255]).flat());
  const t = receiver();
  const small = packed(0x45, 99);
  const batch = receive(t, small, long, small, long);
  assert.deepEqual([0, 1, 2, 3].map((i) => [reasonOf(batch, i), batch.i32[LENGTH + i]]), [
    ["None", 100],
    ["None", 5120],
    ["None", 100],
    ["None", 5120],
  ]);
  for (const i of [0, 1, 2, 3]) assert.ok(packetOf(batch, i).every((byte) => byte === 0x45));
  assert.equal(batch.i32[NEXT_SLOT], 4 + 3 + 3);
  const slots = [1, 3].map((i) => Math.floor((batch.i32[OFFSET + i] - DATA) / SLOT_BYTES));
  assert.deepEqual(slots, [4, 7]);

  const full = inBatch(...new Array(BATCH_PACKETS - 3).fill(small), long, long);
  t.table.receive(full);
  // One slot is free; three are needed.
  assert.equal(reasonOf(full, BATCH_PACKETS - 3), "InStateProtoError");
  assert.equal(reasonOf(full, 0), "None");
});

Deno.test("IPComp has no sequence numbers, so a replay window refuses everything", () => {
  const t = receiver({ replayWindow: 32 });
  assert.deepEqual([reasonOf(receive(t, send(sender(), plain(100)))), t.mib()], ["InStateSeqError", {
    XfrmInStateSeqError: 1,
  }]);
});

Deno.test("IPComp never throws and never runs out of the slab, whatever arrives", () => {
  const t = receiver();
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 1400 }), { minLength: 1, maxLength: 64 }), (list) => {
      const batch = receive(t, ...list.map((bytes) => packed(...bytes)));
      list.forEach((_, i) => {
        const end = batch.i32[OFFSET + i] + batch.i32[LENGTH + i];
        assert.ok(batch.i32[OFFSET + i] >= DATA && end <= DATA + BATCH_PACKETS * SLOT_BYTES);
      });
    }),
  );
});
