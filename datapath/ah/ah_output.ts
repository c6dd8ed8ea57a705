/**
 * AH, outgoing (RFC 4302 §3.3; net/ipv4/ah4.c ah_output()).
 */
import { type Batch, LENGTH, OFFSET, OUTER_DST, OUTER_SRC } from "../batch.ts";
import * as ah from "../wire/ah.ts";
import * as ipv4 from "../wire/ipv4.ts";
import { IPPROTO_AH } from "../xfrm/xfrm_record.ts";
import type { XfrmState } from "../xfrm/xfrm_state.ts";

/**
 * Puts an AH header before packet `i`, which is `nextHeader`'s, with the sequence number that the SA has just taken.
 *
 *     BEFORE               | payload |
 *     AFTER          | AH  | payload |
 *     SIGNED  | IPv4 | AH  | payload | (high half of the number) |
 *
 * 1. AH header, ICV zero.
 * 2. The IPv4 header that will stand before it, what routers change being zero. The real one is written over it later
 *    and must differ in nothing else.
 * 3. ICV.
 *
 * Returns the protocol of what it has made, 0 when the library failed. `id` is the identification of the outer packet.
 */
export function ahOutput(batch: Batch, i: number, x: XfrmState, nextHeader: number, id: number): number {
  const { i32, view } = batch;
  const auth = x.auth();
  if (auth === null) return 0;

  // 1.
  const at = i32[OFFSET + i] - x.ahBytes;
  const length = i32[LENGTH + i] + x.ahBytes;
  ah.emit(view, at, nextHeader, x.ahBytes, x.spi, x.oseqLo);
  i32[OFFSET + i] = at;
  i32[LENGTH + i] = length;

  // 2.
  const start = at - ipv4.HEADER_BYTES;
  const total = ipv4.HEADER_BYTES + length;
  ipv4.emit(view, start, 0, total, id, 0, 0, IPPROTO_AH, i32[OUTER_SRC + i], i32[OUTER_DST + i]);
  view.setUint16(start + ipv4.CHECKSUM, 0);

  // 3.
  return auth.sign(batch, start, total, at + ah.ICV, x.oseqHi) ? IPPROTO_AH : 0;
}
