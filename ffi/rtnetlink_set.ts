/** What rtnetlink may change of a device (do_setlink() in net/core/rtnetlink.c), as one message. */
import type { NetlinkRequest } from "./netlink_message.ts";
import { checkIfname } from "./netlink_socket.ts";
import {
  ADDR_GEN_MODES,
  AF_INET6,
  IFF_ALLMULTI,
  IFF_DYNAMIC,
  IFF_MULTICAST,
  IFF_NOARP,
  IFF_NOTRAILERS,
  IFF_PROMISC,
  IFF_UP,
  IFLA_ADDRESS,
  IFLA_AF_SPEC,
  IFLA_BROADCAST,
  IFLA_GRO_MAX_SIZE,
  IFLA_GROUP,
  IFLA_GSO_MAX_SEGS,
  IFLA_GSO_MAX_SIZE,
  IFLA_IFALIAS,
  IFLA_IFNAME,
  IFLA_INET6_ADDR_GEN_MODE,
  IFLA_LINKMODE,
  IFLA_MASTER,
  IFLA_MTU,
  IFLA_NET_NS_FD,
  IFLA_TXQLEN,
  LINKMODES,
  linkRequest,
  RTM_NEWLINK,
} from "./rtnetlink_link.ts";

export interface LinkSettings {
  readonly ifindex: number;
  readonly up?: boolean;
  readonly mtu?: number;
  readonly name?: string;
  readonly txqlen?: number;
  /** Hardware addresses. EOPNOTSUPP: a TUN device takes a broadcast (peer) address, but no address of its own. */
  readonly address?: Uint8Array;
  readonly broadcast?: Uint8Array;
  readonly arp?: boolean;
  readonly multicast?: boolean;
  readonly allmulticast?: boolean;
  readonly promisc?: boolean;
  readonly trailers?: boolean;
  readonly dynamic?: boolean;
  readonly group?: number;
  /** ifindex of a VRF or bridge; 0 leaves the one it is in. */
  readonly master?: number;
  /** "" takes it away. */
  readonly alias?: string;
  /** As Link has them. */
  readonly linkmode?: string;
  readonly inet6AddrGenMode?: string;
  readonly gsoMaxSize?: number;
  readonly gsoMaxSegs?: number;
  readonly groMaxSize?: number;
  /** Descriptor of the namespace that the device shall move to. */
  readonly netns?: number;
}

/** The bit of each setting that is a flag, and whether the flag says the opposite. */
const FLAGS = [
  ["up", IFF_UP, false],
  ["arp", IFF_NOARP, true],
  ["multicast", IFF_MULTICAST, false],
  ["allmulticast", IFF_ALLMULTI, false],
  ["promisc", IFF_PROMISC, false],
  ["trailers", IFF_NOTRAILERS, true],
  ["dynamic", IFF_DYNAMIC, false],
] as const;

/** The message that changes what is given, and no more. Throws SyscallError EINVAL for what is no name of a device. */
export function setLinkRequest(settings: LinkSettings, action: string): NetlinkRequest {
  let [flags, mask] = [0, 0];
  for (const [name, bit, isInverse] of FLAGS) {
    const value = settings[name];
    if (value === undefined) continue;
    mask |= bit;
    if (value !== isInverse) flags |= bit;
  }
  const request = linkRequest(RTM_NEWLINK, 0, settings.ifindex, flags, mask);
  const number = (type: number, value: number | undefined) => {
    if (value !== undefined) request.attrU32(type, value);
  };
  if (settings.name !== undefined) {
    checkIfname(settings.name, action);
    request.attrString(IFLA_IFNAME, settings.name);
  }
  number(IFLA_MTU, settings.mtu);
  number(IFLA_TXQLEN, settings.txqlen);
  number(IFLA_GROUP, settings.group);
  number(IFLA_MASTER, settings.master);
  number(IFLA_GSO_MAX_SIZE, settings.gsoMaxSize);
  number(IFLA_GSO_MAX_SEGS, settings.gsoMaxSegs);
  number(IFLA_GRO_MAX_SIZE, settings.groMaxSize);
  number(IFLA_NET_NS_FD, settings.netns);
  if (settings.linkmode !== undefined) request.attrU8(IFLA_LINKMODE, LINKMODES.indexOf(settings.linkmode));
  if (settings.address !== undefined) request.attr(IFLA_ADDRESS, settings.address);
  if (settings.broadcast !== undefined) request.attr(IFLA_BROADCAST, settings.broadcast);
  // Without its NUL: a length of 0 is what takes an alias away.
  if (settings.alias !== undefined) request.attr(IFLA_IFALIAS, new TextEncoder().encode(settings.alias));
  const { inet6AddrGenMode: mode } = settings;
  if (mode !== undefined) {
    request.nest(IFLA_AF_SPEC, (families) => {
      families.nest(
        AF_INET6,
        (inet6) => inet6.attrU8(IFLA_INET6_ADDR_GEN_MODE, ADDR_GEN_MODES.indexOf(mode)),
      );
    });
  }
  return request;
}
