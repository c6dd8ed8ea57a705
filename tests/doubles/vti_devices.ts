/** The real devices of a namespace, as the rules for links see them. */
import type { ControlTunnel } from "../../actors/control/ip_tunnel.ts";
import type { DeviceChange } from "../../actors/gateway.ts";
import { fail, ok } from "../../actors/control/kernel_error.ts";
import type { VtiDevices } from "../../actors/control/vti_link_ops.ts";

/** A namespace with eth0 (1500), d0 (1500) and a route to 192.0.2.0/24 by eth0. */
export class Devices implements VtiDevices {
  readonly names = new Map<string, number>([["lo", 1], ["eth0", 2], ["d0", 3]]);
  /** What was last set of a device, by its name. */
  readonly configured = new Map<string, DeviceChange>();
  next = 10;
  routed = true;
  ifindexOf(ifname: string) {
    return this.names.get(ifname) ?? null;
  }
  ifnameOf(ifindex: number) {
    return [...this.names].find(([, i]) => i === ifindex)?.[0] ?? null;
  }
  register(ifname: string, ifindex = this.next++) {
    if (this.names.has(ifname)) return fail("EEXIST", "taken");
    this.names.set(ifname, ifindex);
    return ok({ ifindex, actor: ifindex });
  }
  unregister(tunnel: ControlTunnel) {
    this.names.delete(tunnel.ifname);
  }
  setMtu(tunnel: ControlTunnel, mtu: number) {
    tunnel.mtu = mtu;
    return ok(undefined);
  }
  setUp(tunnel: ControlTunnel, up: boolean) {
    tunnel.up = up;
    return ok(undefined);
  }
  rename(tunnel: ControlTunnel, ifname: string) {
    this.names.delete(tunnel.ifname);
    this.names.set(ifname, tunnel.ifindex);
    tunnel.ifname = ifname;
    return ok(undefined);
  }
  configure(tunnel: ControlTunnel, settings: DeviceChange) {
    this.configured.set(tunnel.ifname, settings);
    return ok(undefined);
  }
  routeDeviceMtu() {
    return this.routed ? 1500 : null;
  }
  deviceMtu() {
    return 3000;
  }
}
