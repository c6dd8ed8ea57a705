/** Where a packet goes first: route and neighbour as the kernel has them (RTM_GETROUTE, RTM_GETNEIGH). Cold path. */
import { NetlinkAttributes, type NetlinkMessage, NetlinkRequest } from "./netlink_message.ts";
import { NetlinkSocket } from "./netlink_socket.ts";
import { IFF_NOARP, parseLink, RTM_GETLINK } from "./rtnetlink_link.ts";
import { parseRoute, type Route, routeGetRequest } from "./rtnetlink_route.ts";

const AF_INET = 2;
const ARPHRD_ETHER = 1;
const RTM_NEWNEIGH = 28;
const RTM_GETNEIGH = 30;
const NDA_DST = 1;
const NDA_LLADDR = 2;
/** struct ndmsg: family (1), padding (3), ifindex (4), state (2), flags (1), type (1). */
const NDMSG_BYTES = 12;
const NDMSG_STATE = 8;
/** NUD_REACHABLE, STALE, DELAY, PROBE, PERMANENT: there is an address and the kernel would use it. */
const NUD_VALID = 0x02 | 0x04 | 0x08 | 0x10 | 0x80;
const ETHERNET_ADDRESS_BYTES = 6;

/** A neighbour on an Ethernet device. */
export interface NextHop {
  readonly ifindex: number;
  /** MTU of the device. */
  readonly mtu: number;
  /** Hardware address: bytes 0 to 3, and 4 and 5, as little-endian words. */
  readonly addressLo: number;
  readonly addressHi: number;
}

/** Asks for next hops over one rtnetlink socket (openRtnetlink()). */
export class NextHopLookup {
  readonly #socket: NetlinkSocket;

  constructor(fd: number) {
    this.#socket = new NetlinkSocket(fd);
  }

  /**
   * Next hop from `src` to `dst`, IPv4 addresses as 32-bit integers in host order. Null when there is none that a
   * packet socket could send to: no route, not over Ethernet, or the neighbour's address not known (yet).
   */
  find(dst: number, src: number, tos: number): NextHop | null {
    const route = this.#ask(routeGetRequest({ dst, src, tos }), parseRoute);
    if (route === null || route.type !== "unicast") return null;
    const link = this.#ask(linkGetRequest(route.oif), parseLink);
    if (link === null || link.type !== ARPHRD_ETHER || !link.up || (link.flags & IFF_NOARP) !== 0) {
      return null;
    }
    const address = this.#ask(neighbourGetRequest(route, dst), parseNeighbour);
    if (address === null) return null;
    const view = new DataView(address.buffer);
    return {
      ifindex: route.oif,
      mtu: link.mtu,
      addressLo: view.getInt32(0, true),
      addressHi: view.getUint16(4, true),
    };
  }

  #ask<T>(request: NetlinkRequest, parse: (message: NetlinkMessage) => T | null): T | null {
    let found: T | null = null;
    const refused = this.#socket.ask(request, 0, (message) => found = parse(message));
    return refused === null ? found : null;
  }
}

function linkGetRequest(ifindex: number): NetlinkRequest {
  return new NetlinkRequest(RTM_GETLINK, 0).u8(0).u8(0).u16(0).u32(ifindex).u32(0).u32(0);
}

function neighbourGetRequest({ oif, gateway }: Route, dst: number): NetlinkRequest {
  const hop = gateway === 0 ? dst : gateway;
  return new NetlinkRequest(RTM_GETNEIGH, 0)
    .u8(AF_INET).u8(0).u16(0).u32(oif).u16(0).u8(0).u8(0)
    .attr(NDA_DST, Uint8Array.of(hop >>> 24, hop >>> 16, hop >>> 8, hop));
}

/** Ethernet address in an RTM_NEWNEIGH message; null when it has none that holds. */
export function parseNeighbour({ type, view, start, end }: NetlinkMessage): Uint8Array<ArrayBuffer> | null {
  if (type !== RTM_NEWNEIGH || end - start < NDMSG_BYTES) return null;
  if ((view.getUint16(start + NDMSG_STATE, true) & NUD_VALID) === 0) return null;
  const address = new NetlinkAttributes(view, start + NDMSG_BYTES, end).bytes(NDA_LLADDR);
  return address !== undefined && address.length === ETHERNET_ADDRESS_BYTES ? address : null;
}
