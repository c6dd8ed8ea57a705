import assert from "node:assert/strict";
import type { LinkChange, LinkRequest } from "../gateway.ts";
import { Devices } from "../../tests/doubles/vti_devices.ts";
import { IpTunnelNet } from "./ip_tunnel.ts";
import { fail } from "./kernel_error.ts";
import { noSuchLink, vtiChangelink, vtiDellink, vtiInitNet, vtiNewlink } from "./vti_link_ops.ts";

function make() {
  const net = new IpTunnelNet(1);
  const devices = new Devices();
  const fallback = vtiInitNet(net, devices);
  assert.ok(fallback.ok);
  const add = (ifname: string | undefined, info_data: Record<string, string | number>, mtu?: number) => {
    const request: LinkRequest = {
      ...(ifname === undefined ? {} : { ifname }),
      ...(mtu === undefined ? {} : { mtu }),
      linkinfo: { info_kind: "vti", info_data },
    };
    return vtiNewlink(net, request, devices);
  };
  const named = (ifname: string) => [...net.tunnels.values()].find((t) => t.ifname === ifname);
  const set = (ifname: string, change: LinkChange, replace = false) => {
    const tunnel = named(ifname);
    if (tunnel === undefined) return noSuchLink(ifname);
    return vtiChangelink(tunnel, change, replace, { net, underlay: devices, home: devices });
  };
  const change = (ifname: string, info_data: Record<string, string | number>, replace = false) =>
    set(ifname, { linkinfo: { info_kind: "vti", info_data } }, replace);
  return { net, devices, fallback: fallback.value, add, named, set, change };
}

const LR = { local: "192.0.2.2", remote: "192.0.2.1" };
const errno = (r: { ok: boolean; error?: { errno: string } }) => r.ok ? "" : r.error?.errno;

Deno.test("vtiNewlink() refuses the endpoints of another tunnel whatever the keys", () => {
  const { add } = make();
  assert.equal(errno(add("vti1", { ...LR, ikey: 7, okey: 7 })), "");
  assert.equal(errno(add("vti1", { ...LR, ikey: 7 })), "EEXIST");
  assert.equal(errno(add("vti2", { ...LR, ikey: 8, okey: 8 })), "EEXIST");
  assert.equal(errno(add("vti2", { ...LR, link: "eth0" })), "");
  assert.equal(errno(add("vti4", { ikey: 7 })), "EEXIST", "ip_vti0 has neither end");
  assert.equal(errno(add("vti5", { local: "192.0.2.2" })), "");
  assert.equal(errno(add("vti6", { remote: "192.0.2.1" })), "");
});

Deno.test("vtiNewlink() names the attribute that is wrong", () => {
  const { add } = make();
  const wrong = add("vti1", { local: "192.0.2.256" });
  assert.ok(!wrong.ok && wrong.error.attribute === "linkinfo.info_data.local");
  const device = add("vti1", { ...LR, link: "eth9" });
  assert.ok(
    !device.ok && device.error.errno === "ENODEV" && device.error.attribute === "linkinfo.info_data.link",
  );
  for (const name of ["", "a/b", "a b", "0123456789abcdef", "..", "v%", "v%s", "%d%d"]) {
    assert.equal(errno(add(name, LR)), "EINVAL", name);
  }
});

Deno.test("vtiNewlink() takes the lowest free number of the template", () => {
  const { add } = make();
  const first = add(undefined, LR), second = add(undefined, { local: "192.0.2.3" });
  assert.ok(first.ok && first.value.ifname === "vti0");
  assert.ok(second.ok && second.value.ifname === "vti1");
});

Deno.test("vtiNewlink() guesses the MTU and clamps a given one", () => {
  const { add, devices } = make();
  const mtu = (r: ReturnType<typeof add>) => r.ok ? r.value.mtu : r.error.errno;
  assert.equal(mtu(add("a", LR)), 1480);
  devices.routed = false;
  assert.equal(mtu(add("b", { local: "192.0.2.9" })), 1480);
  assert.equal(mtu(add("c", { local: "192.0.2.10", link: "d0" })), 2980);
  assert.equal(mtu(add("d", { local: "192.0.2.11" }, 67)), 68);
  assert.equal(mtu(add("e", { local: "192.0.2.12" }, 65536)), 65515);
});

Deno.test("vtiChangelink() keeps the kind of the device", () => {
  const { add, change } = make();
  add("vti1", { ...LR, ikey: 7, okey: 7 });
  assert.equal(errno(change("vti1", { remote: "any" })), "EINVAL");
  assert.equal(errno(change("vti1", { ikey: 9 })), "", "keys may change");
  assert.equal(errno(change("vti1", { local: "any" })), "", "local may go to any");
  assert.equal(errno(change("vti1", { remote: "192.0.2.77" })), "");
  add("vti5", { local: "192.0.2.3" });
  assert.equal(errno(change("vti5", { remote: "192.0.2.70" })), "EINVAL");
  assert.equal(errno(change("vti5", { local: "192.0.2.4" })), "");
  add("vti6", { local: "192.0.2.2", remote: "224.0.0.1" });
  assert.equal(errno(change("vti6", { local: "192.0.2.9" })), "EINVAL", "a multicast remote is POINTOPOINT");
});

Deno.test("vtiChangelink() refuses the ends of another tunnel before it looks at the kind", () => {
  const { add, change } = make();
  add("vti1", LR);
  add("vti2", { local: "192.0.2.2" });
  assert.equal(errno(change("vti1", { remote: "any" })), "EEXIST");
  assert.equal(errno(change("vti9", LR)), "ENODEV");
});

Deno.test("vtiChangelink() replaces in full but keeps fwmark", () => {
  const { add, change, named } = make();
  add("vti1", { ...LR, ikey: 7, okey: 7, fwmark: 5 });
  assert.equal(errno(change("vti1", LR, true)), "");
  const { iKey, oKey, fwmark } = named("vti1")!.parms;
  assert.deepEqual([iKey, oKey, fwmark], [0, 0, 5]);
});

Deno.test("vtiChangelink() guesses the MTU anew for another link or fwmark only", () => {
  const { add, change, set, named, devices } = make();
  add("vti1", LR, 1300);
  const mtu = () => named("vti1")!.mtu;
  change("vti1", { remote: "192.0.2.77", ikey: 3 });
  assert.equal(mtu(), 1300);
  devices.routed = false;
  change("vti1", { link: "d0" });
  assert.equal(mtu(), 2980);
  devices.routed = true;
  change("vti1", { fwmark: 9 });
  assert.equal(mtu(), 1480);
  set("vti1", { mtu: 1200, linkinfo: { info_kind: "vti", info_data: { fwmark: 10 } } });
  assert.equal(mtu(), 1200, "a given MTU goes before a guess");
});

Deno.test("vtiChangelink() refuses an MTU out of range that newlink would clamp", () => {
  const { add, set } = make();
  add("vti1", LR);
  for (const mtu of [67, 65516]) assert.equal(errno(set("vti1", { mtu })), "EINVAL");
  for (const mtu of [68, 65515]) assert.equal(errno(set("vti1", { mtu })), "");
});

Deno.test("vtiChangelink() renames a device that is down", () => {
  const { add, set, named } = make();
  add("vti1", LR);
  set("vti1", { up: true });
  assert.equal(errno(set("vti1", { ifname: "vx" })), "EBUSY");
  set("vti1", { up: false });
  assert.equal(errno(set("vti1", { ifname: "eth0" })), "EEXIST");
  assert.equal(errno(set("vti1", { ifname: "a/b" })), "EINVAL");
  assert.equal(errno(set("vti1", { ifname: "vx" })), "");
  assert.ok(named("vx") !== undefined && named("vti1") === undefined);
});

Deno.test("vtiNewlink() leaves nothing when the device refuses its MTU", () => {
  const { net, devices, add, named } = make();
  devices.setMtu = () => fail("EINVAL", "refused");
  assert.equal(errno(add("vti1", LR)), "EINVAL");
  assert.deepEqual([named("vti1"), devices.names.has("vti1"), net.tunnels.size], [undefined, false, 1]);
});

Deno.test("vtiChangelink() changes nothing when one of its settings is refused", () => {
  const { add, set, named } = make();
  add("vti1", LR);
  set("vti1", { up: true });
  const linkinfo = { info_kind: "vti", info_data: { remote: "192.0.2.77", ikey: 9 } } as const;
  const refused: [LinkChange, string][] = [
    [{ mtu: 67, linkinfo }, "EINVAL"],
    [{ mtu: 65516, ifname: "vx", linkinfo }, "EINVAL"],
    [{ ifname: "vx", linkinfo }, "EBUSY"],
    [{ ifname: "eth0", mtu: 1400, up: false }, "EBUSY"],
  ];
  const before = structuredClone(named("vti1"));
  for (const [change, expected] of refused) {
    assert.equal(errno(set("vti1", change)), expected);
    assert.deepEqual(named("vti1"), before);
  }
});

Deno.test("vtiInitNet() makes ip_vti0, which can be set and not be changed", () => {
  const { net, fallback, set, change } = make();
  assert.equal(net.fallback, fallback);
  assert.deepEqual([fallback.ifname, fallback.mtu, fallback.up], ["ip_vti0", 1480, false]);
  assert.equal(errno(change("ip_vti0", LR)), "EINVAL");
  assert.equal(errno(change("ip_vti0", { ikey: 3 })), "EINVAL");
  assert.equal(errno(set("ip_vti0", { mtu: 1300, up: true })), "");
  assert.deepEqual([fallback.mtu, fallback.up], [1300, true]);
});

Deno.test("vtiInitNet() leaves a name alone that is taken", () => {
  const devices = new Devices();
  devices.names.set("ip_vti0", 5);
  const net = new IpTunnelNet(1);
  assert.equal(errno(vtiInitNet(net, devices)), "EEXIST");
  const request: LinkRequest = { ifname: "any", linkinfo: { info_kind: "vti" } };
  assert.equal(errno(vtiNewlink(net, request, devices)), "", "without ip_vti0 nothing has neither end");
});

Deno.test("vtiDellink() removes the device, and does nothing to ip_vti0", () => {
  const { net, devices, add, named, fallback } = make();
  add("vti1", LR);
  assert.equal(vtiDellink(net, named("vti1")!, devices), true);
  assert.equal(devices.names.has("vti1"), false);
  assert.equal(named("vti1"), undefined);
  assert.equal(vtiDellink(net, fallback, devices), false);
  assert.equal(devices.names.has("ip_vti0"), true);
});

Deno.test("vtiNewlink() sets what is the device's, and looks for its master before anything is made", () => {
  const net = new IpTunnelNet(1);
  const devices = new Devices();
  const linkinfo = { info_kind: "vti" as const, info_data: { remote: "192.0.2.1" } };
  const made = vtiNewlink(net, { ifname: "v", ifindex: 77, txqlen: 5, group: 3, linkinfo }, devices);
  assert.ok(made.ok);
  assert.equal(made.value.ifindex, 77);
  assert.deepEqual(devices.configured.get("v"), { txqlen: 5, group: 3 });
  const refused = vtiNewlink(net, { ifname: "w", master: "blue", linkinfo }, devices);
  assert.ok(!refused.ok);
  assert.deepEqual([refused.error.errno, refused.error.attribute], ["ENODEV", "master"]);
});
