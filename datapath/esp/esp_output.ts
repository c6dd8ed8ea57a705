/**
 * ESP in tunnel mode, outgoing (RFC 4303 §3.3, RFC 3948 §3.4; net/ipv4/esp4.c esp_output(), net/xfrm/xfrm_output.c
 * xfrm4_tunnel_encap_add()).
 *
 * Not handled: AH, IPComp, ESP in TCP, transport mode and BEET (a vti refuses both).
 */
import { type Batch, LENGTH, OFFSET, SLOT_BYTES, TAILROOM } from "../batch.ts";
import { DATA, OUTER_DF, OUTER_DST, OUTER_PROTO, OUTER_SRC, OUTER_TOS, SA, UDP_PORTS } from "../batch.ts";
import * as esp from "../wire/esp.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as ipv6 from "../wire/ipv6.ts";
import * as udp from "../wire/udp.ts";
import { xfrmStateMtu } from "../xfrm/xfrm_mtu.ts";
import { IPPROTO_ESP, IPPROTO_IPIP, IPPROTO_IPV6, IPPROTO_UDP } from "../xfrm/xfrm_record.ts";
import type { XfrmState } from "../xfrm/xfrm_state.ts";

/** Longest IPv4 packet. */
const MAX_IPV4 = 65535;

/** What an outer header needs besides the SA. */
export interface OuterSource {
  /** TTL of outer headers. */
  readonly defaultTtl: number;
  /** Identification of the next outer packet that may be fragmented. */
  nextId(): number;
}

/**
 * Encapsulates and encrypts packet `i` in place, with the sequence number that the SA has just taken.
 *
 *     BEFORE              | inner packet |
 *     AFTER  | IPv4 | (UDP) | ESP | IV | inner packet | TFC | pad, pad length, next header | ICV |
 *                                      \________________ encrypted _______________________/
 *                           \___________________ authenticated ___________________________/
 *
 * 1. Text: TFC zeros, padding to the cipher's block, pad length, next header 4 or 41.
 * 2. ESP header: SPI and the low half of the sequence number.
 * 3. Seal: IV, encryption, ICV.
 * 4. UDP header, when encapsulated.
 * 5. Outer IPv4 header.
 *
 * Returns false when the packet would be longer than IPv4 allows or the library failed. `pathMtu` bounds TFC.
 */
export function espOutput(
  batch: Batch,
  i: number,
  x: XfrmState,
  pathMtu: number,
  outer: OuterSource,
): boolean {
  const { i32, u8, view } = batch;
  const inner = i32[OFFSET + i];
  const length = i32[LENGTH + i];
  const isIpv4 = ipv4.getVersion(view, inner) === 4;
  const innerTos = isIpv4 ? u8[inner + ipv4.TOS] : ipv6.getTrafficClass(view, inner);
  const df = outerDf(x, isIpv4, view, inner);
  const sealer = x.sealer();

  // 1.
  const tfc = x.tfcpad === 0 ? 0 : tfcLength(x, inner, length, pathMtu);
  const block = x.blockSize;
  const bare = length + tfc + esp.TRAILER_BYTES;
  const text = bare + block - 1 & -block;
  const start = inner - x.ivLength - esp.HEADER_BYTES - x.encapBytes;
  const total = inner + text + x.icvLength - start;
  if (sealer === null || total > MAX_IPV4) return false;
  if (tfc !== 0) u8.fill(0, inner + length, inner + length + tfc);
  esp.emitTrailer(u8, inner + length + tfc, text - bare, isIpv4 ? IPPROTO_IPIP : IPPROTO_IPV6);

  // 2. and 3.
  const header = start + x.encapBytes;
  esp.emit(view, header, x.spi, x.oseqLo);
  if (!sealer.seal(batch, header, text, x.oseqHi)) return false;

  // 4.
  if (x.encapType !== 0) emitEncap(view, start, x, total);

  // 5.
  const tos = outerTos(x, innerTos);
  const id = df === 0 ? outer.nextId() : 0;
  const protocol = x.encapType === 0 ? IPPROTO_ESP : IPPROTO_UDP;
  const src = x.saddr[0];
  const dst = x.daddr[0];
  ipv4.emit(view, start, tos, total, id, df, outer.defaultTtl, protocol, src, dst);

  i32[OFFSET + i] = start;
  i32[LENGTH + i] = total;
  i32[OUTER_SRC + i] = src;
  i32[OUTER_DST + i] = dst;
  i32[OUTER_TOS + i] = tos;
  i32[OUTER_DF + i] = df === 0 ? 0 : 1;
  i32[OUTER_PROTO + i] = IPPROTO_ESP;
  i32[UDP_PORTS + i] = x.encapType === 0 ? 0 : x.encapPorts;
  i32[SA + i] = x.number;
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
function outerDf(x: XfrmState, isIpv4: boolean, view: DataView, inner: number): number {
  if (x.nopmtudisc) return 0;
  return isIpv4 ? ipv4.getFragment(view, inner) & ipv4.DF : ipv4.DF;
}

/** Zeros behind the inner packet (RFC 4303 §2.7): up to tfcpad, the path's MTU and the end of the slot. */
function tfcLength(x: XfrmState, inner: number, length: number, pathMtu: number): number {
  const end = inner + length;
  const slotEnd = DATA + Math.ceil((end + TAILROOM - DATA) / SLOT_BYTES) * SLOT_BYTES;
  const mtu = xfrmStateMtu(pathMtu, x.encapType, x.ivLength, x.icvLength, x.blockSize);
  return Math.max(0, Math.min(x.tfcpad - length, mtu - length, slotEnd - TAILROOM - end));
}

function emitEncap(view: DataView, start: number, x: XfrmState, total: number): void {
  const at = start + ipv4.HEADER_BYTES;
  udp.emit(view, at, x.encapPorts, total - ipv4.HEADER_BYTES);
  // The non-IKE draft: eight zero bytes tell ESP from IKE, whose packets start with a cookie.
  if (x.encapBytes > ipv4.HEADER_BYTES + udp.HEADER_BYTES) view.setFloat64(at + udp.HEADER_BYTES, 0);
}
