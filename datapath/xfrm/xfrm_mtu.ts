/**
 * How long a packet may be before an SA's transform (net/xfrm/xfrm_state.c xfrm_state_mtu(), net/ipv4/esp4.c
 * esp_init_state()).
 */
import * as esp from "../wire/esp.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as udp from "../wire/udp.ts";
import { IPPROTO_ESP, XfrmModeNumber } from "./xfrm_record.ts";

/** UDP encapsulation types (include/uapi/linux/udp.h). */
/** UDP_ENCAP_* of <linux/udp.h>; they are bits, too. */
export const ENCAP_NONE = 0;
export const ENCAP_ESPINUDP_NONIKE = 1;
export const ENCAP_ESPINUDP = 2;
/** Zero bytes that the non-IKE draft puts between UDP and ESP. */
export const NONIKE_BYTES = 8;

/** Bytes between the outer IPv4 header and the ESP header. */
export function encapBytes(encapType: number): number {
  if (encapType === ENCAP_NONE) return 0;
  return udp.HEADER_BYTES + (encapType === ENCAP_ESPINUDP_NONIKE ? NONIKE_BYTES : 0);
}

/** What an SA adds to a packet. */
export interface MtuShape {
  readonly proto: number;
  readonly mode: number;
  /** Bytes before the payload, the outer header of tunnel mode included (x->props.header_len). */
  readonly headerBytes: number;
  readonly icvLength: number;
  /** The text is a multiple of this. */
  readonly blockSize: number;
}

/**
 * Longest packet whose result fits `mtu`: in tunnel mode the inner packet, in transport mode the IP packet as it was.
 * For ESP what is left for the text is rounded down to the cipher's block, then pad length and next header go off.
 * 0 when nothing fits.
 */
export function xfrmStateMtu(x: MtuShape, mtu: number): number {
  if (x.proto !== IPPROTO_ESP) return Math.max(0, mtu - x.headerBytes);
  const header = x.mode === XfrmModeNumber.tunnel ? 0 : ipv4.HEADER_BYTES;
  const room = mtu - x.headerBytes - x.icvLength - header;
  return Math.max(0, room - (room % x.blockSize) + header - esp.TRAILER_BYTES);
}
