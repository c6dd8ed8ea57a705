import assert from "node:assert/strict";
import { IN_IFINDEX } from "../batch.ts";
import { gateway, Sender } from "../receive_fixture.ts";
import { RTN_LOCAL as TO_HOST, RTN_UNICAST as FORWARDED } from "./route_lookup.ts";
import { inBatch, ipv4Packet, ipv6Packet, KEY, reasonOf } from "./xfrm_fixture.ts";
import { DIR_FWD, DIR_IN } from "./xfrm_policy.ts";
import { AF_INET, AF_INET6, AF_UNSPEC, type XfrmPolicyRecord, type XfrmStateRecord } from "./xfrm_record.ts";
import { anySelector, ip } from "./xfrm_fixture.ts";

const VTI = 10, NOWHERE = 0;
const UNMARKED = { mark: { value: 0, mask: 0 } };
/** Of the hosts behind the tunnel only, so that it does not catch ESP itself. */
const sel = { ...anySelector(AF_INET), saddr: [ip("10.9.0.2"), 0, 0, 0], prefixlenS: 24 } as const;
const BLOCK = { ...UNMARKED, priority: 9, sel, block: true, templates: [] };

function fate(
  more: Partial<XfrmPolicyRecord>[],
  { way = TO_HOST, state = {}, ifindex = VTI, packet = ipv4Packet(68), blocks = [false, false] }: {
    way?: number;
    state?: Partial<XfrmStateRecord>;
    ifindex?: number;
    packet?: Uint8Array;
    blocks?: readonly boolean[];
  } = {},
): string {
  const t = gateway({ sel: anySelector(AF_UNSPEC), ...state }, [{}, { family: AF_INET6 }, ...more]);
  t.routes.way = way;
  t.table.setDefault(blocks[0]!, blocks[1]!);
  const batch = inBatch(new Sender().send(packet));
  batch.i32[IN_IFINDEX] = ifindex;
  t.table.receive(batch);
  return reasonOf(batch);
}

Deno.test("xfrmStackCheck() asks fwd policies about what is forwarded, in policies about what is for this host", () => {
  for (const [dir, way, other] of [[DIR_IN, TO_HOST, FORWARDED], [DIR_FWD, FORWARDED, TO_HOST]] as const) {
    assert.equal(fate([{ ...BLOCK, dir }], { way }), "StackPolBlock");
    assert.equal(fate([{ ...BLOCK, dir }], { way: other }), "None");
    assert.equal(fate([{ ...BLOCK, dir }], { way: NOWHERE }), "None");
    assert.equal(fate([{ ...BLOCK, dir, block: false }], { way }), "None");
  }
  const wants = { ...UNMARKED, dir: DIR_FWD };
  assert.equal(fate([wants], { way: FORWARDED }), "StackTmplMismatch");
  assert.equal(fate([wants], { way: FORWARDED, packet: ipv6Packet(68) }), "None");
  assert.equal(fate([], { way: FORWARDED, blocks: [false, true] }), "StackNoPols");
  assert.equal(fate([], { way: TO_HOST, blocks: [false, true] }), "None");
});

Deno.test("xfrmStackCheck() asks with the output mark of the SA, never with the tunnel's", () => {
  const marked = (value: number) => [{ ...BLOCK, mark: { value, mask: 0xffffffff }, dir: DIR_FWD }];
  const state = { outputMark: { value: 9, mask: 0xffffffff } };
  assert.equal(fate(marked(9), { way: FORWARDED, state }), "StackPolBlock");
  assert.equal(fate(marked(9), { way: FORWARDED }), "None");
  assert.equal(fate(marked(KEY), { way: FORWARDED, state }), "None");
});

Deno.test("xfrmStackCheck() leaves alone what meets other policies: of another namespace, of tunnels", () => {
  assert.equal(fate([{ ...BLOCK, dir: DIR_IN }], { ifindex: 0 }), "None");
  const esp = ipv4Packet(68);
  esp[9] = 50;
  assert.equal(fate([{ ...BLOCK, dir: DIR_IN }], { packet: esp }), "None");
  assert.equal(fate([{ ...BLOCK, dir: DIR_FWD }], { packet: esp, way: FORWARDED }), "StackPolBlock");
});
