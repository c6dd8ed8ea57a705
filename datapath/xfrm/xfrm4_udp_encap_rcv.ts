/** What arrives on a UDP port for ESP without being ESP (net/ipv4/xfrm4_input.c xfrm4_udp_encap_rcv()). */
import * as esp from "../wire/esp.ts";

/**
 * Whether a UDP payload is ESP. What has no room for more than an ESP header is a keepalive (RFC 3948 §2.3) or noise;
 * zeros where the SPI would be are the non-ESP marker of IKE (§2.2).
 */
export function xfrm4UdpEncapRcv(view: DataView, at: number, length: number): boolean {
  return length > esp.HEADER_BYTES && esp.getSpi(view, at) !== 0;
}
