/** rtnetlink: devices, addresses and routes of the namespace the socket was opened in. Cold path, synchronous. */
import type { RouteLookup, RouteResult, StackRoutes } from "../datapath/xfrm/route_lookup.ts";
import { ENETUNREACH, ENODEV } from "./errno.ts";
import { close } from "./io.ts";
import {
  NetlinkAttributes,
  type NetlinkMessage,
  NetlinkRequest,
  NLM_F_CREATE,
  NLM_F_EXCL,
} from "./netlink_message.ts";
import { checkIfname, NetlinkRefusal, NetlinkSocket, openNetlink } from "./netlink_socket.ts";
import {
  ifinfomsg,
  IFLA_IFNAME,
  IFLA_INFO_DATA,
  IFLA_INFO_KIND,
  IFLA_LINKINFO,
  IFLA_MTU,
  IFLA_NET_NS_FD,
  type Link,
  linkRequest,
  parseLink,
  RTM_DELLINK,
  RTM_GETLINK,
  RTM_NEWLINK,
} from "./rtnetlink_link.ts";
import {
  delRouteRequest,
  familyOf,
  type NewRoute,
  newRouteRequest,
  parseRoute,
  type Route,
  routeGetRequest,
  routeInputRequest,
  type RouteQuestion,
  routeType,
} from "./rtnetlink_route.ts";
import { type LinkSettings, setLinkRequest } from "./rtnetlink_set.ts";

const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_GETADDR = 22;
const IFLA_EXT_MASK = 29;
const RTEXT_FILTER_SKIP_STATS = 8;
const VETH_INFO_PEER = 1;
const IFADDRMSG_BYTES = 8;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const RTM_NEWNSID = 88;
const RTM_GETNSID = 90;
/** struct rtgenmsg: family (1), padding. */
const RTGENMSG_BYTES = 4;
const AF_UNSPEC = 0;
const NETNSA_NSID = 1;
const NETNSA_FD = 3;

/** An IPv4 address of 4 bytes or an IPv6 address of 16, in network order. */
export type AddressBytes = Uint8Array;

/** A new veth pair, whose other end may appear in another namespace (a descriptor). */
export interface NewVeth {
  readonly name: string;
  readonly peer: { readonly name: string; readonly netns?: number };
  readonly mtu?: number;
}

export interface InterfaceAddress {
  readonly ifindex: number;
  readonly prefix: number;
  /** The interface's own address. */
  readonly local: Uint8Array<ArrayBuffer>;
}

/** A route, or why there is none: `errno` is 0 or the kernel's refusal. */
export interface RouteAnswer extends Route {
  readonly errno: number;
}

const NO_ROUTE: Route = {
  oif: 0,
  mtu: 0,
  mtuLocked: false,
  learned: false,
  prefsrc: 0,
  hopLimit: 0,
  gateway: 0,
  type: "unreachable",
};
/** MTU that IPv4 uses at the most, whatever the device says (the kernel's IP_MAX_MTU). */
const IP_MAX_MTU = 0xfff0;

/** Opens a socket for Rtnetlink in the calling thread's namespace. Throws SyscallError. */
export function openRtnetlink(): number {
  return openNetlink();
}

/** All methods throw SyscallError with the kernel's errno, where they say nothing else. */
export class Rtnetlink {
  readonly #socket: NetlinkSocket;

  /** `fd` is of openRtnetlink(); absent, one is opened in the calling thread's namespace. */
  constructor(fd: number = openRtnetlink()) {
    this.#socket = new NetlinkSocket(fd);
  }

  close(): void {
    close(this.#socket.fd);
  }

  /** All devices, by index. */
  links(): Link[] {
    const request = () => linkRequest(RTM_GETLINK, 0, 0).attrU32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    return this.#socket.dump(request, "List devices", parseLink).sort((a, b) => a.ifindex - b.ifindex);
  }

  /** One device by name or index, or null when there is none. */
  link(device: string | number): Link | null {
    const action = `Look up device ${JSON.stringify(device)}`;
    const request = linkRequest(RTM_GETLINK, 0, typeof device === "number" ? device : 0)
      .attrU32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    if (typeof device === "string") {
      checkIfname(device, action);
      request.attrString(IFLA_IFNAME, device);
    }
    let link: Link | null = null;
    const refused = this.#socket.ask(request, 0, (message) => link = parseLink(message));
    if (refused === null) return link;
    if (refused.errno === ENODEV) return null;
    throw new NetlinkRefusal(action, refused);
  }

  /** Changes what is given of a device. */
  setLink(settings: LinkSettings): void {
    const action = `Change device ${settings.ifindex}`;
    this.#socket.change(setLinkRequest(settings, action), action);
  }

  /** Makes a veth pair and returns the index of the end that is here. */
  newVeth({ name, mtu, peer }: NewVeth): number {
    const action = `Make veth pair "${name}" and "${peer.name}"`;
    checkIfname(name, action);
    checkIfname(peer.name, action);
    const request = linkRequest(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0).attrString(IFLA_IFNAME, name);
    if (mtu !== undefined) request.attrU32(IFLA_MTU, mtu);
    request.nest(IFLA_LINKINFO, (info) => {
      info.attrString(IFLA_INFO_KIND, "veth").nest(IFLA_INFO_DATA, (data) => {
        data.nest(VETH_INFO_PEER, (end) => {
          ifinfomsg(end, 0, 0, 0).attrString(IFLA_IFNAME, peer.name);
          if (mtu !== undefined) end.attrU32(IFLA_MTU, mtu);
          if (peer.netns !== undefined) end.attrU32(IFLA_NET_NS_FD, peer.netns);
        });
      });
    });
    this.#socket.change(request, action);
    return this.link(name)!.ifindex;
  }

  /** Id that a namespace (a descriptor) has in this one, as `ip netns list-id` shows it; it gets one if it has none. */
  nsid(netns: number): number {
    const ask = () => {
      let id = -1;
      const request = new NetlinkRequest(RTM_GETNSID, 0).u32(AF_UNSPEC).attrU32(NETNSA_FD, netns);
      const refused = this.#socket.ask(request, 0, ({ view, start, end }) => {
        id = (new NetlinkAttributes(view, start + RTGENMSG_BYTES, end).u32(NETNSA_NSID) ?? -1) | 0;
      });
      if (refused !== null) throw new NetlinkRefusal("Look up a namespace's id", refused);
      return id;
    };
    const known = ask();
    if (known >= 0) return known;
    const request = new NetlinkRequest(RTM_NEWNSID, 0).u32(AF_UNSPEC)
      .attrU32(NETNSA_NSID, 0xffffffff).attrU32(NETNSA_FD, netns);
    this.#socket.change(request, "Give a namespace an id");
    return ask();
  }

  delLink(ifindex: number): void {
    this.#socket.change(linkRequest(RTM_DELLINK, 0, ifindex), `Delete device ${ifindex}`);
  }

  /** Gives an interface an address; the address of a point-to-point peer where there is one. */
  addAddress(ifindex: number, address: AddressBytes, prefix: number, peer: AddressBytes = address): void {
    const request = new NetlinkRequest(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL)
      .u8(familyOf(address)).u8(prefix).u8(0).u8(0).u32(ifindex)
      .attr(IFA_LOCAL, address).attr(IFA_ADDRESS, peer);
    this.#socket.change(request, `Add an address to device ${ifindex}`);
  }

  /** EADDRNOTAVAIL: the interface does not have it. */
  delAddress(ifindex: number, address: AddressBytes, prefix: number): void {
    const request = new NetlinkRequest(RTM_DELADDR, 0)
      .u8(familyOf(address)).u8(prefix).u8(0).u8(0).u32(ifindex)
      .attr(IFA_LOCAL, address);
    this.#socket.change(request, `Remove an address from device ${ifindex}`);
  }

  /** All addresses of all interfaces. */
  addresses(): InterfaceAddress[] {
    const request = () => new NetlinkRequest(RTM_GETADDR, 0).u32(0).u32(0);
    return this.#socket.dump(request, "List addresses", parseAddress);
  }

  addRoute(route: NewRoute): void {
    this.#socket.change(newRouteRequest(route), "Add a route");
  }

  /** ESRCH: there is no such route. */
  delRoute(route: NewRoute): void {
    this.#socket.change(delRouteRequest(route), "Remove a route");
  }

  /**
   * The route that a packet of this host would take: two questions to the kernel where the route has no MTU of its
   * own. What the kernel refuses is an answer too (ENETUNREACH …), not an exception.
   */
  routeGet(question: RouteQuestion): RouteAnswer {
    let route: Route | null = null;
    const refused = this.#socket.ask(routeGetRequest(question), 0, (message) => route = parseRoute(message));
    // TypeScript does not see that the callback ran.
    const found = route as Route | null;
    if (refused !== null || found === null) return { ...NO_ROUTE, errno: refused?.errno ?? ENETUNREACH };
    const mtu = found.mtu !== 0 ? found.mtu : this.link(found.oif)?.mtu ?? 0;
    return { ...found, errno: 0, mtu: Math.min(mtu, IP_MAX_MTU) };
  }

  /** RTN_* of where a packet goes that came in by `ifindex`, 0 where the stack drops it; as StackRoutes.input(). */
  routeInput(family: number, src: Int32Array, dst: Int32Array, ifindex: number, mark: number): number {
    let type = 0;
    const request = routeInputRequest(family, src, dst, ifindex, mark);
    const refused = this.#socket.ask(request, 0, (message) => type = routeType(message));
    return refused === null ? type : 0;
  }
}

/** The SA table's way to ask for routes: one record, filled anew by each lookup. */
export class RtnetlinkRoutes implements RouteLookup, StackRoutes {
  readonly #rtnl: Rtnetlink;
  readonly #result: RouteResult = { errno: 0, oif: 0, mtu: 0, src: 0, gateway: 0, hopLimit: 0 };

  /** `fd` is of openRtnetlink(). */
  constructor(fd: number) {
    this.#rtnl = new Rtnetlink(fd);
  }

  lookup(dst: number, src: number, tos: number, mark: number): RouteResult {
    const question = { dst, src, tos, mark };
    const route = this.#rtnl.routeGet(question);
    const { errno, oif, mtuLocked, prefsrc, gateway, hopLimit } = route;
    const mtu = route.learned ? this.#ownMtu(question, oif) : route.mtu;
    return Object.assign(this.#result, { errno, oif, mtu, mtuLocked, src: prefsrc, gateway, hopLimit });
  }

  input(family: number, src: Int32Array, dst: Int32Array, ifindex: number, mark: number): number {
    return this.#rtnl.routeInput(family, src, dst, ifindex, mark);
  }

  /**
   * MTU of the route itself. What the kernel has learned came through a socket, which looks at addresses and ports of
   * an ICMP error and at nothing of the packet's own: who has seen no packet can make it up.
   */
  #ownMtu(question: RouteQuestion, oif: number): number {
    const { errno, mtu } = this.#rtnl.routeGet({ ...question, fibMatch: true });
    return errno === 0 && mtu !== 0 ? mtu : Math.min(this.#rtnl.link(oif)?.mtu ?? 0, IP_MAX_MTU);
  }
}

function parseAddress({ type, view, start, end }: NetlinkMessage): InterfaceAddress | null {
  if (type !== RTM_NEWADDR || end - start < IFADDRMSG_BYTES) return null;
  const attributes = new NetlinkAttributes(view, start + IFADDRMSG_BYTES, end);
  // IPv6 has IFA_LOCAL only on point-to-point devices.
  const local = attributes.bytes(IFA_LOCAL) ?? attributes.bytes(IFA_ADDRESS);
  if (local === undefined) return null;
  return { ifindex: view.getUint32(start + 4, true), prefix: view.getUint8(start + 1), local };
}
