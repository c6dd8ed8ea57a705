/**
 * Parameters of a tunnel, as far as lookup and the packet path need them (struct ip_tunnel_parm,
 * include/uapi/linux/if_tunnel.h). Addresses are u32 in host order, 0 is "any"; keys are mark values in host order.
 */
export interface IpTunnelParm {
  /** Actor that owns the device. */
  readonly actor: number;
  readonly ifindex: number;
  /** The device lives in another namespace than its underlay. */
  readonly away?: boolean;
  readonly local: number;
  readonly remote: number;
  readonly iKey: number;
  readonly oKey: number;
  /** ifindex of LINK in the underlay namespace, 0 unbound. */
  readonly link: number;
  /** Only devices that are IFF_UP take part in lookups. */
  readonly up: boolean;
  /** Time of (re-)insertion; a larger one stands nearer to the head of its bucket. */
  readonly order: number;
}

/** 224.0.0.0/4 (include/linux/in.h ipv4_is_multicast). */
export function ipv4IsMulticast(address: number): boolean {
  return address >>> 28 === 0xe;
}
