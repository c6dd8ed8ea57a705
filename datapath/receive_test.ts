/** The way in from end to end, against what Linux 6.1 was seen to count. The other receive tests go by its stages. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  Batch,
  ENCAP,
  INNER_LENGTH,
  LENGTH,
  OFFSET,
  OUTER_PROTO,
  PACKET_TUNNEL,
  REASON,
  SA,
  SLAB_BYTES,
  UDP_PORTS,
} from "./batch.ts";
import { DROP_ROWS, DropReason } from "./drop_reason.ts";
import { fate, gateway, Sender } from "./receive_fixture.ts";
import { fakeBackend } from "./xfrm/transform_fixture.ts";
import { CELL_BYTES, CELL_PACKETS, CELL_USE_TIME } from "./xfrm/xfrm_cells.ts";
import {
  anySelector,
  appendOuter,
  FROM_R,
  inBatch,
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
  SPI_IN,
  stateRecord,
  templateRecord,
} from "./xfrm/xfrm_fixture.ts";
import { AF_INET, AF_INET6, AF_UNSPEC } from "./xfrm/xfrm_record.ts";

Deno.test("receive() gives back the inner packet", () => {
  const t = gateway();
  const inner = ipv4Packet(68);
  const batch = receive(t, new Sender().send(inner));
  assert.equal(reasonOf(batch), "None");
  assert.deepEqual(packetOf(batch, 0), inner);
  assert.deepEqual([batch.i32[INNER_LENGTH], batch.i32[SA]], [68, 2]);
  assert.deepEqual([t.f64[CELL_BYTES], t.f64[CELL_PACKETS]], [68, 1]);
  assert.ok(t.f64[CELL_USE_TIME] > 0);
  assert.deepEqual(t.mib(), {});
});

Deno.test("receive() gives back any packet of either family that transmit() took, in any size", () => {
  const inner = fc.tuple(
    fc.integer({ min: 40, max: 1400 }),
    fc.boolean(),
    fc.constantFrom(0, 1, 2),
    fc.boolean(),
  );
  fc.assert(fc.property(inner, ([length, six, encapType, cbc]) => {
    const packet = six ? ipv6Packet(length) : ipv4Packet(length);
    const shape = cbc ? [16, 32, 16] as const : [8, 16, 4] as const;
    const encap = { encapType, encapSport: 4500, encapDport: 4500 };
    const peer = makeTable(fakeBackend(...shape));
    const ends = { ...FROM_R, spi: SPI_IN, sel: anySelector(AF_UNSPEC) };
    peer.table.addState(stateRecord({ ...ends, ...encap }));
    peer.table.addPolicy(
      policyRecord({ family: six ? AF_INET6 : AF_INET, templates: [templateRecord(FROM_R)] }),
    );
    const out = peerBatch(packet);
    peer.table.transmit(out);
    assert.equal(out.i32[REASON], 0);
    const t = gateway({ ...encap, sel: anySelector(AF_UNSPEC) }, undefined, fakeBackend(...shape));
    const batch = inBatch(packetOf(out, 0));
    if (encapType === 1) {
      // The non-IKE draft's zeros are the netns actor's to strip.
      batch.i32[OFFSET] += 8;
      batch.i32[LENGTH] -= 8;
      batch.i32[ENCAP] = 1;
    }
    t.table.receive(batch);
    assert.equal(reasonOf(batch), "None");
    assert.deepEqual(packetOf(batch, 0), packet);
  }));
});

Deno.test("receive() judges each SA for itself though the flow is the same", () => {
  const t = gateway();
  t.table.addState(inStateRecord({ number: 3, spi: 0x1111, reqid: 9, saddr: [R + 1, 0, 0, 0] }));
  const good = new Sender();
  const bad = new Sender({ spi: 0x1111 });
  for (let n = 0; n < 3; n++) {
    assert.deepEqual(fate(t, good.send(), bad.send()).slice(0, 2), ["None", "InTmplMismatch"]);
  }
});

Deno.test("receive() leaves packets alone that have a reason: their giver counted them", () => {
  const t = gateway();
  const batch = inBatch(new Sender().send(), new Sender().send());
  batch.i32[REASON] = DropReason.InNoTunnel;
  batch.i32[PACKET_TUNNEL] = 0;
  t.table.receive(batch);
  assert.deepEqual([reasonOf(batch, 0), reasonOf(batch, 1), t.mib()], ["InNoTunnel", "None", {}]);
});

Deno.test("receive() gives every garbage packet a reason, and never throws", () => {
  const t = gateway({ sel: anySelector(AF_UNSPEC), replayWindow: 0 });
  const garbage = fc.record({
    bytes: fc.uint8Array({ maxLength: 200 }),
    proto: fc.constantFrom(50, 50, 50, 51, 108, 4, 17, 0, 255),
    spi: fc.boolean(),
    ports: fc.constantFrom(0, 0, 0, -1),
  });
  fc.assert(fc.property(fc.array(garbage, { minLength: 1, maxLength: 30 }), (list) => {
    const batch = new Batch(new ArrayBuffer(SLAB_BYTES));
    for (const { bytes, proto, spi, ports } of list) {
      const packet = ipv4Packet(20 + bytes.length, { proto: 50, src: "192.0.2.1", dst: "192.0.2.2" });
      packet.set(bytes, 20);
      if (spi && bytes.length >= 4) new DataView(packet.buffer).setUint32(20, SPI_IN);
      const i = appendOuter(batch, packet);
      batch.i32[OUTER_PROTO + i] = proto;
      batch.i32[UDP_PORTS + i] = ports;
    }
    t.table.receive(batch);
    list.forEach((_, i) => assert.ok(batch.i32[REASON + i] > 0 && batch.i32[REASON + i] < DROP_ROWS.length));
  }));
});
