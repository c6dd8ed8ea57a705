/** One SA's part of sending (net/xfrm/xfrm_output.c xfrm_output_one()). */
import { type Batch, INNER_LENGTH, PATH_MTU } from "../batch.ts";
import { DropReason } from "../drop_reason.ts";
import { espOutput } from "../esp/esp_output.ts";
import type { FlowEntry } from "./flow_cache.ts";
import { ALIVE, EXPIRY_EXPIRED, HARD_EXPIRED } from "./xfrm_state.ts";
import type { XfrmTable } from "./xfrm_table.ts";

/**
 * 1. The SA is valid. 2. Its limits let one more packet pass. 3. A sequence number, never to be used again.
 * 4. Counters. 5. ESP. Returns a DropReason.
 */
export function xfrmOutput(table: XfrmTable, batch: Batch, i: number, bundle: FlowEntry): number {
  const state = bundle.state!;
  if (state.expiry === EXPIRY_EXPIRED) return DropReason.OutStateInvalid;
  const expiry = state.checkExpire(table.now);
  if (expiry !== ALIVE) {
    table.expired(state, expiry);
    if (expiry === HARD_EXPIRED) return DropReason.OutStateExpired;
  }
  if (!state.nextSequence()) return DropReason.OutStateSeqError;
  state.count(batch.i32[INNER_LENGTH + i]);
  if (!espOutput(batch, i, state, bundle.pathMtu, table)) return DropReason.OutStateProtoError;
  batch.i32[PATH_MTU + i] = bundle.pathMtu;
  return 0;
}
