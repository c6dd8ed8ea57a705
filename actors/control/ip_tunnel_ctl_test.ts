import assert from "node:assert/strict";
import { Devices } from "../../tests/doubles/vti_devices.ts";
import type { TunnelEnds, TunnelParm } from "../gateway.ts";
import { addTunnel, chgTunnel, delTunnel, getTunnel, tunnelInfo } from "./ip_tunnel_ctl.ts";
import { type ControlTunnel, IpTunnelNet } from "./ip_tunnel.ts";
import type { Result } from "./kernel_error.ts";
import { vtiChangelink, vtiInitNet } from "./vti_link_ops.ts";

const LR = { local: "192.0.2.2", remote: "192.0.2.1" };

/** A namespace with ip_vti0 and vti1 from LR with key 7. */
function make() {
  const net = new IpTunnelNet(1);
  const devices = new Devices();
  const fallback = vtiInitNet(net, devices);
  const vti1 = addTunnel(net, "vti1", { ...LR, ikey: 7, okey: 7, pmtudisc: true }, devices);
  assert.ok(fallback.ok && vti1.ok);
  const places = { net, underlay: devices, home: devices };
  return {
    fallback: fallback.value,
    vti1: vti1.value,
    places,
    add: (name: string, parm: TunnelParm) => addTunnel(net, name, parm, devices),
    get: (t: ControlTunnel, ends: TunnelEnds = {}) => getTunnel(net, t, ends, devices),
    chg: (t: ControlTunnel, parm: TunnelParm) => chgTunnel(net, t, parm, devices, () => places),
    del: (t: ControlTunnel, ends: TunnelEnds = {}) => delTunnel(net, t, ends, devices),
  };
}

const told = (result: Result<ControlTunnel>) => result.ok ? result.value.ifname : result.error.errno;

Deno.test("addTunnel() makes a device with an MTU and limits, or finds its ends taken", () => {
  const { vti1, add } = make();
  assert.deepEqual([vti1.mtu, vti1.byIoctl, vti1.up], [1480, true, false]);
  assert.equal(told(add("vti2", { ...LR, ikey: 9 })), "EEXIST");
  assert.equal(told(add("vti2", {})), "EEXIST", "ip_vti0 has no ends");
  assert.equal(told(add("vti1", { local: "192.0.2.3" })), "EEXIST");
  assert.equal(told(add("vti%d", { local: "192.0.2.3" })), "vti0");
  assert.equal(told(add("a:b", { local: "192.0.2.4" })), "E2BIG");
  assert.equal(told(add("v%d%d", { local: "192.0.2.4" })), "EINVAL");
  const bound = add("vti2", { ...LR, link: "eth9" });
  assert.ok(!bound.ok && bound.error.errno === "ENODEV" && bound.error.attribute === "link");
});

Deno.test("getTunnel() finds by ends through ip_vti0, which else is meant itself", () => {
  const { fallback, vti1, get } = make();
  assert.equal(told(get(vti1)), "vti1");
  assert.equal(told(get(fallback)), "ip_vti0");
  assert.equal(told(get(fallback, LR)), "vti1");
  assert.equal(told(get(fallback, { ...LR, link: "eth0" })), "ip_vti0");
});

Deno.test("chgTunnel() keeps the rules of changelink, and through ip_vti0 changes the tunnel of these ends", () => {
  const { fallback, vti1, add, chg } = make();
  add("vti2", { local: "192.0.2.3" });
  assert.equal(told(chg(vti1, { local: "192.0.2.3" })), "EEXIST");
  assert.equal(told(chg(vti1, { local: "192.0.2.2" })), "EINVAL");
  assert.equal(told(chg(vti1, { ...LR, remote: "192.0.2.9", ikey: 3 })), "vti1");
  assert.deepEqual([vti1.parms.remote, vti1.parms.iKey, vti1.parms.oKey], [0xc0000209, 3, 0]);
  assert.equal(told(chg(fallback, LR)), "ENOENT");
  assert.equal(told(chg(fallback, { ...LR, remote: "192.0.2.9", okey: 4 })), "vti1");
  assert.deepEqual([vti1.parms.iKey, vti1.parms.oKey], [0, 4]);
});

Deno.test("chgTunnel() drops the fwmark and guesses the MTU anew for another link", () => {
  const { vti1, chg, places } = make();
  vtiChangelink(vti1, { mtu: 1300, linkinfo: { info_kind: "vti", info_data: { fwmark: 5 } } }, false, places);
  assert.deepEqual([vti1.mtu, vti1.parms.fwmark], [1300, 5]);
  chg(vti1, LR);
  assert.deepEqual([vti1.mtu, vti1.parms.fwmark], [1480, 0]);
});

Deno.test("chgTunnel() through ip_vti0 gives ip_vti0 the addresses, and a new guess of the MTU", () => {
  const { fallback, vti1, chg, places } = make();
  vtiChangelink(fallback, { mtu: 1300 }, false, places);
  vtiChangelink(vti1, { mtu: 1300, linkinfo: { info_kind: "vti", info_data: { fwmark: 5 } } }, false, places);
  assert.equal(told(chg(fallback, { ...LR, ikey: 3 })), "vti1");
  assert.deepEqual([vti1.parms.iKey, vti1.parms.fwmark, vti1.mtu], [3, 0, 1300]);
  assert.deepEqual([fallback.address, fallback.broadcast, fallback.mtu], [0xc0000202, 0xc0000201, 1480]);
  assert.deepEqual([fallback.parms.local, fallback.parms.remote], [0, 0]);
});

Deno.test("delTunnel() deletes by ends through ip_vti0, and never ip_vti0", () => {
  const { fallback, vti1, del } = make();
  assert.equal(told(del(vti1)), "vti1");
  assert.equal(told(del(fallback, LR)), "vti1");
  assert.equal(told(del(fallback)), "EPERM");
  assert.equal(told(del(fallback, { local: "192.0.2.77" })), "ENOENT");
});

Deno.test("tunnelInfo() shows TTL, TOS and DF until rtnetlink sets the tunnel", () => {
  const { vti1, chg, places } = make();
  chg(vti1, { ...LR, ttl: 64, tos: 1, ikey: 7, okey: 7 });
  const ends = { ifname: "vti1", ...LR, ikey: 7, okey: 7 };
  assert.deepEqual(tunnelInfo(vti1, null), { ...ends, ttl: 64, tos: 1, pmtudisc: true });
  vtiChangelink(vti1, { linkinfo: { info_kind: "vti", info_data: {} } }, false, places);
  assert.deepEqual(tunnelInfo(vti1, "eth0"), { ...ends, link: "eth0", ttl: 0, tos: 0, pmtudisc: false });
});
