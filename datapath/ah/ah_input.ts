/**
 * AH, incoming (RFC 4302 §3.4; net/ipv4/ah4.c ah_input()).
 */
import { type Batch, LENGTH, OFFSET, OUTER_HEADER } from "../batch.ts";
import { BAD_FORMAT, BAD_ICV } from "../esp/esp_input.ts";
import * as ah from "../wire/ah.ts";
import * as ipv4 from "../wire/ipv4.ts";
import type { XfrmState } from "../xfrm/xfrm_state.ts";
import { clearMutableOptions } from "./ah_options.ts";

/**
 * Verifies packet `i`, whose AH header is at OFFSET with its IPv4 header right before.
 *
 *     | IPv4, mutable fields zero | AH, ICV zero | payload | (high half of the number) |
 *      \________________________________ authenticated ________________________________/
 *
 * 1. Lengths: the header is as long as the SA's MAC makes it, whole or truncated, and all there.
 * 2. Zero what routers may change: TOS, the fragment word, TTL, checksum, options. What they said is in OUTER_TOS.
 * 3. ICV over everything.
 *
 * OFFSET and LENGTH then describe the payload. Returns its next header, BAD_FORMAT or BAD_ICV.
 */
export function ahInput(batch: Batch, i: number, x: XfrmState, seqHi: number): number {
  const { i32, u8, view } = batch;
  const at = i32[OFFSET + i];
  const length = i32[LENGTH + i];

  // 1.
  const bytes = ah.getHeaderBytes(view, at);
  if (bytes !== x.ahBytes && bytes !== x.ahFullBytes) return BAD_FORMAT;
  const outer = i32[OUTER_HEADER + i];
  if (bytes > length || outer === 0) return BAD_FORMAT;

  // 2.
  const start = at - outer;
  view.setUint8(start + ipv4.TOS, 0);
  view.setUint16(start + ipv4.FRAGMENT, 0);
  view.setUint8(start + ipv4.TTL, 0);
  view.setUint16(start + ipv4.CHECKSUM, 0);
  if (outer > ipv4.HEADER_BYTES && !clearMutableOptions(u8, start, outer)) return BAD_FORMAT;

  // 3.
  const auth = x.auth();
  if (auth === null) return BAD_FORMAT;
  if (!auth.verify(batch, start, outer + length, at + ah.ICV, seqHi)) return BAD_ICV;

  i32[OFFSET + i] = at + bytes;
  i32[LENGTH + i] = length - bytes;
  return u8[at + ah.NEXT_HEADER];
}
