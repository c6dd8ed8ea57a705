/**
 * What a tunnel is to the control path, and the rules that all tunnel drivers share.
 * Kernel: net/ipv4/ip_tunnel.c ip_tunnel_find(), ip_tunnel_bind_dev(), ip_tunnel_update().
 *
 * Addresses are u32 in host order, 0 is "any"; keys are mark values in host order.
 */
import { ipv4IsMulticast } from "../../datapath/tunnel/ip_tunnel_parm.ts";

/** ETH_MIN_MTU: the least MTU of an IPv4 device. */
export const MIN_MTU_BYTES = 68;
/** Longest IPv4 packet less the outer header. */
export const MAX_MTU_BYTES = 65535 - 20;
const OUTER_IPV4_BYTES = 20;
const DEFAULT_UNDERLAY_MTU_BYTES = 1500;

/** The six IFLA_VTI_* attributes. */
export interface VtiParms {
  readonly local: number;
  readonly remote: number;
  readonly iKey: number;
  readonly oKey: number;
  /** ifindex in the underlay namespace, 0 unbound. */
  readonly link: number;
  readonly fwmark: number;
}

/** What a tunnel's ioctls know besides (struct iphdr in ip_tunnel_parm): stored and shown, without effect on a vti. */
export interface TunnelHeader {
  /** 0: inherit. */
  readonly ttl: number;
  readonly tos: number;
  readonly pmtudisc: boolean;
}

/** What rtnetlink sets, which can't say anything else. */
export const NO_HEADER: TunnelHeader = { ttl: 0, tos: 0, pmtudisc: false };

export interface ControlTunnel {
  readonly actor: number;
  /** Namespace (inode) whose SAD, SPD, sockets and routes it uses, for ever. */
  readonly underlay: number;
  /** Namespace (inode) that its device lives in now. */
  home: number;
  /** It is the namespace's ip_vti0, whatever its name is now. */
  readonly isFallback: boolean;
  ifname: string;
  /** In `home`. */
  ifindex: number;
  parms: VtiParms;
  header: TunnelHeader;
  /** Made by ioctl: `ip -d link` shows the limits of its MTU. */
  readonly byIoctl: boolean;
  /** Set when the remote was given, and never taken back. */
  pointToPoint: boolean;
  /** dev_addr and broadcast of the device: the ends of its tunnel, but see chgTunnel(). */
  address: number;
  broadcast: number;
  /** Local address at creation; `ip link` prints it as permaddr when it differs. */
  readonly permAddress: number;
  mtu: number;
  up: boolean;
  /** It was up at some time, and has had a queue since. */
  everUp: boolean;
  order: number;
}

/** struct ip_tunnel_net: the tunnels whose underlay is one namespace, wherever their devices live. */
export class IpTunnelNet {
  /** By actor. */
  readonly tunnels = new Map<number, ControlTunnel>();
  #order = 0;

  /** `inode` is the namespace's. */
  constructor(readonly inode: number) {}

  /** ip_vti0, where there is one. */
  get fallback(): ControlTunnel | undefined {
    for (const t of this.tunnels.values()) if (t.isFallback) return t;
    return undefined;
  }

  /** A tunnel that is inserted later stands nearer to the head of its bucket. */
  nextOrder(): number {
    return ++this.#order;
  }

  /**
   * Keys and fwmark are not part of a tunnel's identity; ip_vti0 has one too (ip_tunnel_find). NB: once it was given a
   * key by ioctl it stands in the bucket of that key, where no search looks.
   */
  find(parms: VtiParms): ControlTunnel | undefined {
    for (const t of this.tunnels.values()) {
      const p = t.parms;
      if (t.isFallback && p.iKey !== 0) continue;
      if (p.local === parms.local && p.remote === parms.remote && p.link === parms.link) return t;
    }
    return undefined;
  }
}

/** What a tunnel needs of its underlay namespace; null when there is no such route or device. */
export interface Underlay {
  ifindexOf(ifname: string): number | null;
  ifnameOf(ifindex: number): string | null;
  deviceMtu(ifindex: number): number | null;
  routeDeviceMtu(remote: number, local: number, link: number, fwmark: number): number | null;
}

/** The MTU of a device with these parameters (ip_tunnel_bind_dev): the underlay's less the outer header. */
export function ipTunnelBindDev(parms: VtiParms, underlay: Underlay): number {
  const { remote, local, link, fwmark } = parms;
  const byRoute = remote === 0 ? null : underlay.routeDeviceMtu(remote, local, link, fwmark);
  const base = byRoute ?? (link === 0 ? null : underlay.deviceMtu(link)) ?? DEFAULT_UNDERLAY_MTU_BYTES;
  return Math.max(Math.min(base, 65535) - OUTER_IPV4_BYTES, MIN_MTU_BYTES);
}

/** An MTU given at creation is clamped without a word (ip_tunnel_newlink). */
export function clampMtu(mtu: number): number {
  return Math.min(Math.max(mtu, MIN_MTU_BYTES), MAX_MTU_BYTES);
}

/** True when a change of endpoints would change the kind of device, which the kernel refuses with EINVAL. */
export function changesKind(tunnel: ControlTunnel, remote: number): boolean {
  const wantsPointToPoint = remote !== 0 && !ipv4IsMulticast(remote);
  const wantsBroadcast = remote !== 0 && ipv4IsMulticast(remote);
  return wantsBroadcast || wantsPointToPoint !== tunnel.pointToPoint;
}

/** "192.0.2.1" of a u32. */
export function ipv4Text(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** u32 of a strict dotted quad, or null. */
export function parseIpv4(text: string): number | null {
  const parts = text.split(".");
  if (parts.length !== 4) return null;
  let value = 0;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return null;
    value = value * 256 + Number(part);
  }
  return value;
}
