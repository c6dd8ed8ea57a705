/** The way in, stage 5: replay, ICV and the text that is behind it. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { LENGTH, REASON } from "./batch.ts";
import { DROP_ROWS } from "./drop_reason.ts";
import { fate, gateway, sealed, Sender, text } from "./receive_fixture.ts";
import { fakeBackend } from "./xfrm/transform_fixture.ts";
import {
  CELL_FAILED,
  CELL_OSEQ,
  CELL_PACKETS,
  CELL_REPLAY,
  CELL_REPLAY_WINDOW,
  viewXfrmCells,
  WORD_SEQ,
  WORD_SEQ_HI,
} from "./xfrm/xfrm_cells.ts";
import {
  anySelector,
  FROM_R,
  ipv4Packet,
  makeTable,
  packetOf,
  peerBatch,
  policyRecord,
  reasonOf,
  receive,
  SPI_IN,
  stateRecord,
  templateRecord,
} from "./xfrm/xfrm_fixture.ts";
import { AF_UNSPEC } from "./xfrm/xfrm_record.ts";

Deno.test("receive() refuses a replayed packet, an old one and number 0", () => {
  const t = gateway();
  const packet = new Sender().send();
  assert.deepEqual(fate(t, packet, packet), ["None", "InStateSeqError", { XfrmInStateSeqError: 1 }]);
  assert.equal(t.f64[CELL_REPLAY], 1);
  const inner = text(ipv4Packet(68), 1, 2, 2, 4);
  assert.deepEqual(fate(t, sealed(inner, 100), sealed(inner, 2)).slice(0, 2), ["None", "InStateSeqError"]);
  assert.equal(t.f64[CELL_REPLAY_WINDOW], 1);
  assert.equal(fate(t, sealed(inner, 0))[0], "InStateSeqError");
  assert.deepEqual([t.f64[CELL_REPLAY], t.f64[CELL_REPLAY_WINDOW]], [1, 1]);
});

Deno.test("receive() refuses a wrong ICV, counts it on the SA and moves no window", () => {
  for (const at of [20 + 8, 20 + 20, -1]) {
    const t = gateway();
    const packet = new Sender().send();
    packet[at < 0 ? packet.length + at : at] ^= 1;
    assert.deepEqual(fate(t, packet), ["InStateProtoError", { XfrmInStateProtoError: 1 }]);
    assert.deepEqual([t.f64[CELL_FAILED], t.f64[CELL_PACKETS], t.i32[WORD_SEQ]], [1, 0, 0]);
  }
});

Deno.test("receive() authenticates the high half of an extended sequence number", () => {
  const esn = { replayKind: "esn", replayWindow: 64 } as const;
  const record = stateRecord({ ...esn, ...FROM_R, spi: SPI_IN });
  viewXfrmCells(record.cells).f64[CELL_OSEQ] = 0x1_0000_0000 - 3;
  const sender = makeTable();
  sender.table.addState(record);
  sender.table.addPolicy(policyRecord({ templates: [templateRecord(FROM_R)] }));
  const t = gateway(esn);
  t.i32[WORD_SEQ] = 0xfffffff0;
  for (let n = 0; n < 6; n++) {
    const out = peerBatch(ipv4Packet(68));
    sender.table.transmit(out);
    const packet = packetOf(out, 0);
    assert.deepEqual(fate(t, packet, packet).slice(0, 2), ["None", "InStateSeqError"], `packet ${n}`);
  }
  assert.deepEqual([t.i32[WORD_SEQ], t.i32[WORD_SEQ_HI]], [3, 1]);
});

Deno.test("receive() refuses an ESP packet with nothing between IV and ICV, or a bad trailer", () => {
  const short = sealed(new Uint8Array(0)).slice(0, 40);
  const cases: [string, Uint8Array][] = [
    ["20 bytes of ESP", short],
    ["one byte", sealed(Uint8Array.of(4))],
    ["trailer alone", sealed(Uint8Array.of(0, 4))],
    ["padding and trailer alone", sealed(Uint8Array.of(1, 2, 2, 4))],
    ["pad length beyond the text", sealed(text(ipv4Packet(20), 1, 2, 200, 4))],
    ["a dummy packet", sealed(text(ipv4Packet(68), 1, 2, 2, 59))],
  ];
  for (const [name, packet] of cases) {
    const t = gateway();
    assert.deepEqual(fate(t, packet), ["InStateProtoError", { XfrmInStateProtoError: 1 }], name);
    assert.deepEqual([t.f64[CELL_FAILED], t.i32[WORD_SEQ], t.f64[CELL_PACKETS]], [0, 0, 0], name);
  }
  // Whoever cuts that much has no key for a right ICV, so it is taken for a wrong one.
  const t = gateway();
  assert.deepEqual(fate(t, sealed(new Uint8Array(0))), ["InStateProtoError", { XfrmInStateProtoError: 1 }]);
  assert.equal(t.f64[CELL_FAILED], 1);
});

Deno.test("receive() looks at no padding bytes, and takes text that is no multiple of 4", () => {
  assert.equal(fate(gateway(), sealed(text(ipv4Packet(68), 9, 9, 2, 4)))[0], "None");
  const batch = receive(gateway(), sealed(text(ipv4Packet(69), 0, 4)));
  assert.deepEqual([reasonOf(batch), batch.i32[LENGTH]], ["None", 69]);
});

Deno.test("receive() takes no text of a block cipher that is no multiple of its block", () => {
  const t = gateway({}, undefined, fakeBackend(16, 16, 16));
  const whole = { iv: 16, icv: 16 };
  assert.equal(fate(t, sealed(text(ipv4Packet(46), 0, 4), 1, whole))[0], "None");
  assert.equal(fate(t, sealed(text(ipv4Packet(47), 0, 4), 2, whole))[0], "InStateProtoError");
  assert.equal(t.f64[CELL_FAILED], 1);
});

Deno.test("receive() takes any text that was sealed with the right key, or refuses it by name", () => {
  const t = gateway({ sel: anySelector(AF_UNSPEC), replayWindow: 0 });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.constantFrom(4, 41, 1, 59, 0), (bytes, next) => {
      if (bytes.length > 0) bytes[bytes.length - 1] = next;
      const batch = receive(t, sealed(bytes));
      const reason = batch.i32[REASON];
      if (reason !== 0) assert.ok(reason < DROP_ROWS.length);
      else assert.ok(batch.i32[LENGTH] >= 20 && batch.i32[LENGTH] < bytes.length);
    }),
  );
});
