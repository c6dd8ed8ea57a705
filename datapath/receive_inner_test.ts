/** The way in, stage 6: what the SA may carry, and what is left of the outer header. */
import assert from "node:assert/strict";
import { INNER_LENGTH, LENGTH, OFFSET, OUTER_TOS } from "./batch.ts";
import { fate, gateway, sealed, Sender, text } from "./receive_fixture.ts";
import { CELL_BYTES, CELL_PACKETS, WORD_SEQ } from "./xfrm/xfrm_cells.ts";
import {
  anySelector,
  inBatch,
  inPolicyRecord,
  ip,
  ipv4Packet,
  ipv6Packet,
  packetOf,
  R,
  reasonOf,
  receive,
  templateRecord,
} from "./xfrm/xfrm_fixture.ts";
import { AF_INET, AF_INET6, AF_UNSPEC, XfrmModeNumber, XfrmStateFlagBit } from "./xfrm/xfrm_record.ts";

Deno.test("receive() takes BEET mode: a header of the selector's addresses, and a policy that wants BEET", () => {
  const sel = {
    ...anySelector(AF_INET),
    saddr: [ip("10.9.0.1"), 0, 0, 0],
    daddr: [ip("10.9.0.2"), 0, 0, 0],
  } as const;
  const t = gateway({ mode: XfrmModeNumber.beet, sel });
  const packet = sealed(text(ipv4Packet(68), 1, 2, 2, 1));
  assert.deepEqual(fate(t, packet), ["InTmplMismatch", { XfrmInTmplMismatch: 1 }]);
  assert.equal(t.f64[CELL_BYTES], 68);
  t.table.addPolicy(
    inPolicyRecord({ templates: [templateRecord({ saddr: [R | 0, 0, 0, 0], mode: XfrmModeNumber.beet })] }),
  );
  const batch = receive(t, sealed(text(ipv4Packet(68), 1, 2, 2, 1), 2));
  assert.deepEqual([reasonOf(batch), batch.i32[LENGTH], batch.i32[INNER_LENGTH]], ["None", 88, 88]);
});

Deno.test("receive() refuses what is no IP, when it has been counted", () => {
  const icmp = sealed(text(ipv4Packet(68), 1, 2, 2, 1));
  const short = sealed(text(ipv4Packet(20).slice(0, 8), 1, 2, 2, 4));
  for (const packet of [icmp, short]) {
    const t = gateway();
    assert.deepEqual(fate(t, packet), ["InStateModeError", { XfrmInStateModeError: 1 }]);
    assert.deepEqual([t.f64[CELL_PACKETS], t.i32[WORD_SEQ]], [1, 1]);
  }
  assert.equal(fate(gateway({ sel: anySelector(AF_UNSPEC) }), icmp)[0], "InStateModeError");
});

Deno.test("receive() takes either family through any SA, and asks policies as its selector's family", () => {
  const six = new Sender().send(ipv6Packet(68));
  const four = new Sender().send();
  const only = (family: 2 | 10) => [{ family, sel: anySelector(family) }];
  for (const [family, other] of [[AF_INET, AF_INET6], [AF_INET6, AF_INET]] as const) {
    for (const packet of [four, six]) {
      const state = { sel: anySelector(family) };
      assert.equal(fate(gateway(state, only(family)), packet)[0], "None");
      assert.equal(fate(gateway(state, only(other)), packet)[0], "InNoPols");
    }
  }
  const both = { sel: anySelector(AF_UNSPEC) };
  assert.deepEqual([
    fate(gateway(both, only(AF_INET6)), six)[0],
    fate(gateway(both, only(AF_INET6)), four)[0],
  ], ["None", "InNoPols"]);
});

Deno.test("receive() leaves a damaged inner header to the stack", () => {
  const garbage = new Uint8Array(40);
  const batch = receive(gateway(), sealed(text(garbage, 1, 2, 2, 4)));
  assert.deepEqual([reasonOf(batch), batch.i32[LENGTH]], ["None", 40]);
  const longer = ipv4Packet(28);
  longer[2] = 9;
  assert.equal(fate(gateway(), sealed(text(longer, 1, 2, 2, 4)))[0], "None");
  const padded = receive(gateway(), sealed(text(ipv4Packet(68), ...new Array(30).fill(0), 0, 4)));
  assert.equal(padded.i32[LENGTH], 98);
});

Deno.test("receive() leaves no version that differs from the next header, whose policy was asked", () => {
  for (const [packet, nextHeader] of [[ipv4Packet(68), 41], [ipv6Packet(68), 4]] as const) {
    const t = gateway({ sel: anySelector(AF_UNSPEC) });
    const batch = receive(t, sealed(text(packet, 1, 2, 2, nextHeader)));
    assert.deepEqual([reasonOf(batch), batch.u8[batch.i32[OFFSET]]! >> 4], ["None", 0]);
  }
});

/** Inner TOS, outer TOS, what comes out: plain, with decap-dscp, with noecn. */
const TOS: readonly (readonly [number, number, number, number, number])[] = [
  [0x00, 0x00, 0x00, 0x00, 0x00],
  [0x00, 0x03, 0x00, 0x00, 0x00],
  [0x01, 0x02, 0x01, 0x01, 0x01],
  [0x01, 0x03, 0x03, 0x03, 0x01],
  [0x02, 0x03, 0x03, 0x03, 0x02],
  [0x03, 0x00, 0x03, 0x03, 0x03],
  [0x00, 0xb8, 0x00, 0xb8, 0x00],
  [0xb8, 0x28, 0xb8, 0x28, 0xb8],
  [0x01, 0xbb, 0x03, 0xbb, 0x01],
];

Deno.test("receive() carries DSCP and congestion over as the SA's flags say, checksum included", () => {
  const flags = [0, XfrmStateFlagBit["decap-dscp"], XfrmStateFlagBit.noecn];
  for (const [inner, outer, ...expected] of TOS) {
    flags.forEach((flag, k) => {
      for (const packet of [ipv4Packet(68, { tos: inner }), ipv6Packet(68, { tc: inner })]) {
        const t = gateway({ flags: flag, sel: anySelector(AF_UNSPEC) });
        const batch = inBatch(new Sender().send(packet));
        batch.i32[OUTER_TOS] = outer;
        t.table.receive(batch);
        const wanted = packet[0] >> 4 === 4
          ? ipv4Packet(68, { tos: expected[k] })
          : ipv6Packet(68, { tc: expected[k] });
        assert.deepEqual(packetOf(batch, 0), wanted, `inner ${inner} outer ${outer} flag ${flag}`);
      }
    });
  }
});
