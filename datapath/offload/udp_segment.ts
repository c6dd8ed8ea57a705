/** UDP segmentation. Kernel: net/ipv4/udp_offload.c __udp_gso_segment(). */
import { HEADER_BYTES, LENGTH } from "../wire/udp.ts";

/** Turns the UDP header at `uh`, a copy of the super-packet's, into that of a datagram of `size` payload bytes. */
export function udpSegment(view: DataView, uh: number, size: number): void {
  view.setUint16(uh + LENGTH, HEADER_BYTES + size);
}
