/** IPComp, outgoing (RFC 3173 §2; net/xfrm/xfrm_ipcomp.c ipcomp_output()). */
import { type Batch, LENGTH, OFFSET } from "../batch.ts";
import * as ipcomp from "../wire/ipcomp.ts";
import { IPPROTO_COMP } from "../xfrm/xfrm_record.ts";
import type { XfrmState } from "../xfrm/xfrm_state.ts";
import type { Compressor } from "./compressor.ts";

/** Shorter payloads are not compressed (calg_list[], "deflate"). */
const THRESHOLD_BYTES = 90;

/**
 * Compresses packet `i`, which is `nextHeader`'s, in place.
 *
 *     BEFORE   | payload               |
 *     AFTER    | IPComp | compressed |
 *
 * What does not get shorter by that stays as it is and has no IPComp header: in tunnel mode it is IP in IP. Returns the
 * protocol of what is there now.
 */
export function ipcompOutput(
  batch: Batch,
  i: number,
  x: XfrmState,
  nextHeader: number,
  compressor: Compressor,
): number {
  const { i32, view } = batch;
  const at = i32[OFFSET + i];
  const length = i32[LENGTH + i];
  if (length < THRESHOLD_BYTES) return nextHeader;
  const bytes = compressor.deflate(batch, at, length);
  if (bytes < 0 || bytes + ipcomp.HEADER_BYTES >= length) return nextHeader;
  compressor.take(batch, at + ipcomp.HEADER_BYTES);
  ipcomp.emit(view, at, nextHeader, x.spi);
  i32[LENGTH + i] = bytes + ipcomp.HEADER_BYTES;
  return IPPROTO_COMP;
}
