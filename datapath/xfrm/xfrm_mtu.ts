/**
 * How long an inner packet may be (net/xfrm/xfrm_state.c xfrm_state_mtu(), net/ipv4/esp4.c esp_init_state()).
 */
import * as esp from "../wire/esp.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as udp from "../wire/udp.ts";

/** UDP encapsulation types (include/uapi/linux/udp.h). */
export const ENCAP_NONE = 0;
export const ENCAP_ESPINUDP_NONIKE = 1;
/** Zero bytes that the non-IKE draft puts between UDP and ESP. */
export const NONIKE_BYTES = 8;

/** Bytes between the start of the outer IPv4 header and the ESP header. */
export function encapBytes(encapType: number): number {
  if (encapType === ENCAP_NONE) return ipv4.HEADER_BYTES;
  return ipv4.HEADER_BYTES + udp.HEADER_BYTES + (encapType === ENCAP_ESPINUDP_NONIKE ? NONIKE_BYTES : 0);
}

/**
 * Longest inner packet of a tunnel mode ESP SA whose outer packet fits `mtu`.
 * What is left for the text is rounded down to the cipher's block, then pad length and next header go off.
 * 0 when nothing fits.
 */
export function xfrmStateMtu(
  mtu: number,
  encapType: number,
  ivLength: number,
  icvLength: number,
  blockSize: number,
): number {
  const room = mtu - encapBytes(encapType) - esp.HEADER_BYTES - ivLength - icvLength;
  return Math.max(0, room - (room % blockSize) - esp.TRAILER_BYTES);
}
