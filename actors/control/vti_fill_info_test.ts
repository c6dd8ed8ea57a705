import assert from "node:assert/strict";
import { type ControlTunnel, NO_HEADER } from "./ip_tunnel.ts";
import { type FillInfo, UNTOUCHED, vtiFillInfo } from "./vti_fill_info.ts";
import { ZERO_PARMS } from "./vti_link_ops.ts";

const TUNNEL: ControlTunnel = {
  actor: 3,
  underlay: 1,
  home: 1,
  isFallback: false,
  ifname: "vti6",
  ifindex: 9,
  parms: { ...ZERO_PARMS, remote: 0xc0000201, iKey: 7, oKey: 7, link: 3, fwmark: 1 },
  header: NO_HEADER,
  byIoctl: false,
  pointToPoint: true,
  address: 0,
  broadcast: 0xc0000201,
  permAddress: 0xc0000202,
  mtu: 1480,
  up: false,
  everUp: false,
  order: 1,
};

const info = (change: Partial<FillInfo> = {}) =>
  vtiFillInfo({
    tunnel: TUNNEL,
    live: UNTOUCHED,
    linkName: "d0",
    linkNetnsid: null,
    stats64: {} as FillInfo["stats64"],
    drops: {},
    ...change,
  });

Deno.test("vtiFillInfo() prints a bound tunnel as iproute2 does", () => {
  const { flags, permaddr, qdisc, min_mtu, max_mtu, linkinfo } = info();
  assert.deepEqual(flags, ["POINTOPOINT", "NOARP"]);
  assert.deepEqual([permaddr, qdisc, min_mtu, max_mtu], ["192.0.2.2", "noop", 0, 0]);
  assert.deepEqual(linkinfo.info_data, {
    remote: "192.0.2.1",
    local: "any",
    link: "d0",
    ikey: "0.0.0.7",
    okey: "0.0.0.7",
    fwmark: "0x1",
  });
});

Deno.test("vtiFillInfo() has the limits of a device made by ioctl", () => {
  const { min_mtu, max_mtu } = info({ tunnel: { ...TUNNEL, byIoctl: true } });
  assert.deepEqual([min_mtu, max_mtu], [68, 65515]);
});

Deno.test("vtiFillInfo() shows what others have set of the device", () => {
  const live = { ...UNTOUCHED, arp: true, multicast: true, promiscuity: 1, txqlen: 7, group: 42 };
  const shown = info({ tunnel: { ...TUNNEL, up: true, everUp: true }, live });
  assert.deepEqual(shown.flags, ["POINTOPOINT", "MULTICAST", "PROMISC", "UP", "LOWER_UP"]);
  assert.deepEqual([shown.txqlen, shown.group, shown.qdisc], [7, "42", "noqueue"]);
});

Deno.test("vtiFillInfo() shows an IPv6 address mode only where there is IPv6", () => {
  const mode = (tunnel: Partial<ControlTunnel>, addrGenMode = "eui64") =>
    info({ tunnel: { ...TUNNEL, ...tunnel }, live: { ...UNTOUCHED, addrGenMode } }).inet6_addr_gen_mode;
  assert.equal(mode({}), "eui64");
  assert.equal(mode({ mtu: 1279 }, ""), undefined, "the device has none below its least MTU");
  assert.equal(mode({ isFallback: true }), undefined, "ip_vti0 is older than IPv6");
  assert.equal(mode({ isFallback: true, up: true, everUp: true }), "eui64");
  assert.equal(mode({ isFallback: true, mtu: 1400 }), "eui64");
});

Deno.test("vtiFillInfo() shows ip_vti0 without parameters", () => {
  const shown = info({ tunnel: { ...TUNNEL, isFallback: true, parms: ZERO_PARMS }, linkName: null });
  assert.deepEqual(shown.linkinfo.info_data, { remote: "any", local: "any" });
});
