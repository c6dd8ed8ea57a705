/** A network device as rtnetlink shows it (RTM_NEWLINK, linux/if_link.h). */
import { NetlinkAttributes, type NetlinkMessage, NetlinkRequest } from "./netlink_message.ts";

export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;

export const IFF_UP = 0x1;
export const IFF_NOTRAILERS = 0x20;
export const IFF_NOARP = 0x80;
export const IFF_PROMISC = 0x100;
export const IFF_ALLMULTI = 0x200;
export const IFF_MULTICAST = 0x1000;
export const IFF_DYNAMIC = 0x8000;
/** It has carrier; shown only of a device that is up. */
export const IFF_LOWER_UP = 0x10000;

/** struct ifinfomsg: family (1), padding (1), type (2), index (4), flags (4), change mask (4). */
const IFINFOMSG_BYTES = 16;
export const IFLA_ADDRESS = 1;
export const IFLA_BROADCAST = 2;
export const IFLA_IFNAME = 3;
export const IFLA_MTU = 4;
const IFLA_LINK = 5;
const IFLA_QDISC = 6;
export const IFLA_MASTER = 10;
export const IFLA_TXQLEN = 13;
const IFLA_OPERSTATE = 16;
export const IFLA_LINKMODE = 17;
export const IFLA_LINKINFO = 18;
export const IFLA_IFALIAS = 20;
export const IFLA_INFO_KIND = 1;
export const IFLA_INFO_DATA = 2;
export const IFLA_AF_SPEC = 26;
export const IFLA_GROUP = 27;
export const IFLA_NET_NS_FD = 28;
const IFLA_PROMISCUITY = 30;
const IFLA_NUM_TX_QUEUES = 31;
const IFLA_NUM_RX_QUEUES = 32;
export const IFLA_GSO_MAX_SEGS = 40;
export const IFLA_GSO_MAX_SIZE = 41;
const IFLA_NEW_NETNSID = 45;
const IFLA_NEW_IFINDEX = 49;
const IFLA_MIN_MTU = 50;
const IFLA_MAX_MTU = 51;
const IFLA_PERM_ADDRESS = 54;
export const IFLA_GRO_MAX_SIZE = 58;
const IFLA_TSO_MAX_SIZE = 59;
const IFLA_TSO_MAX_SEGS = 60;
const IFLA_ALLMULTI = 61;
const AF_UNSPEC = 0;
const AF_INET = 2;
/** The sysctls of net.ipv4.conf.DEVICE, s32 each; places in it are IPV4_DEVCONF_* less 1 (linux/ip.h). */
const IFLA_INET_CONF = 1;
const IPV4_DEVCONF_NOXFRM = 15;
const IPV4_DEVCONF_NOPOLICY = 16;
export const AF_INET6 = 10;
export const IFLA_INET6_ADDR_GEN_MODE = 8;

/** Operational states by IFLA_OPERSTATE (RFC 2863), as iproute2 prints them. */
const OPERSTATES = ["UNKNOWN", "NOTPRESENT", "DOWN", "LOWERLAYERDOWN", "TESTING", "DORMANT", "UP"];
export const LINKMODES = ["DEFAULT", "DORMANT"];
export const ADDR_GEN_MODES = ["eui64", "none", "stable_secret", "random"];

export interface Link {
  readonly ifindex: number;
  readonly name: string;
  /** IFF_* bits. */
  readonly flags: number;
  readonly up: boolean;
  readonly mtu: number;
  /** ARPHRD_* (768 ipip). */
  readonly type: number;
  /** "vti", "tun", "veth" …; "" for a device without a kind. */
  readonly kind: string;
  readonly operstate: string;
  readonly linkmode: string;
  readonly qdisc: string;
  readonly txqlen: number;
  readonly group: number;
  /** ifindex of the VRF or bridge it belongs to, 0 none. */
  readonly master: number;
  /** `ip link set … alias`; "" none. */
  readonly alias: string;
  /** ifindex of the device this one sits on, 0 none. */
  readonly link: number;
  /** Hardware addresses; empty where the device has none. */
  readonly address: Uint8Array<ArrayBuffer>;
  readonly broadcast: Uint8Array<ArrayBuffer>;
  readonly permAddress: Uint8Array<ArrayBuffer>;
  readonly promiscuity: number;
  readonly allmulti: number;
  readonly minMtu: number;
  readonly maxMtu: number;
  readonly numTxQueues: number;
  readonly numRxQueues: number;
  readonly gsoMaxSize: number;
  readonly gsoMaxSegs: number;
  readonly tsoMaxSize: number;
  readonly tsoMaxSegs: number;
  readonly groMaxSize: number;
  /** "eui64" …; "" without IPv6. */
  readonly inet6AddrGenMode: string;
  /** net.ipv4.conf.DEVICE.disable_policy and disable_xfrm; not in notifications of every change. */
  readonly noPolicy: boolean;
  readonly noXfrm: boolean;
  /** The message says that the device went to another namespace. */
  readonly moved: boolean;
}

/**
 * Takes an RTM_NEWLINK or RTM_DELLINK message apart. Returns null for one that is too short, of another type, or not
 * about the device itself: a bridge tells of its ports in the same messages.
 */
export function parseLink(message: NetlinkMessage): Link | null {
  const { type, view, start, end } = message;
  if ((type !== RTM_NEWLINK && type !== RTM_DELLINK) || end - start < IFINFOMSG_BYTES) return null;
  if (view.getUint8(start) !== AF_UNSPEC) return null;
  const flags = view.getUint32(start + 8, true);
  const attributes = new NetlinkAttributes(view, start + IFINFOMSG_BYTES, end);
  const number = (attribute: number): number => attributes.u32(attribute) ?? 0;
  const bytes = (attribute: number) => attributes.bytes(attribute) ?? new Uint8Array(0);
  const families = attributes.nest(IFLA_AF_SPEC);
  const genMode = families?.nest(AF_INET6)?.u8(IFLA_INET6_ADDR_GEN_MODE);
  const conf = families?.nest(AF_INET)?.bytes(IFLA_INET_CONF);
  return {
    ifindex: view.getInt32(start + 4, true),
    name: attributes.string(IFLA_IFNAME) ?? "",
    flags,
    up: (flags & IFF_UP) !== 0,
    mtu: number(IFLA_MTU),
    type: view.getUint16(start + 2, true),
    kind: attributes.nest(IFLA_LINKINFO)?.string(IFLA_INFO_KIND) ?? "",
    operstate: OPERSTATES[attributes.u8(IFLA_OPERSTATE) ?? 0] ?? "UNKNOWN",
    linkmode: LINKMODES[attributes.u8(IFLA_LINKMODE) ?? 0] ?? "DEFAULT",
    qdisc: attributes.string(IFLA_QDISC) ?? "",
    txqlen: number(IFLA_TXQLEN),
    group: number(IFLA_GROUP),
    master: number(IFLA_MASTER),
    alias: attributes.string(IFLA_IFALIAS) ?? "",
    link: number(IFLA_LINK),
    address: bytes(IFLA_ADDRESS),
    broadcast: bytes(IFLA_BROADCAST),
    permAddress: bytes(IFLA_PERM_ADDRESS),
    promiscuity: number(IFLA_PROMISCUITY),
    allmulti: number(IFLA_ALLMULTI),
    minMtu: number(IFLA_MIN_MTU),
    maxMtu: number(IFLA_MAX_MTU),
    numTxQueues: number(IFLA_NUM_TX_QUEUES),
    numRxQueues: number(IFLA_NUM_RX_QUEUES),
    gsoMaxSize: number(IFLA_GSO_MAX_SIZE),
    gsoMaxSegs: number(IFLA_GSO_MAX_SEGS),
    tsoMaxSize: number(IFLA_TSO_MAX_SIZE),
    tsoMaxSegs: number(IFLA_TSO_MAX_SEGS),
    groMaxSize: number(IFLA_GRO_MAX_SIZE),
    inet6AddrGenMode: genMode === undefined ? "" : ADDR_GEN_MODES[genMode] ?? "",
    noPolicy: isSet(conf, IPV4_DEVCONF_NOPOLICY),
    noXfrm: isSet(conf, IPV4_DEVCONF_NOXFRM),
    moved: attributes.has(IFLA_NEW_NETNSID) || attributes.has(IFLA_NEW_IFINDEX),
  };
}

/** A message about one device, or with index 0 about one that its attributes name; `mask` says which of `ifFlags` count. */
export function linkRequest(
  type: number,
  flags: number,
  ifindex: number,
  ifFlags = 0,
  mask = 0,
): NetlinkRequest {
  return ifinfomsg(new NetlinkRequest(type, flags), ifindex, ifFlags, mask);
}

/** Appends a struct ifinfomsg. */
export function ifinfomsg(
  request: NetlinkRequest,
  ifindex: number,
  flags: number,
  mask: number,
): NetlinkRequest {
  return request.u8(0).u8(0).u16(0).u32(ifindex).u32(flags).u32(mask);
}

/** Whether an s32 of IFLA_INET_CONF is other than 0. */
function isSet(conf: Uint8Array | undefined, which: number): boolean {
  return conf?.subarray(4 * (which - 1), 4 * which).some((byte) => byte !== 0) ?? false;
}
