/** TCP segmentation. Kernel: net/ipv4/tcp_offload.c tcp_gso_segment(). */
import { CWR, FIN, FLAG_WORD, PSH, SEQ } from "../wire/tcp.ts";

/**
 * Writes what a segment has of its own into the TCP header at `th`, a copy of the super-packet's; the checksum is left
 * alone. `seq` is the sequence number; `flagWord` the super-packet's 16 bits of data offset and flags. Returns the
 * sum of what was written.
 *
 * 1. FIN and PSH belong to the last byte, so only to the last segment.
 * 2. CWR answers one ECE and must be seen once (RFC 3168 §6.1.2), so only on the first segment.
 */
export function tcpSegment(
  view: DataView,
  th: number,
  seq: number,
  flagWord: number,
  first: boolean,
  last: boolean,
): number {
  let word = flagWord;
  if (!last) word &= ~(FIN | PSH);
  if (!first) word &= ~CWR;
  view.setInt32(th + SEQ, seq);
  view.setUint16(th + FLAG_WORD, word);
  return (seq >>> 16) + (seq & 0xffff) + word;
}
