/** What changes in a namespace: devices, addresses, routes and rules, as rtnetlink tells it. */
import type { GoneRoutes } from "../datapath/xfrm/route_lookup.ts";
import { EAGAIN, EINTR, ENOBUFS, errno } from "./errno.ts";
import { libc } from "./libc.ts";
import { netlinkMessages } from "./netlink_message.ts";
import { openNetlink } from "./netlink_socket.ts";
import { SOCK_NONBLOCK } from "./raw_socket.ts";
import { parseGoneRoute } from "./rtnetlink_route.ts";
import { parseLink, RTM_DELLINK, RTM_NEWLINK } from "./rtnetlink_link.ts";

/** Multicast groups, one bit each: devices, neighbours, IPv4 addresses, routes and rules, the last three of IPv6. */
const RTMGRP_LINK = 1 << 0;
const RTMGRP_NEIGH = 1 << 2;
const RTMGRP_IPV4_IFADDR = 1 << 4;
const RTMGRP_IPV4_ROUTE = 1 << 6;
const RTMGRP_IPV4_RULE = 1 << 7;
const RTMGRP_IPV6_IFADDR = 1 << 8;
const RTMGRP_IPV6_ROUTE = 1 << 10;
const RTMGRP_IPV6_RULE = 1 << 18;
const GROUPS = RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV4_RULE |
  RTMGRP_IPV6_IFADDR |
  RTMGRP_IPV6_ROUTE | RTMGRP_IPV6_RULE;

/** RTM_NEWADDR to RTM_DELROUTE, and the rules: what can change the answer to a route lookup. */
const RTM_NEWADDR = 20;
const RTM_DELROUTE = 25;
const RTM_NEWRULE = 32;
const RTM_DELRULE = 33;

/** Datagrams of one read(): the rest waits, so that a flood of changes does not stop everything else. */
const MAX_DATAGRAMS = 64;
const RECEIVE_BYTES = 65536;

export interface LinkChanged {
  readonly ifindex: number;
  readonly ifname: string;
  readonly up: boolean;
  readonly mtu: number;
}

export interface MonitorHandler {
  /** A device is new or has changed. */
  link(link: LinkChanged): void;
  /** A device is gone: deleted, or `moved` to another namespace. */
  linkGone(ifindex: number, moved: boolean): void;
  /** A route of IPv4 was deleted. */
  routeGone?(gone: GoneRoutes): void;
  /** Something changed that routing depends on. Called at most once per read(), behind what is told of the change. */
  routesChanged(): void;
  /** Notifications were lost: what is known of devices must be looked up again. */
  lost?(): void;
}

/**
 * Opens a nonblocking socket for a RtnetlinkMonitor in the calling thread's namespace. Throws SyscallError. It is
 * readable after changes of neighbours too, of which no handler is told more.
 */
export function openRtnetlinkMonitor(): number {
  return openNetlink(GROUPS, SOCK_NONBLOCK);
}

export class RtnetlinkMonitor {
  readonly fd: number;
  readonly #buffer = new Uint8Array(RECEIVE_BYTES);

  /** `fd` is of openRtnetlinkMonitor(). */
  constructor(fd: number) {
    this.fd = fd;
  }

  /** Reads what is there and tells `handler`. */
  read(handler: MonitorHandler): void {
    let routes = false;
    for (let datagrams = 0; datagrams < MAX_DATAGRAMS; datagrams++) {
      const n = libc.recv(this.fd, this.#buffer, BigInt(RECEIVE_BYTES), 0);
      if (n >= 0) {
        routes = readNotifications(this.#buffer.subarray(0, n), handler) || routes;
        continue;
      }
      const error = errno();
      if (error === EINTR) continue;
      if (error !== ENOBUFS) {
        if (error !== EAGAIN) console.error(`Read rtnetlink notifications: errno ${error}`);
        break;
      }
      routes = true;
      handler.lost?.();
    }
    if (routes) handler.routesChanged();
  }
}

/** Takes one datagram apart, whatever is in it. Returns whether routing may have changed. */
export function readNotifications(datagram: Uint8Array, handler: MonitorHandler): boolean {
  let routes = false;
  for (const message of netlinkMessages(datagram)) {
    const { type } = message;
    if (type === RTM_NEWLINK || type === RTM_DELLINK) {
      const link = parseLink(message);
      if (link === null) continue;
      if (type === RTM_DELLINK) handler.linkGone(link.ifindex, link.moved);
      else handler.link({ ifindex: link.ifindex, ifname: link.name, up: link.up, mtu: link.mtu });
    } else if (
      (type >= RTM_NEWADDR && type <= RTM_DELROUTE) || type === RTM_NEWRULE || type === RTM_DELRULE
    ) {
      routes = true;
      const gone = handler.routeGone && parseGoneRoute(message);
      if (gone) handler.routeGone!(gone);
    }
  }
  return routes;
}
