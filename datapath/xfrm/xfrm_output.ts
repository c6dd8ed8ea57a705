/** From an inner packet to the outer one (net/xfrm/xfrm_output.c xfrm_output_one(), xfrm_output_resume()). */
import { ahOutput } from "../ah/ah_output.ts";
import {
  type Batch,
  DATA,
  HEADROOM,
  LENGTH,
  OFFSET,
  PATH_MTU,
  SA,
  SLOT_BYTES,
  TAILROOM,
  UDP_PORTS,
} from "../batch.ts";
import { DropReason } from "../drop_reason.ts";
import { espOutput, padTfc } from "../esp/esp_output.ts";
import { ipcompOutput } from "../ipcomp/ipcomp_output.ts";
import type { BundleStep, FlowEntry } from "./flow_cache.ts";
import { emitOuterHeader, outerId, tunnelEncapAdd } from "./xfrm_outer_header.ts";
import { IPPROTO_AH, IPPROTO_COMP, IPPROTO_ESP } from "./xfrm_record.ts";
import { ALIVE, EXPIRY_EXPIRED, HARD_EXPIRED, type XfrmState } from "./xfrm_state.ts";
import type { XfrmTable } from "./xfrm_table.ts";

/** Applies the SAs of a bundle, the innermost first, and writes the outer header. Returns a DropReason. */
export function xfrmOutput(table: XfrmTable, batch: Batch, i: number, bundle: FlowEntry): number {
  const state = bundle.state!;
  const more = bundle.more;
  const bytes = batch.i32[LENGTH + i];
  if (more !== null && !makeRoom(batch, i, bundle)) return DropReason.OutError;
  table.ttl = bundle.hopLimit === 0 ? table.defaultTtl : bundle.hopLimit;
  if (state.tfcpad !== 0) padTfc(batch, i, state, bundle.childMtu, bundle.tailBytes);
  let protocol = xfrmOutputOne(table, batch, i, state, 0, bytes);
  if (more !== null && protocol > 0) protocol = outputMore(table, batch, i, more, protocol);
  if (protocol < 0) return -protocol;
  if (!emitOuterHeader(batch, i, protocol, table)) return DropReason.OutStateProtoError;
  batch.i32[PATH_MTU + i] = bundle.pathMtu;
  batch.i32[SA + i] = state.number;
  return 0;
}

/** Applies the SAs after the first to a packet that is `protocol`'s. Returns as xfrmOutputOne() does. */
function outputMore(
  table: XfrmTable,
  batch: Batch,
  i: number,
  more: readonly BundleStep[],
  protocol: number,
): number {
  for (let k = 0; k < more.length && protocol > 0; k++) {
    const { state, childMtu, tailBytes, hopLimit } = more[k];
    // It works on what the SA before it has made.
    table.seals?.flush();
    // What a tunnel wraps is a whole packet; transport mode goes between its header and the rest.
    if (state.isTunnel) {
      if (!emitOuterHeader(batch, i, protocol, table)) return -DropReason.OutStateProtoError;
      table.ttl = hopLimit === 0 ? table.defaultTtl : hopLimit;
    }
    batch.i32[UDP_PORTS + i] = 0;
    const bytes = batch.i32[LENGTH + i];
    if (state.tfcpad !== 0) padTfc(batch, i, state, childMtu, tailBytes);
    protocol = xfrmOutputOne(table, batch, i, state, protocol, bytes);
  }
  return protocol;
}

/**
 * 1. The SA is valid. 2. Its limits let one more packet pass. 3. A sequence number, never to be used again.
 * 4. Counters. 5. Outer header, as far as it is known. 6. The protocol's transform.
 *
 * `protocol` is what stands at OFFSET; in tunnel mode that is an IP packet. `bytes` are counted. Returns the protocol of
 * what it has made, or a DropReason, negative.
 */
function xfrmOutputOne(
  table: XfrmTable,
  batch: Batch,
  i: number,
  state: XfrmState,
  protocol: number,
  bytes: number,
): number {
  if (state.expiry === EXPIRY_EXPIRED) return -DropReason.OutStateInvalid;
  const expiry = state.checkExpire(table.now);
  if (expiry !== ALIVE) {
    table.expired(state, expiry);
    if (expiry === HARD_EXPIRED) return -DropReason.OutStateExpired;
  }
  if (state.numbered && !state.nextSequence()) return -DropReason.OutStateSeqError;
  state.count(bytes);
  const next = state.isTunnel ? tunnelEncapAdd(batch, i, state, table) : protocol;
  const made = state.proto === IPPROTO_ESP
    ? espOutput(batch, i, state, next)
    : otherOutput(table, batch, i, state, next);
  return made === 0 ? -DropReason.OutStateProtoError : made;
}

function otherOutput(
  table: XfrmTable,
  batch: Batch,
  i: number,
  state: XfrmState,
  nextHeader: number,
): number {
  switch (state.proto) {
    case IPPROTO_AH:
      return ahOutput(batch, i, state, nextHeader, outerId(batch, i, table));
    case IPPROTO_COMP:
      return ipcompOutput(batch, i, state, nextHeader, table.compressor);
  }
  return 0;
}

/**
 * Room for what the SAs of a bundle add: append() leaves enough for one. The packet moves inside its slots, and its
 * last slot's unused end counts. False when it is still too little (xfrm_skb_check_space()).
 */
function makeRoom(batch: Batch, i: number, bundle: FlowEntry): boolean {
  const { i32, u8 } = batch;
  const at = i32[OFFSET + i];
  const length = i32[LENGTH + i];
  const move = Math.max(0, bundle.headBytes - HEADROOM);
  const end = at + length;
  const slotsEnd = DATA + Math.ceil((end + TAILROOM - DATA) / SLOT_BYTES) * SLOT_BYTES;
  if (end + move + bundle.tailBytes > slotsEnd) return false;
  if (move === 0) return true;
  u8.copyWithin(at + move, at, end);
  i32[OFFSET + i] = at + move;
  return true;
}
