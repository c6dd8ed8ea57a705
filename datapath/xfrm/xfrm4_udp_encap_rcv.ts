/** What arrives on a UDP port for ESP, ESP or not (net/ipv4/xfrm4_input.c xfrm4_udp_encap_rcv()). */
import * as esp from "../wire/esp.ts";
import { ENCAP_ESPINUDP, ENCAP_ESPINUDP_NONIKE, ENCAP_NONE, NONIKE_BYTES } from "./xfrm_mtu.ts";

/**
 * Encapsulation type of a UDP payload of `length` bytes, ENCAP_NONE when it is no ESP of any of `types`, ENCAP_* or'ed.
 * What has no room for more than an ESP header is a keepalive (RFC 3948 §2.3) or noise; zeros where the SPI would be are
 * the non-ESP marker of IKE (§2.2). In the non-IKE draft eight of them come before ESP; an IKE message has its
 * initiator's SPI behind the first four, which is never zero.
 */
export function xfrm4UdpEncapRcv(view: DataView, at: number, length: number, types: number): number {
  if (length <= esp.HEADER_BYTES) return ENCAP_NONE;
  if (esp.getSpi(view, at) !== 0) return types & ENCAP_ESPINUDP;
  const isNonike = length > NONIKE_BYTES + esp.HEADER_BYTES && view.getInt32(at + 4) === 0;
  return isNonike ? types & ENCAP_ESPINUDP_NONIKE : ENCAP_NONE;
}
