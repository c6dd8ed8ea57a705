/** TCP segmentation. Kernel: net/ipv4/tcp_offload.c tcp_gso_segment(). */
import { CWR, FIN, FLAGS, PSH, SEQ } from "../wire/tcp.ts";

/**
 * Turns the TCP header at `th`, a copy of the super-packet's, into that of one segment; the checksum is left alone.
 * `done` is the number of payload bytes before the segment, `last` whether it ends the payload.
 *
 * 1. SEQ: the super-packet's plus what went before, modulo 2^32.
 * 2. FIN and PSH belong to the last byte, so only to the last segment.
 * 3. CWR answers one ECE and must be seen once (RFC 3168 §6.1.2), so only on the first segment.
 */
export function tcpSegment(view: DataView, th: number, done: number, last: boolean): void {
  view.setUint32(th + SEQ, view.getUint32(th + SEQ) + done);
  let flags = view.getUint8(th + FLAGS);
  if (!last) flags &= ~(FIN | PSH);
  if (done > 0) flags &= ~CWR;
  view.setUint8(th + FLAGS, flags);
}
