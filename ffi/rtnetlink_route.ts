/** Routes as rtnetlink shows and takes them (RTM_NEWROUTE, RTM_GETROUTE, linux/rtnetlink.h). */
import type { GoneRoutes } from "../datapath/xfrm/route_lookup.ts";
import {
  NetlinkAttributes,
  type NetlinkMessage,
  NetlinkRequest,
  NLM_F_CREATE,
  NLM_F_EXCL,
} from "./netlink_message.ts";

const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTM_GETROUTE = 26;
const AF_INET = 2;
const AF_INET6 = 10;

/** struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type (1 each), flags (4). */
const RTMSG_BYTES = 12;
const RTMSG_TYPE = 7;
const RTM_F_FIB_MATCH = 0x2000;
const RT_TABLE_MAIN = 254;
const RTPROT_STATIC = 4;
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_LINK = 253;
/** In a removal: any. */
const RT_SCOPE_NOWHERE = 255;
const RTN_UNICAST = 1;
const RTA_DST = 1;
const RTA_SRC = 2;
const RTA_IIF = 3;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PREFSRC = 7;
const RTA_MULTIPATH = 9;
const RTA_METRICS = 8;
const RTAX_LOCK = 1;
const RTAX_MTU = 2;
const RTAX_HOPLIMIT = 10;
const RTA_CACHEINFO = 12;
/** struct rta_cacheinfo: clntref (4), lastuse (4), expires (4) … */
const CACHEINFO_EXPIRES = 8;
const RTA_MARK = 16;

/** Types of a route (RTN_*) by number. */
const ROUTE_TYPES = [
  "unspec",
  "unicast",
  "local",
  "broadcast",
  "anycast",
  "multicast",
  "blackhole",
  "unreachable",
  "prohibit",
];

/** What to look up. IPv4 addresses are 32-bit integers in host order, either sign; what is absent or 0 is any. */
export interface RouteQuestion {
  readonly dst: number;
  readonly src?: number;
  readonly tos?: number;
  readonly mark?: number;
  readonly oif?: number;
  /** Of the routing table itself, without what the kernel has learned of the path. */
  readonly fibMatch?: boolean;
}

/** A route that was found. */
export interface Route {
  readonly oif: number;
  /** MTU of the route itself or learned from the path; 0: the device's counts. */
  readonly mtu: number;
  /** The route's own MTU is fixed ("mtu lock"). */
  readonly mtuLocked: boolean;
  /** 0: the route has none of its own. */
  readonly hopLimit: number;
  /** The MTU was learned from an ICMP error and expires. */
  readonly learned: boolean;
  /** Source address for packets of this host, and next hop; 0 none. */
  readonly prefsrc: number;
  readonly gateway: number;
  /** "unicast", "local", "broadcast" … */
  readonly type: string;
}

/** A route to make: by a gateway, an interface, or both. Addresses are 4 or 16 bytes in network order. */
export interface NewRoute {
  readonly dst: Uint8Array;
  readonly prefix: number;
  readonly gateway?: Uint8Array;
  readonly oif?: number;
  readonly mtu?: number;
}

export function routeGetRequest(
  { dst, src = 0, tos = 0, mark = 0, oif = 0, fibMatch = false }: RouteQuestion,
): NetlinkRequest {
  const request = new NetlinkRequest(RTM_GETROUTE, 0)
    .u8(AF_INET).u8(32).u8(src === 0 ? 0 : 32).u8(tos)
    .u8(0).u8(0).u8(0).u8(0).u32(fibMatch ? RTM_F_FIB_MATCH : 0)
    .attr(RTA_DST, ipv4Bytes(dst));
  if (src !== 0) request.attr(RTA_SRC, ipv4Bytes(src));
  if (mark !== 0) request.attrU32(RTA_MARK, mark >>> 0);
  if (oif !== 0) request.attrU32(RTA_OIF, oif);
  return request;
}

/** Asks where a packet goes that came in by interface `iif`; addresses as in StackRoutes. */
export function routeInputRequest(
  family: number,
  src: Int32Array,
  dst: Int32Array,
  iif: number,
  mark: number,
): NetlinkRequest {
  const bits = family === AF_INET ? 32 : 128;
  const request = new NetlinkRequest(RTM_GETROUTE, 0)
    .u8(family).u8(bits).u8(bits).u8(0).u8(0).u8(0).u8(0).u8(0).u32(0)
    .attr(RTA_DST, addressBytes(dst, bits)).attr(RTA_SRC, addressBytes(src, bits)).attrU32(RTA_IIF, iif);
  if (mark !== 0) request.attrU32(RTA_MARK, mark >>> 0);
  return request;
}

/** RTN_* of an answer to that, 0 for a message of another type. */
export function routeType({ type, view, start, end }: NetlinkMessage): number {
  return type !== RTM_NEWROUTE || end - start < RTMSG_BYTES ? 0 : view.getUint8(start + RTMSG_TYPE);
}

function addressBytes(words: Int32Array, bits: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(bits / 8);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; at += 4) view.setInt32(at, words[at / 4]);
  return bytes;
}

export function newRouteRequest({ dst, prefix, gateway, oif, mtu }: NewRoute): NetlinkRequest {
  const scope = gateway === undefined ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  const request = new NetlinkRequest(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL)
    .u8(familyOf(dst)).u8(prefix).u8(0).u8(0)
    .u8(RT_TABLE_MAIN).u8(RTPROT_STATIC).u8(scope).u8(RTN_UNICAST).u32(0);
  if (prefix > 0) request.attr(RTA_DST, dst);
  if (gateway !== undefined) request.attr(RTA_GATEWAY, gateway);
  if (oif !== undefined) request.attrU32(RTA_OIF, oif);
  if (mtu !== undefined) request.nest(RTA_METRICS, (metrics) => metrics.attrU32(RTAX_MTU, mtu));
  return request;
}

/** The opposite of newRouteRequest(); metrics do not tell routes apart. */
export function delRouteRequest({ dst, prefix, gateway, oif }: NewRoute): NetlinkRequest {
  const request = new NetlinkRequest(RTM_DELROUTE, 0)
    .u8(familyOf(dst)).u8(prefix).u8(0).u8(0)
    .u8(RT_TABLE_MAIN).u8(RTPROT_STATIC).u8(RT_SCOPE_NOWHERE).u8(RTN_UNICAST).u32(0);
  if (prefix > 0) request.attr(RTA_DST, dst);
  if (gateway !== undefined) request.attr(RTA_GATEWAY, gateway);
  if (oif !== undefined) request.attrU32(RTA_OIF, oif);
  return request;
}

/** Takes an RTM_NEWROUTE message about IPv4 apart. Returns null for one that is too short or of another type. */
export function parseRoute({ type, view, start, end }: NetlinkMessage): Route | null {
  if (type !== RTM_NEWROUTE || end - start < RTMSG_BYTES) return null;
  const attributes = new NetlinkAttributes(view, start + RTMSG_BYTES, end);
  const cache = attributes.bytes(RTA_CACHEINFO);
  const expires = cache !== undefined && cache.length >= CACHEINFO_EXPIRES + 4
    ? new DataView(cache.buffer).getInt32(CACHEINFO_EXPIRES, true)
    : 0;
  const metrics = attributes.nest(RTA_METRICS);
  return {
    oif: attributes.u32(RTA_OIF) ?? 0,
    mtu: metrics?.u32(RTAX_MTU) ?? 0,
    mtuLocked: ((metrics?.u32(RTAX_LOCK) ?? 0) & (1 << RTAX_MTU)) !== 0,
    hopLimit: metrics?.u32(RTAX_HOPLIMIT) ?? 0,
    learned: expires !== 0,
    prefsrc: ipv4(attributes.bytes(RTA_PREFSRC)),
    gateway: ipv4(attributes.bytes(RTA_GATEWAY)),
    type: ROUTE_TYPES[view.getUint8(start + RTMSG_TYPE)] ?? "unspec",
  };
}

/** Which routes an RTM_DELROUTE message about IPv4 ends. Returns null for one that is too short or of another type. */
export function parseGoneRoute({ type, view, start, end }: NetlinkMessage): GoneRoutes | null {
  if (type !== RTM_DELROUTE || end - start < RTMSG_BYTES || view.getUint8(start) !== AF_INET) return null;
  const attributes = new NetlinkAttributes(view, start + RTMSG_BYTES, end);
  const hasMany = attributes.bytes(RTA_MULTIPATH) !== undefined;
  return {
    dst: ipv4(attributes.bytes(RTA_DST)),
    prefix: Math.min(view.getUint8(start + 1), 32),
    oif: attributes.u32(RTA_OIF) ?? 0,
    gateway: hasMany ? null : ipv4(attributes.bytes(RTA_GATEWAY)),
  };
}

/** AF_INET for 4 bytes, AF_INET6 for 16. Throws RangeError for others. */
export function familyOf(address: Uint8Array): number {
  if (address.length === 4) return AF_INET;
  if (address.length === 16) return AF_INET6;
  throw new RangeError(`Take an IP address: ${address.length} bytes, 4 or 16 are needed`);
}

function ipv4Bytes(address: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(address >>> 24, address >>> 16, address >>> 8, address);
}

function ipv4(bytes: Uint8Array | undefined): number {
  if (bytes === undefined || bytes.length < 4) return 0;
  return ((bytes[0] << 24) | (bytes[1] << 16) | (bytes[2] << 8) | bytes[3]) >>> 0;
}
