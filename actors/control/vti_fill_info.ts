/** What `ip -d -s -j link show` prints of a vti. Kernel: net/ipv4/ip_vti.c vti_fill_info(), rtnl_fill_ifinfo(). */
import type { DropName } from "../../datapath/drop_reason.ts";
import type { LinkInfo, LinkStats } from "../gateway.ts";
import { type ControlTunnel, ipv4Text, MAX_MTU_BYTES, MIN_MTU_BYTES } from "./ip_tunnel.ts";
import { TX_QUEUE_PACKETS } from "./vti_link_ops.ts";

/** ip_vti0's as it was made. */
const FALLBACK_MTU_BYTES = 1480;

/** What only the real device knows: settings of the system's own `ip link set`. */
export interface LiveLink {
  readonly arp: boolean;
  readonly multicast: boolean;
  readonly carrier: boolean;
  readonly trailers: boolean;
  readonly dynamic: boolean;
  readonly allmulti: number;
  readonly promiscuity: number;
  readonly txqlen: number;
  readonly group: number;
  /** Name of the VRF it belongs to, "" none. */
  readonly master: string;
  readonly alias: string;
  readonly linkmode: string;
  readonly gsoMaxSize: number;
  readonly gsoMaxSegs: number;
  readonly groMaxSize: number;
  /** "" where the device has no IPv6: below its least MTU, for one. */
  readonly addrGenMode: string;
}

/** A device that nobody has touched. */
export const UNTOUCHED: LiveLink = {
  arp: false,
  multicast: false,
  carrier: true,
  trailers: true,
  dynamic: false,
  allmulti: 0,
  promiscuity: 0,
  txqlen: TX_QUEUE_PACKETS,
  group: 0,
  master: "",
  alias: "",
  linkmode: "DEFAULT",
  gsoMaxSize: 65536,
  gsoMaxSegs: 65535,
  groMaxSize: 65536,
  addrGenMode: "eui64",
};

export interface FillInfo {
  readonly tunnel: ControlTunnel;
  readonly live: LiveLink;
  /** Name of the device it is bound to. */
  readonly linkName: string | null;
  /** Id of the underlay namespace in the device's own, where they differ. */
  readonly linkNetnsid: number | null;
  readonly stats64: LinkStats;
  readonly drops: Partial<Record<DropName, number>>;
}

export function vtiFillInfo({ tunnel, live, linkName, linkNetnsid, stats64, drops }: FillInfo): LinkInfo {
  const { parms, pointToPoint, up, address, permAddress, byIoctl } = tunnel;
  const any = (address: number): string => address === 0 ? "any" : ipv4Text(address);
  return {
    ifindex: tunnel.ifindex,
    link: linkName,
    ifname: tunnel.ifname,
    flags: flagsOf(tunnel, live),
    mtu: tunnel.mtu,
    qdisc: tunnel.everUp ? "noqueue" : "noop",
    ...(live.master === "" ? {} : { master: live.master }),
    operstate: up && live.carrier ? "UNKNOWN" : "DOWN",
    linkmode: live.linkmode,
    group: live.group === 0 ? "default" : String(live.group),
    txqlen: live.txqlen,
    link_type: "ipip",
    address: ipv4Text(address),
    ...(pointToPoint ? { link_pointtopoint: true as const } : {}),
    broadcast: ipv4Text(tunnel.broadcast),
    ...(permAddress !== 0 && permAddress !== address ? { permaddr: ipv4Text(permAddress) } : {}),
    ...(linkNetnsid === null ? {} : { link_netnsid: linkNetnsid }),
    promiscuity: live.promiscuity,
    allmulti: live.allmulti,
    min_mtu: byIoctl ? MIN_MTU_BYTES : 0,
    max_mtu: byIoctl ? MAX_MTU_BYTES : 0,
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
    ...(hasIpv6(tunnel, live) ? { inet6_addr_gen_mode: live.addrGenMode } : {}),
    num_tx_queues: 1,
    num_rx_queues: 1,
    gso_max_size: live.gsoMaxSize,
    gso_max_segs: live.gsoMaxSegs,
    tso_max_size: 65536,
    tso_max_segs: 65535,
    gro_max_size: live.groMaxSize,
    ...(live.alias === "" ? {} : { ifalias: live.alias }),
    stats64,
    drops,
  };
}

/** ip_vti0 is older than the namespace's IPv6, and gets it when it goes up or has another MTU (addrconf_notify()). */
function hasIpv6({ isFallback, everUp, mtu }: ControlTunnel, live: LiveLink): boolean {
  if (live.addrGenMode === "") return false;
  return !isFallback || everUp || mtu !== FALLBACK_MTU_BYTES;
}

/** In the order of iproute2's print_link_flags(). */
function flagsOf({ pointToPoint, up }: ControlTunnel, live: LiveLink): string[] {
  const flags: [string, boolean][] = [
    ["NO-CARRIER", up && !live.carrier],
    ["POINTOPOINT", pointToPoint],
    ["MULTICAST", live.multicast],
    ["NOARP", !live.arp],
    ["ALLMULTI", live.allmulti > 0],
    ["PROMISC", live.promiscuity > 0],
    ["DYNAMIC", live.dynamic],
    ["NOTRAILERS", !live.trailers],
    ["UP", up],
    ["LOWER_UP", up && live.carrier],
  ];
  return flags.filter(([, set]) => set).map(([name]) => name);
}
