/** UDP segmentation. Kernel: net/ipv4/udp_offload.c __udp_gso_segment(). */
import { HEADER_BYTES, LENGTH } from "../wire/udp.ts";

/**
 * Writes the length of a datagram of `size` payload bytes into the UDP header at `uh`, a copy of the super-packet's.
 * Returns the sum of what was written.
 */
export function udpSegment(view: DataView, uh: number, size: number): number {
  view.setUint16(uh + LENGTH, HEADER_BYTES + size);
  return HEADER_BYTES + size;
}
