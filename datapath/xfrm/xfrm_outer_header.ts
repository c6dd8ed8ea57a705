/**
 * The outer IPv4 header of tunnel mode (RFC 4301 §5.1.2; net/xfrm/xfrm_output.c xfrm4_tunnel_encap_add()).
 *
 * While a packet is being made its header stands in the batch's fields OUTER_*, with OFFSET and LENGTH describing what
 * is behind it. Its bytes are written when nothing can change it any more: length and protocol do with every transform.
 */
import { type Batch, LENGTH, OFFSET, OUTER_DF, OUTER_DST, OUTER_SRC, OUTER_TOS } from "../batch.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as ipv6 from "../wire/ipv6.ts";
import { IPPROTO_IPIP, IPPROTO_IPV6 } from "./xfrm_record.ts";
import type { XfrmState } from "./xfrm_state.ts";

/** Longest IPv4 packet. */
export const MAX_IPV4 = 65535;

/** What an outer header needs besides the SA. */
export interface OuterSource {
  /** TTL of the outer header of the packet in hand. */
  readonly ttl: number;
  /** Identification of the outer header of the packet in hand. */
  id: number;
  /** Identification of the next outer packet that may be fragmented. */
  nextId(): number;
}

/**
 * Starts the outer header of packet `i`, which is an IP packet at OFFSET, as the SA wants it. Returns the protocol that
 * stands for that packet: IPv4 or IPv6 in IP.
 */
export function tunnelEncapAdd(batch: Batch, i: number, x: XfrmState, outer: OuterSource): number {
  const { i32, u8, view } = batch;
  const at = i32[OFFSET + i];
  const isIpv4 = ipv4.getVersion(view, at) === 4;
  const df = outerDf(x, isIpv4, view, at);
  if (!df) outer.id = outer.nextId();
  i32[OUTER_SRC + i] = x.saddr[0];
  i32[OUTER_DST + i] = x.daddr[0];
  i32[OUTER_TOS + i] = outerTos(x, isIpv4 ? u8[at + ipv4.TOS] : ipv6.getTrafficClass(view, at));
  i32[OUTER_DF + i] = df ? 1 : 0;
  return isIpv4 ? IPPROTO_IPIP : IPPROTO_IPV6;
}

/** Identification of the outer packet: one that is never fragmented needs none (RFC 6864 §4.1). */
export function outerId(batch: Batch, i: number, outer: OuterSource): number {
  return batch.i32[OUTER_DF + i] === 0 ? outer.id : 0;
}

/**
 * Writes the outer header before packet `i`, which is `protocol`'s. False when that makes it longer than IPv4 allows.
 */
export function emitOuterHeader(batch: Batch, i: number, protocol: number, outer: OuterSource): boolean {
  const { i32, view } = batch;
  const start = i32[OFFSET + i] - ipv4.HEADER_BYTES;
  const total = i32[LENGTH + i] + ipv4.HEADER_BYTES;
  if (total > MAX_IPV4) return false;
  const mayFragment = i32[OUTER_DF + i] === 0;
  const id = mayFragment ? outer.id : 0;
  const df = mayFragment ? 0 : ipv4.DF;
  const src = i32[OUTER_SRC + i];
  ipv4.emit(
    view,
    start,
    i32[OUTER_TOS + i],
    total,
    id,
    df,
    outer.ttl,
    protocol,
    src,
    i32[OUTER_DST + i],
  );
  i32[OFFSET + i] = start;
  i32[LENGTH + i] = total;
  return true;
}

/** DSCP of the inner packet; its ECN, but CE becomes ECT(0) (RFC 3168 §9.1.1). */
function outerTos(x: XfrmState, inner: number): number {
  const ecn = inner & ipv4.ECN_MASK;
  const dscp = x.dontEncapDscp ? 0 : inner & ~ipv4.ECN_MASK;
  if (x.noecn) return dscp;
  return dscp | (ecn === ipv4.ECN_CE ? ipv4.ECN_ECT0 : ecn);
}

/** IPv6 routers never fragment, so its outer packet may not be fragmented either. */
function outerDf(x: XfrmState, isIpv4: boolean, view: DataView, at: number): boolean {
  if (x.nopmtudisc) return false;
  return !isIpv4 || (ipv4.getFragment(view, at) & ipv4.DF) !== 0;
}
