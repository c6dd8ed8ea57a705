/**
 * rtnl_link_ops of the vti: newlink, changelink, dellink, fill_info. Kernel: net/ipv4/ip_vti.c vti_link_ops.
 *
 * Pure: what must be done to a real device is asked of `VtiDevices`.
 */
import type { LinkChange, LinkInfo, LinkRequest, LinkStats, VtiInfoData } from "../gateway.ts";
import type { DropName } from "../../datapath/drop_reason.ts";
import { fail, ok, type Result } from "./kernel_error.ts";
import {
  changesKind,
  clampMtu,
  type ControlTunnel,
  ipTunnelBindDev,
  type IpTunnelNet,
  ipv4Text,
  isFallback,
  MAX_MTU_BYTES,
  MIN_MTU_BYTES,
  parseIpv4,
  type UnderlayMtu,
  type VtiParms,
} from "./ip_tunnel.ts";

/** What the driver needs of the namespace's real devices. */
export interface VtiDevices extends UnderlayMtu {
  ifindexOf(ifname: string): number | null;
  ifnameOf(ifindex: number): string | null;
  /** Makes the device, DOWN. EEXIST when the name is taken. */
  register(ifname: string): Result<{ readonly ifindex: number; readonly actor: number }>;
  unregister(tunnel: ControlTunnel): void;
  setMtu(tunnel: ControlTunnel, mtu: number): Result<void>;
  setUp(tunnel: ControlTunnel, up: boolean): Result<void>;
  rename(tunnel: ControlTunnel, ifname: string): Result<void>;
}

const ZERO: VtiParms = { local: 0, remote: 0, iKey: 0, oKey: 0, link: 0, fwmark: 0 };
const IFNAMSIZ = 16;
/** What `ip link` prints as qlen: DEFAULT_TX_QUEUE_LEN. */
export const TX_QUEUE_PACKETS = 1000;

/** dev_valid_name(), net/core/dev.c. */
export function devValidName(name: string): boolean {
  if (name.length === 0 || new TextEncoder().encode(name).length >= IFNAMSIZ) return false;
  return name !== "." && name !== ".." && !/[\s/:]/.test(name);
}

/** Lowest free number for a template like "vti%d" (dev_alloc_name). */
function allocName(template: string, devices: VtiDevices): string {
  for (let i = 0;; i++) {
    const name = template.replace("%d", String(i));
    if (devices.ifindexOf(name) === null) return name;
  }
}

/** vti_netlink_parms: absent attributes keep `base`. */
function netlinkParms(data: VtiInfoData | undefined, base: VtiParms, devices: VtiDevices): Result<VtiParms> {
  const at = "linkinfo.info_data";
  const addresses = { local: base.local, remote: base.remote };
  for (const name of ["local", "remote"] as const) {
    const text = data?.[name];
    if (text === undefined) continue;
    const address = text === "any" ? 0 : parseIpv4(text);
    if (address === null) {
      return fail("EINVAL", `Cannot read ${name} "${text}": expected an IPv4 address`, `${at}.${name}`);
    }
    addresses[name] = address;
  }
  let link = base.link;
  if (data?.link !== undefined) {
    const ifindex = data.link === "" ? 0 : devices.ifindexOf(data.link);
    if (ifindex === null) return fail("ENODEV", `Cannot find device "${data.link}"`, `${at}.link`);
    link = ifindex;
  }
  return ok({
    ...addresses,
    iKey: data?.ikey ?? base.iKey,
    oKey: data?.okey ?? base.oKey,
    link,
    fwmark: data?.fwmark ?? base.fwmark,
  });
}

/** vti_newlink, ip_tunnel_newlink: duplicates, device, MTU, table; in this order. */
export function vtiNewlink(
  net: IpTunnelNet,
  request: LinkRequest,
  devices: VtiDevices,
): Result<ControlTunnel> {
  const template = request.ifname ?? "vti%d";
  if (!devValidName(template)) {
    return fail("EINVAL", `Cannot create link "${template}": not a device name`, "ifname");
  }
  if (devices.ifindexOf(template) !== null) {
    return fail("EEXIST", `Cannot create link "${template}": a device of that name exists`, "ifname");
  }
  const read = netlinkParms(request.linkinfo.info_data, ZERO, devices);
  if (!read.ok) return read;
  const parms = read.value;
  if (isFallback(parms) || net.find(parms) !== undefined) {
    const other = net.find(parms)?.ifname ?? "ip_vti0";
    return fail("EEXIST", `Cannot create link "${template}": "${other}" has the same local, remote and link`);
  }
  const ifname = template.includes("%d") ? allocName(template, devices) : template;
  const device = devices.register(ifname);
  if (!device.ok) return device;
  const tunnel: ControlTunnel = {
    ...device.value,
    ifname,
    parms,
    pointToPoint: parms.remote !== 0,
    permAddress: parms.local,
    mtu: 0,
    up: false,
    order: net.nextOrder(),
  };
  const mtu = request.mtu === undefined ? ipTunnelBindDev(parms, devices) : clampMtu(request.mtu);
  const done = chain(
    () => devices.setMtu(tunnel, mtu),
    () => request.up ? devices.setUp(tunnel, true) : ok(undefined),
  );
  if (!done.ok) {
    devices.unregister(tunnel);
    return done;
  }
  net.byName.set(ifname, tunnel);
  return ok(tunnel);
}

function chain(...steps: (() => Result<void>)[]): Result<void> {
  for (const step of steps) {
    const result = step();
    if (!result.ok) return result;
  }
  return ok(undefined);
}

/**
 * vti_changelink, ip_tunnel_changelink, ip_tunnel_update. With `replace` absent attributes are 0, except fwmark, as in
 * the kernel's message; without it they keep their values, as iproute2 makes it look.
 */
export function vtiChangelink(
  net: IpTunnelNet,
  ifname: string,
  change: LinkChange,
  replace: boolean,
  devices: VtiDevices,
): Result<ControlTunnel> {
  const tunnel = net.byName.get(ifname);
  if (tunnel === undefined) return noSuchLink(ifname);
  const old = tunnel.parms;
  let parms = old;
  if (change.linkinfo !== undefined) {
    const base = replace ? { ...ZERO, fwmark: old.fwmark } : old;
    const read = netlinkParms(change.linkinfo.info_data, base, devices);
    if (!read.ok) return read;
    parms = read.value;
    const other = isFallback(parms) ? "ip_vti0" : net.find(parms)?.ifname;
    if (other !== undefined && other !== ifname) {
      return fail("EEXIST", `Cannot change link "${ifname}": "${other}" has the same local, remote and link`);
    }
    if (other === undefined && changesKind(tunnel, parms.remote)) {
      return fail(
        "EINVAL",
        `Cannot change link "${ifname}": remote can't go from ${ipv4Text(old.remote)} to ${
          ipv4Text(parms.remote)
        }`,
        "linkinfo.info_data.remote",
      );
    }
  }
  if (change.mtu !== undefined && (change.mtu < MIN_MTU_BYTES || change.mtu > MAX_MTU_BYTES)) {
    const range = `expected ${MIN_MTU_BYTES} to ${MAX_MTU_BYTES}`;
    return fail("EINVAL", `Cannot set MTU of "${ifname}" to ${change.mtu}: ${range}`, "mtu");
  }
  if (change.ifname !== undefined && change.ifname !== ifname) {
    const renamed = rename(net, tunnel, change.ifname, devices);
    if (!renamed.ok) return renamed;
  }
  if (parms !== old) {
    tunnel.parms = parms;
    tunnel.order = net.nextOrder();
  }
  const rebind = parms.link !== old.link || parms.fwmark !== old.fwmark;
  const mtu = change.mtu ?? (rebind ? ipTunnelBindDev(parms, devices) : undefined);
  const done = chain(
    () => mtu === undefined ? ok(undefined) : devices.setMtu(tunnel, mtu),
    () => change.up === undefined ? ok(undefined) : devices.setUp(tunnel, change.up),
  );
  return done.ok ? ok(tunnel) : done;
}

function rename(net: IpTunnelNet, tunnel: ControlTunnel, ifname: string, devices: VtiDevices): Result<void> {
  if (!devValidName(ifname)) {
    return fail(
      "EINVAL",
      `Cannot rename link "${tunnel.ifname}" to "${ifname}": not a device name`,
      "ifname",
    );
  }
  if (devices.ifindexOf(ifname) !== null) {
    return fail("EEXIST", `Cannot rename link "${tunnel.ifname}": "${ifname}" exists`, "ifname");
  }
  const done = devices.rename(tunnel, ifname);
  if (!done.ok) return done;
  net.byName.delete(tunnel.ifname);
  tunnel.ifname = ifname;
  net.byName.set(ifname, tunnel);
  return ok(undefined);
}

/** ip_tunnel_dellink: out of the table, then the device. On ip_vti0 it succeeds and does nothing. */
export function vtiDellink(net: IpTunnelNet, ifname: string, devices: VtiDevices): Result<void> {
  const tunnel = net.byName.get(ifname);
  if (tunnel === undefined) return ifname === "ip_vti0" ? ok(undefined) : noSuchLink(ifname);
  net.byName.delete(ifname);
  devices.unregister(tunnel);
  return ok(undefined);
}

export function noSuchLink(ifname: string): Result<never> {
  return fail("ENODEV", `Cannot find device "${ifname}"`, "ifname");
}

/** vti_fill_info and rtnl_fill_ifinfo, as `ip -d -s -j link show` prints them. */
export function vtiFillInfo(
  tunnel: ControlTunnel,
  linkName: string | null,
  stats64: LinkStats,
  drops: Partial<Record<DropName, number>>,
): LinkInfo {
  const { parms } = tunnel;
  const flags = [
    ...(tunnel.pointToPoint ? ["POINTOPOINT"] : []),
    "NOARP",
    ...(tunnel.up ? ["UP", "LOWER_UP"] : []),
  ];
  const any = (address: number): string => address === 0 ? "any" : ipv4Text(address);
  return {
    ifindex: tunnel.ifindex,
    link: linkName,
    ifname: tunnel.ifname,
    flags,
    mtu: tunnel.mtu,
    qdisc: tunnel.up ? "noqueue" : "noop",
    operstate: tunnel.up ? "UNKNOWN" : "DOWN",
    linkmode: "DEFAULT",
    group: "default",
    txqlen: TX_QUEUE_PACKETS,
    link_type: "ipip",
    address: ipv4Text(parms.local),
    ...(tunnel.pointToPoint ? { link_pointtopoint: true as const } : {}),
    broadcast: ipv4Text(parms.remote),
    ...(tunnel.permAddress !== 0 && tunnel.permAddress !== parms.local
      ? { permaddr: ipv4Text(tunnel.permAddress) }
      : {}),
    promiscuity: 0,
    allmulti: 0,
    min_mtu: 0,
    max_mtu: 0,
    linkinfo: {
      info_kind: "vti",
      info_data: {
        remote: any(parms.remote),
        local: any(parms.local),
        ...(linkName === null ? {} : { link: linkName }),
        ...(parms.iKey === 0 ? {} : { ikey: ipv4Text(parms.iKey) }),
        ...(parms.oKey === 0 ? {} : { okey: ipv4Text(parms.oKey) }),
        ...(parms.fwmark === 0 ? {} : { fwmark: `0x${parms.fwmark.toString(16)}` }),
      },
    },
    inet6_addr_gen_mode: "eui64",
    num_tx_queues: 1,
    num_rx_queues: 1,
    gso_max_size: 65536,
    gso_max_segs: 65535,
    tso_max_size: 65536,
    tso_max_segs: 65535,
    gro_max_size: 65536,
    stats64,
    drops,
  };
}
