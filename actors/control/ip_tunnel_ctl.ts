/**
 * The ioctls behind `ip tunnel`: SIOCGETTUNNEL, SIOCADDTUNNEL, SIOCCHGTUNNEL, SIOCDELTUNNEL. Pure.
 * Kernel: net/ipv4/ip_tunnel.c ip_tunnel_ctl().
 *
 * A call is addressed to a device. One addressed to ip_vti0 is about the tunnel that has the ends of its argument.
 */
import type { TunnelEnds, TunnelInfo, TunnelParm } from "../gateway.ts";
import {
  type ControlTunnel,
  ipTunnelBindDev,
  type IpTunnelNet,
  ipv4Text,
  type TunnelHeader,
  type Underlay,
  type VtiParms,
} from "./ip_tunnel.ts";
import { fail, ok, type Result } from "./kernel_error.ts";
import {
  checkChange,
  checkNewName,
  devValidName,
  ipTunnelCreate,
  ipTunnelUpdate,
  readParms,
  type TunnelPlaces,
  type VtiDevices,
  vtiUnregister,
  ZERO_PARMS,
} from "./vti_link_ops.ts";

interface Argument {
  readonly parms: VtiParms;
  readonly header: TunnelHeader;
}

/** No fwmark: the argument has none. A TTL sets DF. */
function readArgument(parm: TunnelParm, underlay: Underlay): Result<Argument> {
  const { ttl = 0, tos = 0, pmtudisc = false } = parm;
  const parms = readParms(parm, ZERO_PARMS, underlay, "");
  return parms.ok ? ok({ parms: parms.value, header: { ttl, tos, pmtudisc: pmtudisc || ttl !== 0 } }) : parms;
}

/** SIOCGETTUNNEL: without a tunnel of these ends it is ip_vti0 itself. */
export function getTunnel(
  net: IpTunnelNet,
  addressed: ControlTunnel,
  ends: TunnelEnds,
  underlay: Underlay,
): Result<ControlTunnel> {
  if (!addressed.isFallback) return ok(addressed);
  const parms = readParms(ends, ZERO_PARMS, underlay, "");
  return parms.ok ? ok(net.find(parms.value) ?? addressed) : parms;
}

/** SIOCADDTUNNEL, ip_tunnel_create(). `template` is the name, or one with %d. */
export function addTunnel(
  net: IpTunnelNet,
  template: string,
  parm: TunnelParm,
  devices: VtiDevices,
): Result<ControlTunnel> {
  const read = readArgument(parm, devices);
  if (!read.ok) return read;
  const free = checkNewName(template, devices);
  // __ip_tunnel_create() has an error of its own for a name.
  if (!free.ok) {
    return devValidName(template) ? free : { ok: false, error: { ...free.error, errno: "E2BIG" } };
  }
  const { parms, header } = read.value;
  const made = ipTunnelCreate(net, { template, parms, header, byIoctl: true }, devices);
  if (!made.ok) return made;
  const done = devices.setMtu(made.value, ipTunnelBindDev(parms, devices));
  if (done.ok) return made;
  vtiUnregister(net, made.value, devices);
  return done;
}

/**
 * SIOCCHGTUNNEL: as changelink; addressed to ip_vti0, the tunnel that has these ends already, and then it is ip_vti0
 * that gets their addresses and the MTU. `placesOf` says where a device is. Returns the tunnel that was changed.
 */
export function chgTunnel(
  net: IpTunnelNet,
  addressed: ControlTunnel,
  parm: TunnelParm,
  underlay: Underlay,
  placesOf: (tunnel: ControlTunnel) => TunnelPlaces,
): Result<ControlTunnel> {
  const read = readArgument(parm, underlay);
  if (!read.ok) return read;
  const { parms, header } = read.value;
  const target = addressed.isFallback ? net.find(parms) : addressed;
  if (target === undefined) return fail("ENOENT", "Cannot change tunnel: none has these ends");
  const allowed = checkChange(target, parms, net);
  if (!allowed.ok) return allowed;
  target.header = header;
  const done = ipTunnelUpdate(target, parms, true, placesOf(addressed), addressed);
  return done.ok ? ok(target) : done;
}

/** SIOCDELTUNNEL: which tunnel is to go. */
export function delTunnel(
  net: IpTunnelNet,
  addressed: ControlTunnel,
  ends: TunnelEnds,
  underlay: Underlay,
): Result<ControlTunnel> {
  if (!addressed.isFallback) return ok(addressed);
  const parms = readParms(ends, ZERO_PARMS, underlay, "");
  if (!parms.ok) return parms;
  const target = net.find(parms.value);
  if (target === undefined) return fail("ENOENT", "Cannot delete tunnel: none has these ends");
  if (target.isFallback) {
    return fail("EPERM", `Cannot delete tunnel "${target.ifname}": the fallback device stays`);
  }
  return ok(target);
}

/** What SIOCGETTUNNEL returns; `linkName` is of the device that the tunnel is bound to. */
export function tunnelInfo({ ifname, parms, header }: ControlTunnel, linkName: string | null): TunnelInfo {
  const any = (address: number): string => address === 0 ? "any" : ipv4Text(address);
  return {
    ifname,
    local: any(parms.local),
    remote: any(parms.remote),
    ikey: parms.iKey,
    okey: parms.oKey,
    ...(linkName === null ? {} : { link: linkName }),
    ...header,
  };
}
