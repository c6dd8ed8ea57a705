/**
 * An SA as the control path holds it, and as it is listed (copy_to_user_state_extra): counters, window and sequence
 * numbers are read from the cells that the SA-table actor writes.
 */
import type { XfrmLimits, XfrmMode, XfrmProto, XfrmStateInfo, XfrmStateRequest } from "../gateway.ts";
import { XFRM_STATE_EXTRA_FLAGS, XFRM_STATE_FLAGS } from "../gateway.ts";
import type { XfrmStateRecord } from "../../datapath/xfrm/xfrm_record.ts";
import {
  IPPROTO_AH,
  IPPROTO_COMP,
  IPPROTO_IPIP,
  XfrmExtraFlagBit,
  XfrmModeNumber,
  XfrmStateFlagBit,
} from "../../datapath/xfrm/xfrm_record.ts";
import {
  CELL_BYTES,
  CELL_FAILED,
  CELL_OSEQ,
  CELL_PACKETS,
  CELL_REPLAY,
  CELL_REPLAY_WINDOW,
  CELL_USE_TIME,
  WORD_BITMAP,
  WORD_GIVEN_OSEQ_HI,
  WORD_GIVEN_SEQ_HI,
  WORD_SEQ,
  WORD_SEQ_HI,
  type XfrmCells,
} from "../../datapath/xfrm/xfrm_cells.ts";
import { formatIpAddress } from "./ip_address.ts";
import type { Slot } from "./keeper.ts";
import type { Sent } from "./xfrm_change.ts";
import type { Listing } from "./xfrm_deps.ts";
import { formatKey, KEYS_HIDDEN } from "./xfrm_key.ts";
import { limitsInfo, type TimeLimits } from "./xfrm_lifetime.ts";
import { selectorInfo } from "./xfrm_selector.ts";
import { markInfo } from "./xfrm_state_request.ts";

/** One SA of a namespace. `record` is what the SA table has, but for an acquiring one, which it never sees. */
export interface StateEntry {
  record: Sent<XfrmStateRecord>;
  /** Its own until the SA is inserted, then those of the slot. */
  cells: XfrmCells;
  /** null: not inserted yet, or acquiring, which ends with the process. */
  slot: Slot | null;
  /** As asked for; record.lifetime and `times` are made of them. */
  limits: XfrmLimits | undefined;
  times: TimeLimits;
  /** XFRM_STATE_ACQ: allocspi has reserved the SPI, the keys are still to come. */
  readonly acquiring: boolean;
  /** A soft time has passed. What the SA table found by itself stands in CELL_EXPIRY. */
  dying: boolean;
  readonly seq: number;
  /** As asked for; record.flags may have more (flagsForIfId). */
  readonly flags: number;
  ifId: number;
  encap: XfrmStateRequest["encap"];
  readonly comp: XfrmStateRequest["comp"];
  /** The companion that it has, and how many SAs have it as theirs (xfrm_companion.ts). */
  companion: StateEntry | null;
  users: number;
}

const MODE_NAMES = Object.keys(XfrmModeNumber) as XfrmMode[];
const INPUT_REFUSED =
  "the replay window is not known after a loss of power: what arrives may have arrived before";

/** As `ip xfrm state` shows it. With `keys`, the secret keys too. */
export function stateInfo(entry: StateEntry, keys: boolean, listing: Listing): XfrmStateInfo {
  const { record, cells, encap, comp } = entry;
  const mark = markInfo(record.mark);
  const outputMark = markInfo(record.outputMark);
  return {
    src: formatIpAddress(record.family, record.saddr),
    dst: formatIpAddress(record.family, record.daddr),
    proto: record.proto === IPPROTO_IPIP ? "ipip" : protoName(record.proto),
    spi: record.spi,
    reqid: record.reqid,
    mode: MODE_NAMES[record.mode]!,
    ...(mark && { mark }),
    replay_window: record.replayWindow,
    flags: XFRM_STATE_FLAGS.filter((f) => (entry.flags & XfrmStateFlagBit[f]) !== 0),
    extra_flags: XFRM_STATE_EXTRA_FLAGS.filter((f) => (record.extraFlags & XfrmExtraFlagBit[f]) !== 0),
    ...algorithmsInfo(record, keys),
    ...(comp && { comp }),
    ...(encap && { encap }),
    sel: selectorInfo(record.sel, listing),
    ...(outputMark && { output_mark: outputMark }),
    ...(record.tfcpad && { tfcpad: record.tfcpad }),
    ...(entry.ifId && { if_id: entry.ifId }),
    ...(record.inputRefused && { input_refused: INPUT_REFUSED }),
    seq: entry.seq,
    limits: limitsInfo(entry.limits),
    replay: replayInfo(record, cells),
    lifetime: {
      bytes: cells.f64[CELL_BYTES]!,
      packets: cells.f64[CELL_PACKETS]!,
      add_time: listing.wallTime(record.addTime),
      use_time: listing.wallTime(Math.floor(cells.f64[CELL_USE_TIME]!)),
    },
    stats: {
      replay_window: cells.f64[CELL_REPLAY_WINDOW]!,
      replay: cells.f64[CELL_REPLAY]!,
      failed: cells.f64[CELL_FAILED]!,
    },
  };
}

export function protoName(proto: number): XfrmProto {
  return proto === IPPROTO_AH ? "ah" : proto === IPPROTO_COMP ? "comp" : "esp";
}

/**
 * Flags of the record for an SA with this if_id. Output through a vti asks for if_id 0 (xfrm_state_find), input does
 * not look at it: such an SA is received with and never sent with, which is what wildrecv means.
 */
export function flagsForIfId(flags: number, ifId: number): number {
  return ifId === 0 ? flags : flags | XfrmStateFlagBit.wildrecv;
}

function algorithmsInfo(
  record: Pick<XfrmStateRecord, "transform">,
  keys: boolean,
): Pick<XfrmStateInfo, "aead" | "enc" | "auth"> {
  const { aead, enc, auth } = record.transform;
  // The kernel sends a key of no byte as such; there is nothing to hide.
  const show = (key: Uint8Array) => ({
    key: keys || key.length === 0 ? formatKey(key) : KEYS_HIDDEN,
    key_bits: key.length * 8,
  });
  return {
    ...(aead && { aead: { name: aead.name, ...show(aead.key), icv_bits: aead.icvBits } }),
    ...(enc && { enc: { name: enc.name, ...show(enc.key) } }),
    ...(auth && { auth: { name: auth.name, ...show(auth.key), trunc_bits: auth.truncBits } }),
  };
}

/** The words of the window as they lie in the cells: bit 0 of word 0 is the newest (legacy), or a ring. */
function replayInfo(
  record: Pick<XfrmStateRecord, "replayKind" | "replayWindow">,
  cells: XfrmCells,
): XfrmStateInfo["replay"] {
  const oseq = cells.f64[CELL_OSEQ]!;
  const words = record.replayKind === "legacy" ? 1 : Math.ceil(record.replayWindow / 32);
  return {
    kind: record.replayKind,
    seq: cells.i32[WORD_SEQ]! >>> 0,
    oseq: oseq % 2 ** 32,
    seq_hi: cells.i32[record.replayKind === "esn" ? WORD_SEQ_HI : WORD_GIVEN_SEQ_HI]! >>> 0,
    oseq_hi: record.replayKind === "esn" ? Math.floor(oseq / 2 ** 32) : cells.i32[WORD_GIVEN_OSEQ_HI]! >>> 0,
    bitmap: Array.from({ length: words }, (_, i) => cells.i32[WORD_BITMAP + i]! >>> 0),
  };
}
