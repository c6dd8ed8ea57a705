/**
 * What actors say to each other and to the gateway: kinds of parcels, letters, and the records they start from.
 * What crosses threads survives a structured clone.
 */
import type { FragNeeded } from "../datapath/vti/vti4_err.ts";
import type { IcmpLimits } from "../datapath/icmp/icmp_rate_limit.ts";
import type { GoneRoutes } from "../datapath/xfrm/route_lookup.ts";
import type { IpTunnelParm } from "../datapath/tunnel/ip_tunnel_parm.ts";
import type { WantedState } from "../datapath/xfrm/xfrm_acquire.ts";
import type { MemoryAddress } from "../ffi/shared_memory.ts";
import type { ControlTunnel } from "./control/ip_tunnel.ts";
import type { XfrmChange } from "./control/xfrm_change.ts";
import type { PacketDigest } from "./poison_mark.ts";
import type { OutputSysctls } from "./sysctls.ts";

/** KIND of a batch on its round trip. */
export const BatchKind = {
  /** tunnel → SA table: inner packets to encrypt. */
  transmit: 1,
  /** SA table → netns: outer packets to send, among refused ones. */
  send: 2,
  /** netns → SA table: outer packets to decrypt. */
  receive: 3,
  /** SA table → tunnel, tunnel → tunnel: inner packets and refused ones. */
  deliver: 4,
  /** Home: every packet sent or refused. */
  done: 5,
} as const;

/** Cells of the XFRM_MIB counters; each actor that counts has its own. */
export type MibCells = Float64Array;

export interface UdpPort {
  readonly port: number;
  /** ENCAP_*, or'ed, of what comes to it. */
  readonly types: number;
  readonly fd: number;
}

/** How an actor is kept from packets that do harm. */
export interface QuarantineInit {
  /** Memory of its mark (poison_mark.ts). */
  readonly mark: MemoryAddress;
  /** For how long it shall process packets one at a time, milliseconds. */
  readonly carefulMs: number;
  /** Packets that it shall drop. */
  readonly known: readonly PacketDigest[];
}

export interface NetnsInit {
  readonly kind: "netns";
  readonly saTable: number;
  /** Raw sockets that receive ESP, AH and IP in IP. */
  readonly rawFds: readonly number[];
  /** Raw socket that receives IPComp. */
  readonly compFd: number;
  /** Raw socket that sends whole packets. */
  readonly sendFd: number;
  /** Raw socket that receives ICMP errors. */
  readonly icmpErrorFd: number;
  /** Packet socket that sends past the kernel's IP layer; rtnetlink and nftables sockets that say when it may. */
  readonly packetFd: number;
  readonly hopsFd: number;
  /** -1 where the kernel has no nftables. */
  readonly nftablesFd: number;
  /** The namespace itself. */
  readonly netnsFd: number;
  /** rtnetlink socket that is told of links and routes. */
  readonly monitorFd: number;
  /** inotify of the folder whose file `ip route flush cache` writes, or -1. */
  readonly routeFlushFd: number;
  readonly udpPorts: readonly UdpPort[];
  readonly tunnels: readonly IpTunnelParm[];
  readonly mib: MibCells;
  /** One cell: received packets that other actors have. */
  readonly inFlight: Float64Array;
}

export interface SaTableInit extends OutputSysctls {
  readonly kind: "sa_table";
  readonly netns: number;
  /** rtnetlink socket for route lookups. */
  readonly routeFd: number;
  readonly crypto: "ipsec-mb" | "libcrypto" | "noble";
  /** Of the gateway's SteadyClock. */
  readonly clockOffset: number;
  readonly changes: readonly XfrmChange[];
  readonly mib: MibCells;
}

/** What may change of a tunnel while it lives. */
export interface TunnelView {
  readonly parm: IpTunnelParm;
  readonly mtu: number;
  /** Raw ICMP and ICMPv6 sockets in the device's namespace, for answers to inner senders. */
  readonly icmpFd: number;
  readonly icmp6Fd: number;
  readonly icmpLimits: IcmpLimits;
  /** The device's ifindex in the underlay namespace, 0 when it lives in another one. */
  readonly underlayIfindex: number;
}

export interface TunnelInit extends TunnelView {
  readonly kind: "tunnel";
  readonly saTable: number;
  readonly tunFd: number;
  readonly counters: Float64Array;
}

/** An init record on its way: cells by the address of their memory. A view of it would be copied. */
type OnItsWay<T, Cells extends keyof T> = Omit<T, Cells> & { readonly [C in Cells]: MemoryAddress };
export type NetnsMessage = OnItsWay<NetnsInit, "mib" | "inFlight">;
export type SaTableMessage = OnItsWay<SaTableInit, "mib">;
export type TunnelMessage = OnItsWay<TunnelInit, "counters">;
export type ActorRecord = NetnsMessage | SaTableMessage | TunnelMessage;
export type ActorInit = ActorRecord & { readonly quarantine: QuarantineInit };

/** Gateway → netns. */
export type NetnsLetter =
  | { readonly op: "tunnel-set"; readonly parm: IpTunnelParm }
  | { readonly op: "tunnel-del"; readonly actor: number }
  | { readonly op: "udp-open"; readonly port: UdpPort };

/** Gateway → SA table, and netns → SA table for routes and what ICMP errors say. */
export type SaTableLetter =
  | { readonly op: "xfrm"; readonly change: XfrmChange }
  | { readonly op: "routes-changed"; readonly gone?: readonly GoneRoutes[] }
  | { readonly op: "sysctls"; readonly sysctls: OutputSysctls }
  | { readonly op: "frag-needed"; readonly reports: readonly FragNeeded[] };

/** Gateway → tunnel. */
export interface TunnelLetter extends TunnelView {
  readonly op: "set";
}

/** Actors → gateway. */
export type GatewayLetter =
  | {
    readonly op: "link";
    readonly ifindex: number;
    readonly ifname: string;
    readonly up: boolean;
    readonly mtu: number;
  }
  | { readonly op: "link-gone"; readonly ifindex: number }
  /** Notifications of links were lost. */
  | { readonly op: "links-lost" }
  /** A device can't be read; its actor tries again each tick. */
  | { readonly op: "tun-failed"; readonly actor: number; readonly errno: number }
  | { readonly op: "expired"; readonly number: number; readonly hard: boolean }
  /** Packets in UDP come from another address (u32, host order) or port. */
  | { readonly op: "mapped"; readonly number: number; readonly src: number; readonly port: number }
  | { readonly op: "acquire"; readonly wanted: WantedState }
  | PoisonLetter;

/** A stage threw at a packet, which was dropped. */
export interface PoisonLetter extends PacketDigest {
  readonly op: "poison";
  /** What was thrown. */
  readonly message: string;
  /** Such packets since the last letter, this one included. */
  readonly packets: number;
}

/** A tunnel as the packet path knows it. */
export function parmOf({ actor, ifindex, home, underlay, parms, up, order }: ControlTunnel): IpTunnelParm {
  const { local, remote, iKey, oKey, link } = parms;
  return { actor, ifindex, away: home !== underlay, local, remote, iKey, oKey, link, up, order };
}
