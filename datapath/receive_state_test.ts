/** The way in, stages 3 and 4: whose SA it is, whether it is valid, encapsulation, limits, mode. */
import assert from "node:assert/strict";
import { DROP_ROWS, DropReason } from "./drop_reason.ts";
import { EXACT, fate, gateway, Sender } from "./receive_fixture.ts";
import { CELL_EXPIRY, CELL_FAILED, CELL_PACKETS, CELL_USE_TIME } from "./xfrm/xfrm_cells.ts";
import { inStateRecord, ip, ipv4Packet, L, makeTable, R, SPI_IN, stateRecord } from "./xfrm/xfrm_fixture.ts";
import { XfrmModeNumber } from "./xfrm/xfrm_record.ts";

Deno.test("receive() finds no SA for another mark, SPI, destination or protocol", () => {
  const packet = new Sender().send();
  const none = ["InNoStates", { XfrmInNoStates: 1 }];
  assert.deepEqual(fate(gateway({ mark: { value: 8, mask: EXACT } }), packet), none);
  assert.deepEqual(fate(gateway({ spi: SPI_IN + 1 }), packet), none);
  assert.deepEqual(fate(gateway({ daddr: [L + 1, 0, 0, 0] }), packet), none);
  const ah = packet.slice();
  ah[9] = 51;
  assert.deepEqual(fate(gateway(), ah), none);
  ah[9] = 108;
  assert.deepEqual(fate(gateway(), ah), none);
  assert.equal(fate(gateway({ mark: { value: 0, mask: 0 } }), packet)[0], "None");
});

Deno.test("receive() refuses bare IPIP, counted like the kernel", () => {
  const bare = ipv4Packet(84, { proto: 4, src: "192.0.2.1", dst: "192.0.2.2" });
  assert.deepEqual(fate(gateway(), bare), ["InBareIpip", { XfrmInNoStates: 1 }]);
  assert.equal(DROP_ROWS[DropReason.InBareIpip].netdev, "rx");
});

Deno.test("receive() refuses packets too short for SPI and sequence number", () => {
  for (const [proto, length] of [[50, 7], [51, 11], [108, 3]]) {
    const packet = ipv4Packet(20 + length, { proto, src: "192.0.2.1", dst: "192.0.2.2" });
    assert.deepEqual(fate(gateway(), packet), ["InHdrError", { XfrmInHdrError: 1 }]);
  }
});

Deno.test("receive() wants encapsulated packets by an SA for such, bare ones by one without", () => {
  const encap = { encapType: 2, encapSport: 4500, encapDport: 4500 };
  const mismatch = ["InStateMismatch", { XfrmInStateMismatch: 1 }];
  assert.deepEqual(fate(gateway(encap), new Sender().send()), mismatch);
  assert.deepEqual(fate(gateway(), new Sender(encap).send()), mismatch);
  const other = new Sender({ ...encap, encapSport: 5555 }).send();
  assert.equal(fate(gateway(encap), other)[0], "None");
  const draft = { ...encap, encapType: 1 };
  assert.deepEqual(fate(gateway(draft), new Sender(encap).send()), mismatch);
});

Deno.test("receive() tells once of each new place that an SA's packets in UDP come from", () => {
  const encap = { encapType: 2, encapSport: 4500, encapDport: 4500 };
  const t = gateway({ ...encap, replayWindow: 0 });
  const told = (packet: Uint8Array) => {
    assert.equal(fate(t, packet)[0], "None");
    const seen: unknown[] = [];
    t.table.drainMapped((number, src, port) => seen.push([number, src, port]));
    return seen;
  };
  const usual = new Sender(encap).send();
  const moved = new Sender({ ...encap, encapSport: 5555 }).send();
  const elsewhere = moved.slice();
  elsewhere[15] = 77;
  assert.deepEqual(told(usual), []);
  assert.deepEqual(told(moved), [[2, R, 5555]]);
  assert.deepEqual(told(moved), []);
  assert.deepEqual(told(elsewhere), [[2, ip("192.0.2.77"), 5555]]);
  assert.deepEqual(told(usual), [[2, R, 4500]]);
  // A forged packet moves nothing.
  const forged = moved.slice();
  forged[40] ^= 1;
  assert.equal(fate(t, forged)[0], "InStateProtoError");
  t.table.drainMapped(() => assert.fail("told of a forged packet"));
});

Deno.test("receive() at a hard limit: expired, then invalid until the SA is removed, then none", () => {
  const t = gateway({ lifetime: { ...stateRecord().lifetime, hardPackets: 1 } });
  const sender = new Sender();
  const packets = [sender.send(), sender.send(), sender.send()];
  assert.deepEqual(fate(t, ...packets), [
    "None",
    "InStateExpired",
    "InStateInvalid",
    { XfrmInStateExpired: 1, XfrmInStateInvalid: 1 },
  ]);
  const told: unknown[] = [];
  t.table.drainExpired((number, hard) => told.push([number, hard]));
  assert.deepEqual(told, [[2, true]]);
  t.table.delState(2);
  assert.equal(fate(t, sender.send())[0], "InNoStates");
  const bytes = gateway({ lifetime: { ...stateRecord().lifetime, hardBytes: 100 } });
  assert.deepEqual(fate(bytes, ...packets), ["None", "None", "InStateExpired", { XfrmInStateExpired: 1 }]);
});

Deno.test("receive() keeps an SA expired over a restart", () => {
  const t = gateway();
  t.f64[CELL_EXPIRY] = 2;
  const again = makeTable();
  again.table.addState(inStateRecord({ cells: t.f64.buffer as SharedArrayBuffer }));
  assert.equal(fate(again, new Sender().send())[0], "InStateInvalid");
});

Deno.test("receive() takes no transport mode, decided after the limits and before the ICV", () => {
  const t = gateway({ mode: XfrmModeNumber.transport });
  const packet = new Sender().send();
  packet[30] ^= 1;
  assert.deepEqual(fate(t, packet), ["InStateModeError", { XfrmInStateModeError: 1 }]);
  assert.ok(t.f64[CELL_USE_TIME] > 0);
  assert.deepEqual([t.f64[CELL_PACKETS], t.f64[CELL_FAILED]], [0, 0]);
});
