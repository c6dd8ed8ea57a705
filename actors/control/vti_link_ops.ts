/**
 * rtnl_link_ops of the vti: newlink, changelink, dellink; and ip_vti0. Kernel: net/ipv4/ip_vti.c vti_link_ops.
 *
 * Pure: what must be done to a real device is asked of `VtiDevices`.
 */
import type { DeviceChange, LinkChange, LinkRequest, VtiInfoData } from "../gateway.ts";
import { fail, ok, type Result } from "./kernel_error.ts";
import {
  changesKind,
  clampMtu,
  type ControlTunnel,
  ipTunnelBindDev,
  type IpTunnelNet,
  ipv4Text,
  MAX_MTU_BYTES,
  MIN_MTU_BYTES,
  NO_HEADER,
  parseIpv4,
  type TunnelHeader,
  type Underlay,
  type VtiParms,
} from "./ip_tunnel.ts";

/** What the driver needs of the real devices of a namespace. */
export interface VtiDevices extends Underlay {
  /** Makes the device, DOWN. EEXIST when the name or the index is taken. */
  register(ifname: string, ifindex?: number): Result<{ readonly ifindex: number; readonly actor: number }>;
  /** Removes a device that was registered here, wherever it lives now. */
  unregister(tunnel: ControlTunnel): void;
  /** These are about devices that live here. */
  setMtu(tunnel: ControlTunnel, mtu: number): Result<void>;
  setUp(tunnel: ControlTunnel, up: boolean): Result<void>;
  rename(tunnel: ControlTunnel, ifname: string): Result<void>;
  /** Settings that are the device's alone. */
  configure(tunnel: ControlTunnel, settings: DeviceChange): Result<void>;
}

export const ZERO_PARMS: VtiParms = { local: 0, remote: 0, iKey: 0, oKey: 0, link: 0, fwmark: 0 };
/** Name of the fallback device, and the device that ioctls without a name are addressed to. */
export const FALLBACK_NAME = "ip_vti0";
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

/** vti_netlink_parms: absent attributes keep `base`. `at` is where `data` is in the request. */
export function readParms(
  data: VtiInfoData | undefined,
  base: VtiParms,
  underlay: Underlay,
  at = "linkinfo.info_data.",
): Result<VtiParms> {
  const addresses = { local: base.local, remote: base.remote };
  for (const name of ["local", "remote"] as const) {
    const text = data?.[name];
    if (text === undefined) continue;
    const address = text === "any" ? 0 : parseIpv4(text);
    if (address === null) {
      return fail("EINVAL", `Cannot read ${name} "${text}": expected an IPv4 address`, `${at}${name}`);
    }
    addresses[name] = address;
  }
  let link = base.link;
  if (data?.link !== undefined) {
    const ifindex = data.link === "" ? 0 : underlay.ifindexOf(data.link);
    if (ifindex === null) return fail("ENODEV", `Cannot find device "${data.link}"`, `${at}link`);
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

/** vti_newlink: a device as a netlink message asks for it. */
export function vtiNewlink(
  net: IpTunnelNet,
  request: LinkRequest,
  devices: VtiDevices,
): Result<ControlTunnel> {
  const template = request.ifname ?? "vti%d";
  const free = checkNewName(template, devices);
  if (!free.ok) return free;
  const parms = readParms(request.linkinfo.info_data, ZERO_PARMS, devices);
  if (!parms.ok) return parms;
  const { ifname: _, ifindex, linkinfo: __, mtu: givenMtu, up, ...settings } = request;
  const mastered = checkMaster(settings, devices);
  if (!mastered.ok) return mastered;
  const wanted = { template, parms: parms.value, header: NO_HEADER, ...(ifindex && { ifindex }) };
  const made = ipTunnelCreate(net, wanted, devices);
  if (!made.ok) return made;
  const tunnel = made.value;
  const mtu = givenMtu === undefined ? ipTunnelBindDev(parms.value, devices) : clampMtu(givenMtu);
  const done = chain(
    () => devices.setMtu(tunnel, mtu),
    () => configure(devices, tunnel, settings),
    () => up ? devices.setUp(tunnel, true) : ok(undefined),
  );
  if (!done.ok) {
    vtiUnregister(net, tunnel, devices);
    return done;
  }
  return made;
}

/** Whether a device of that name, or of a name from that template, may be made. */
export function checkNewName(template: string, devices: VtiDevices): Result<void> {
  // dev_alloc_name(): one %d and no other %.
  const isTemplate = !template.includes("%") || /^[^%]*%d[^%]*$/.test(template);
  if (!devValidName(template) || !isTemplate) {
    return fail("EINVAL", `Cannot create link "${template}": not a device name`, "ifname");
  }
  if (devices.ifindexOf(template) !== null) {
    return fail("EEXIST", `Cannot create link "${template}": a device of that name exists`, "ifname");
  }
  return ok(undefined);
}

export interface NewTunnel {
  /** The name, or a template with %d. */
  readonly template: string;
  readonly ifindex?: number;
  readonly parms: VtiParms;
  readonly header: TunnelHeader;
  readonly byIoctl?: boolean;
  readonly isFallback?: boolean;
}

/** ip_tunnel_newlink, __ip_tunnel_create: duplicates, device, table; in this order. The MTU is still to be set. */
export function ipTunnelCreate(
  net: IpTunnelNet,
  { template, ifindex, parms, header, byIoctl = false, isFallback = false }: NewTunnel,
  devices: VtiDevices,
): Result<ControlTunnel> {
  const other = net.find(parms);
  if (other !== undefined) {
    return fail(
      "EEXIST",
      `Cannot create link "${template}": "${other.ifname}" has the same local, remote and link`,
    );
  }
  const ifname = template.includes("%d") ? allocName(template, devices) : template;
  const device = devices.register(ifname, ifindex);
  if (!device.ok) return device;
  const tunnel: ControlTunnel = {
    ...device.value,
    underlay: net.inode,
    home: net.inode,
    isFallback,
    ifname,
    parms,
    header,
    byIoctl,
    pointToPoint: parms.remote !== 0,
    address: parms.local,
    broadcast: parms.remote,
    permAddress: parms.local,
    mtu: 0,
    up: false,
    everUp: false,
    order: net.nextOrder(),
  };
  net.tunnels.set(tunnel.actor, tunnel);
  return ok(tunnel);
}

/** ip_tunnel_init_net: the fallback device. EEXIST when something else has its name. */
export function vtiInitNet(net: IpTunnelNet, devices: VtiDevices): Result<ControlTunnel> {
  const free = checkNewName(FALLBACK_NAME, devices);
  if (!free.ok) return free;
  const fallback: NewTunnel = {
    template: FALLBACK_NAME,
    parms: ZERO_PARMS,
    header: NO_HEADER,
    isFallback: true,
  };
  const made = ipTunnelCreate(net, fallback, devices);
  if (!made.ok) return made;
  const done = devices.setMtu(made.value, ipTunnelBindDev(ZERO_PARMS, devices));
  if (done.ok) return made;
  vtiUnregister(net, made.value, devices);
  return done;
}

function chain(...steps: (() => Result<void>)[]): Result<void> {
  for (const step of steps) {
    const result = step();
    if (!result.ok) return result;
  }
  return ok(undefined);
}

/** Where a tunnel's device lives, and where its packets go; the same namespace unless the device was moved. */
export interface TunnelPlaces {
  readonly net: IpTunnelNet;
  readonly underlay: Underlay;
  readonly home: VtiDevices;
}

/**
 * vti_changelink, ip_tunnel_changelink. With `replace` absent attributes are 0, except fwmark, as in the kernel's
 * message; without it they keep their values, as iproute2 makes it look.
 */
export function vtiChangelink(
  tunnel: ControlTunnel,
  change: LinkChange,
  replace: boolean,
  places: TunnelPlaces,
): Result<void> {
  const old = tunnel.parms;
  let parms = old;
  if (change.linkinfo !== undefined) {
    if (tunnel.isFallback) {
      return fail("EINVAL", `Cannot change link "${tunnel.ifname}": it is the fallback device`);
    }
    const base = replace ? { ...ZERO_PARMS, fwmark: old.fwmark } : old;
    const read = readParms(change.linkinfo.info_data, base, places.underlay);
    if (!read.ok) return read;
    parms = read.value;
    const allowed = checkChange(tunnel, parms, places.net);
    if (!allowed.ok) return allowed;
  }
  const settings = checkSettings(tunnel, change, places.home);
  if (!settings.ok) return settings;
  if (change.linkinfo !== undefined) tunnel.header = NO_HEADER;
  if (parms !== old) {
    const updated = ipTunnelUpdate(tunnel, parms, change.mtu === undefined, places);
    if (!updated.ok) return updated;
  }
  const { linkinfo: _, mtu, ifname, up, ...device } = change;
  return chain(
    () => mtu === undefined ? ok(undefined) : places.home.setMtu(tunnel, mtu),
    () =>
      ifname === undefined || ifname === tunnel.ifname ? ok(undefined) : places.home.rename(tunnel, ifname),
    () => configure(places.home, tunnel, device),
    () => up === undefined ? ok(undefined) : places.home.setUp(tunnel, up),
  );
}

function checkMaster({ master }: DeviceChange, devices: VtiDevices): Result<void> {
  if (!master || devices.ifindexOf(master) !== null) return ok(undefined);
  return fail("ENODEV", `Cannot find device "${master}"`, "master");
}

function configure(devices: VtiDevices, tunnel: ControlTunnel, settings: DeviceChange): Result<void> {
  return Object.keys(settings).length === 0 ? ok(undefined) : devices.configure(tunnel, settings);
}

/** ip_tunnel_changelink: no other tunnel has the ends, and a change of ends keeps the kind of the device. */
export function checkChange(tunnel: ControlTunnel, parms: VtiParms, net: IpTunnelNet): Result<void> {
  const other = net.find(parms);
  if (other === tunnel) return ok(undefined);
  const action = `Cannot change link "${tunnel.ifname}"`;
  if (other !== undefined) {
    return fail("EEXIST", `${action}: "${other.ifname}" has the same local, remote and link`);
  }
  if (!changesKind(tunnel, parms.remote)) return ok(undefined);
  const ends = `from ${ipv4Text(tunnel.parms.remote)} to ${ipv4Text(parms.remote)}`;
  return fail("EINVAL", `${action}: remote can't go ${ends}`, "linkinfo.info_data.remote");
}

/** do_setlink: what can be refused before anything is changed. */
function checkSettings(tunnel: ControlTunnel, change: LinkChange, home: VtiDevices): Result<void> {
  const { mtu, ifname } = change;
  const mastered = checkMaster(change, home);
  if (!mastered.ok) return mastered;
  if (mtu !== undefined && (mtu < MIN_MTU_BYTES || mtu > MAX_MTU_BYTES)) {
    const range = `expected ${MIN_MTU_BYTES} to ${MAX_MTU_BYTES}`;
    return fail("EINVAL", `Cannot set MTU of "${tunnel.ifname}" to ${mtu}: ${range}`, "mtu");
  }
  if (ifname === undefined || ifname === tunnel.ifname) return ok(undefined);
  const action = `Cannot rename link "${tunnel.ifname}" to "${ifname}"`;
  if (tunnel.up) return fail("EBUSY", `${action}: the device is up`, "ifname");
  if (!devValidName(ifname)) return fail("EINVAL", `${action}: not a device name`, "ifname");
  if (home.ifindexOf(ifname) !== null) return fail("EEXIST", `${action}: that name is taken`, "ifname");
  return ok(undefined);
}

/**
 * ip_tunnel_update: to the head of its bucket; a new link or fwmark is a new guess, if the MTU is to follow it. The
 * device that gets the ends as its addresses, and the MTU, is that of `addressed`.
 */
export function ipTunnelUpdate(
  tunnel: ControlTunnel,
  parms: VtiParms,
  setMtu: boolean,
  { net, underlay, home }: TunnelPlaces,
  addressed: ControlTunnel = tunnel,
): Result<void> {
  const old = tunnel.parms;
  tunnel.parms = parms;
  tunnel.order = net.nextOrder();
  addressed.address = parms.local;
  addressed.broadcast = parms.remote;
  if (parms.link === old.link && parms.fwmark === old.fwmark) return ok(undefined);
  const mtu = ipTunnelBindDev(addressed.parms, underlay);
  if (addressed.parms.remote !== 0) addressed.pointToPoint = true;
  return setMtu ? home.setMtu(addressed, mtu) : ok(undefined);
}

/**
 * ip_tunnel_dellink: out of the table, then the device. On ip_vti0 it succeeds and does nothing; returns whether it
 * did something.
 */
export function vtiDellink(net: IpTunnelNet, tunnel: ControlTunnel, devices: VtiDevices): boolean {
  if (tunnel.isFallback) return false;
  vtiUnregister(net, tunnel, devices);
  return true;
}

/** unregister_netdevice: also of ip_vti0, when its namespace ends. */
export function vtiUnregister(net: IpTunnelNet, tunnel: ControlTunnel, devices: VtiDevices): void {
  net.tunnels.delete(tunnel.actor);
  devices.unregister(tunnel);
}

export function noSuchLink(ifname: string): Result<never> {
  return fail("ENODEV", `Cannot find device "${ifname}"`, "ifname");
}
