import assert from "node:assert/strict";
import { added, ANY, BARE, mark, SA, setUpXfrm, SHA1, value } from "../../tests/doubles/xfrm_requests.ts";
import type { XfrmPolicyRequest, XfrmStateRequest } from "../gateway.ts";
import { CELL_EXPIRY, viewXfrmCells } from "../../datapath/xfrm/xfrm_cells.ts";
import { type ControlTunnel, NO_HEADER, parseIpv4 } from "./ip_tunnel.ts";

const KEY = 7;
const TUNNEL: ControlTunnel = {
  actor: 1,
  underlay: 1,
  home: 1,
  isFallback: false,
  ifname: "vti1",
  ifindex: 2,
  parms: {
    local: parseIpv4("192.0.2.1")!,
    remote: parseIpv4("192.0.2.2")!,
    iKey: KEY,
    oKey: KEY,
    link: 0,
    fwmark: 0,
  },
  header: NO_HEADER,
  byIoctl: false,
  pointToPoint: true,
  address: 0,
  broadcast: 0xc0000201,
  permAddress: 0,
  mtu: 1480,
  up: true,
  everUp: true,
  order: 1,
};
const STATE: XfrmStateRequest = { ...SA, ...mark(KEY) };
const TMPL = { src: "192.0.2.1", dst: "192.0.2.2", proto: "esp", mode: "tunnel" } as const;
const POLICY: XfrmPolicyRequest = { sel: ANY, dir: "out", tmpl: [TMPL], ...mark(KEY) };

interface Case {
  readonly states?: readonly XfrmStateRequest[];
  readonly policy?: Partial<XfrmPolicyRequest>;
  readonly tunnel?: Partial<ControlTunnel>;
}

function leads({ states = [STATE], policy = {}, tunnel = {} }: Case): boolean {
  const { user } = setUpXfrm();
  for (const state of states) value(user.newState(state));
  value(user.newPolicy({ ...POLICY, ...policy }));
  return user.waysOut().has({ ...TUNNEL, ...tunnel });
}

const parms = (change: Partial<ControlTunnel["parms"]>) => ({ parms: { ...TUNNEL.parms, ...change } });

Deno.test("WaysOut.has() where a policy and an SA for each of its templates are there", () => {
  const AH = { ...TMPL, proto: "ah", mode: "transport" } as const;
  const ah: XfrmStateRequest = { ...BARE, proto: "ah", mode: "transport", auth: SHA1, ...mark(KEY) };
  for (
    const [name, expected, given] of [
      ["an SA and a policy", true, {}],
      ["no SA", false, { states: [] }],
      ["an SA of another mark", false, { states: [{ ...STATE, ...mark(8) }] }],
      ["an SA without mark", true, { states: [{ ...STATE, ...mark(0, 0) }] }],
      ["an SA of another peer", false, { states: [{ ...STATE, dst: "192.0.2.3" }] }],
      ["an SA the other way", false, { states: [{ ...STATE, src: "192.0.2.2", dst: "192.0.2.1" }] }],
      ["an SA of any source", true, { states: [{ ...STATE, src: "0.0.0.0" }] }],
      ["an SA of another reqid", false, { states: [{ ...STATE, reqid: 5 }] }],
      ["an SA in transport mode", false, {
        states: [{ ...STATE, mode: "transport" }],
        policy: { tmpl: [{ ...TMPL, mode: "transport" }] },
      }],
      ["an SPI that the template names", true, { policy: { tmpl: [{ ...TMPL, spi: STATE.spi }] } }],
      ["another SPI", false, { policy: { tmpl: [{ ...TMPL, spi: STATE.spi + 1 }] } }],
      ["a policy inwards", false, { policy: { dir: "in" } }],
      ["a policy that blocks", false, { policy: { action: "block" } }],
      ["a policy without templates", false, { policy: { tmpl: [] } }],
      ["a policy of another mark", false, { policy: mark(8) }],
      ["a policy with a mask", true, { policy: mark(7, 0xf) }],
      ["a policy for the device", true, { policy: { sel: { ...ANY, dev: "eth0" } } }],
      ["a policy for another device", false, {
        policy: { sel: { ...ANY, dev: "eth0" } },
        tunnel: { ifindex: 3 },
      }],
      ["a policy of another interface id", false, { policy: { if_id: 3 } }],
      ["a bundle without its second SA", false, { policy: { tmpl: [TMPL, AH] } }],
      ["a bundle", true, { states: [STATE, ah], policy: { tmpl: [TMPL, AH] } }],
      ["a bundle whose second SA is optional", true, {
        policy: { tmpl: [TMPL, { ...AH, level: "use" }] },
      }],
      ["a tunnel to any remote", true, { tunnel: parms({ remote: 0 }) }],
      ["a tunnel from another local address", false, { tunnel: parms({ local: 1 }) }],
      ["a tunnel from any local address", true, { tunnel: parms({ local: 0 }) }],
      ["a tunnel of another key", false, { tunnel: parms({ oKey: 8 }) }],
    ] as [string, boolean, Case][]
  ) {
    assert.equal(leads(given), expected, name);
  }
});

Deno.test("WaysOut.has() ends with the SA: reserved, expired, deleted", () => {
  const { user, sent, memory } = setUpXfrm();
  value(user.newPolicy(POLICY));
  value(user.allocSpi({ ...STATE, min: STATE.spi, max: STATE.spi }));
  assert.equal(user.waysOut().has(TUNNEL), false);
  value(user.updState(STATE));
  assert.equal(user.waysOut().has(TUNNEL), true);
  const { cells } = added(sent.find((change) => change.op === "state-add"));
  viewXfrmCells(memory({ cells })).f64[CELL_EXPIRY] = 2;
  assert.equal(user.waysOut().has(TUNNEL), false);
  viewXfrmCells(memory({ cells })).f64[CELL_EXPIRY] = 1;
  assert.equal(user.waysOut().has(TUNNEL), true);
  value(user.delState(STATE));
  assert.equal(user.waysOut().has(TUNNEL), false);
});
