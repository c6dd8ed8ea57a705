/**
 * Makes an SA out of a request (xfrm_state_construct), or the reservation of an SPI; it is in no table yet.
 */
import type { AllocSpiRequest, XfrmStateId, XfrmStateRequest } from "../gateway.ts";
import type { XfrmStateRecord } from "../../datapath/xfrm/xfrm_record.ts";
import { AF_INET, AF_INET6, XfrmModeNumber } from "../../datapath/xfrm/xfrm_record.ts";
import {
  CELL_OSEQ,
  makeXfrmCells,
  viewXfrmCells,
  WORD_GIVEN_OSEQ_HI,
  WORD_GIVEN_SEQ_HI,
  WORD_SEQ,
  WORD_SEQ_HI,
} from "../../datapath/xfrm/xfrm_cells.ts";
import { addressBits } from "./ip_address.ts";
import { type Errno, fail, ok, type Result } from "./kernel_error.ts";
import type { Sent } from "./xfrm_change.ts";
import type { XfrmUserDeps } from "./xfrm_deps.ts";
import { zeroKeys } from "./xfrm_key.ts";
import { lifetimeRecord, timeLimits } from "./xfrm_lifetime.ts";
import { anySelector } from "./xfrm_selector.ts";
import { flagsForIfId, type StateEntry } from "./xfrm_state_info.ts";
import {
  attachAlgorithms,
  ENCAP_TYPE,
  encapInfo,
  MAX_LEGACY_WINDOW,
  parsePlace,
  replayKind,
  stateExtraFlags,
  stateFlags,
  type StatePlace,
  stateSelector,
  type TransformSpec,
  verifyInitState,
  verifyKeyedState,
  verifyNewsaInfo,
} from "./xfrm_state_request.ts";

/** Makes an SA from a request, in the kernel's order of checks; it is not in any table yet. */
export function constructState(request: XfrmStateRequest, deps: XfrmUserDeps): Result<StateEntry> {
  const place = parsePlace(request);
  if (!place.ok) return place;
  if (request.offload?.dev !== undefined && deps.ifindexOf(request.offload.dev) === null) {
    return fail("ENODEV", `Cannot make SA: no device "${request.offload.dev}"`, "offload.dev");
  }
  const sel = stateSelector(request, place.value.family, deps);
  if (!sel.ok) return sel;
  const verified = verifyNewsaInfo(request);
  if (!verified.ok) return verified;
  const transform = attachAlgorithms(request);
  if (!transform.ok) return transform;
  const init = verifyInitState(request, place.value.family, sel.value);
  if (!init.ok) {
    zeroKeys(transform.value);
    return init;
  }
  const refused = deps.checkTransform(transform.value, place.value.proto);
  if (refused !== null) return transformError(request, transform.value, refused);
  const keyed = verifyKeyedState(request);
  if (!keyed.ok) {
    zeroKeys(transform.value);
    return keyed;
  }
  const ifId = request.if_id ?? 0;
  const window = request.replay_window ?? 0;
  const kind = replayKind(request);
  const flags = stateFlags(request);
  const entry = newEntry(
    {
      ...place.value,
      number: 0,
      spi: request.spi,
      reqid: request.reqid ?? 0,
      mode: XfrmModeNumber[request.mode ?? "transport"],
      flags: flagsForIfId(flags, ifId),
      extraFlags: stateExtraFlags(request),
      sel: sel.value,
      lifetime: lifetimeRecord(request.limits),
      addTime: Math.floor(deps.now()),
      replayWindow: kind === "legacy" ? Math.min(window, MAX_LEGACY_WINDOW) : window,
      replayKind: kind,
      encapType: request.encap === undefined ? 0 : ENCAP_TYPE[request.encap.type],
      encapSport: request.encap?.sport ?? 0,
      encapDport: request.encap?.dport ?? 0,
      outputMark: request.output_mark ?? null,
      tfcpad: request.tfcpad ?? 0,
      transform: transform.value,
      inputRefused: false,
      cells: 0n,
    },
    request,
    ifId,
  );
  setReplay(entry, request);
  return ok(entry);
}

function newEntry(
  record: Sent<XfrmStateRecord>,
  request: Partial<Pick<XfrmStateRequest, "limits" | "seq" | "flags" | "encap" | "comp">>,
  ifId: number,
  acquiring = false,
): StateEntry {
  return {
    record,
    cells: viewXfrmCells(makeXfrmCells()),
    slot: null,
    limits: request.limits,
    times: timeLimits(request.limits),
    acquiring,
    dying: false,
    seq: request.seq ?? 0,
    flags: stateFlags(request),
    ifId,
    encap: encapInfo(request.encap, record.family === AF_INET6 ? AF_INET6 : AF_INET),
    comp: request.comp,
    companion: null,
    users: 0,
  };
}

function transformError(
  request: XfrmStateRequest,
  transform: TransformSpec,
  refused: { readonly errno: Errno; readonly message: string },
): Result<StateEntry> {
  zeroKeys(transform);
  const attribute = (["aead", "enc", "auth", "comp"] as const).find((name) => request[name] !== undefined);
  return fail(
    refused.errno,
    `Cannot make ${saName(request)}: ${refused.message}`,
    attribute,
    wordsFor(request, refused.errno),
  );
}

/** What allocspi makes (xfrm_find_acq): an SPI without keys, for exactly these two addresses. */
export function acquiringState(
  request: AllocSpiRequest,
  place: StatePlace,
  spi: number,
  addTime: number,
  acqExpires: number,
): StateEntry {
  const bits = addressBits(place.family);
  const { saddr, daddr } = place;
  const sel = { ...anySelector(place.family), saddr, prefixlenS: bits, daddr, prefixlenD: bits };
  const mode = XfrmModeNumber[request.mode ?? "transport"];
  const what = { ...place, spi, reqid: request.reqid ?? 0, mode, sel, addTime };
  return larvalEntry(what, request.seq ?? 0, 0, acqExpires);
}

/** An SA without keys, which ends in `acqExpires` seconds. */
export function larvalEntry(
  what: Pick<
    XfrmStateRecord,
    "family" | "saddr" | "daddr" | "proto" | "mark" | "spi" | "reqid" | "mode" | "sel" | "addTime"
  >,
  seq: number,
  ifId: number,
  acqExpires: number,
): StateEntry {
  const limits = { time_hard: acqExpires };
  const record: Sent<XfrmStateRecord> = {
    ...what,
    number: 0,
    flags: 0,
    extraFlags: 0,
    lifetime: lifetimeRecord(limits),
    replayWindow: 0,
    replayKind: "legacy",
    encapType: 0,
    encapSport: 0,
    encapDport: 0,
    outputMark: null,
    tfcpad: 0,
    transform: { esn: false },
    inputRefused: false,
    cells: 0n,
  };
  return newEntry(record, { limits, seq }, ifId, true);
}

/** Where the sequence numbers start (xfrm_update_ae_params). Only ESN uses high halves, a bitmap shows them too. */
function setReplay({ record, cells }: StateEntry, request: XfrmStateRequest): void {
  const high = record.replayKind === "esn";
  cells.i32[WORD_SEQ] = request.replay_seq ?? 0;
  const seqHi = request.replay_seq_hi ?? 0, oseqHi = request.replay_oseq_hi ?? 0;
  if (high) cells.i32[WORD_SEQ_HI] = seqHi;
  if (record.replayKind === "bitmap") {
    cells.i32[WORD_GIVEN_SEQ_HI] = seqHi;
    cells.i32[WORD_GIVEN_OSEQ_HI] = oseqHi;
  }
  cells.f64[CELL_OSEQ] = (request.replay_oseq ?? 0) + (high ? oseqHi * 2 ** 32 : 0);
}

/** A copy whose keys the receiver may zero. */
export function withOwnKeys(record: Sent<XfrmStateRecord>): Sent<XfrmStateRecord> {
  const { aead, enc, auth, esn } = record.transform;
  return {
    ...record,
    transform: {
      esn,
      ...(aead && { aead: { ...aead, key: aead.key.slice() } }),
      ...(enc && { enc: { ...enc, key: enc.key.slice() } }),
      ...(auth && { auth: { ...auth, key: auth.key.slice() } }),
    },
  };
}

export function saName(id: XfrmStateId): string {
  return `SA ${id.src} to ${id.dst} ${id.proto} spi 0x${id.spi.toString(16).padStart(8, "0")}`;
}

/** Kernel: an AEAD that refuses its key says so in words (esp_init_aead); enc and auth have only the errno. */
function wordsFor(request: XfrmStateRequest, errno: Errno): string | undefined {
  if (errno === "EPROTONOSUPPORT") return "Requested type not found";
  // A kernel without the cipher's module does not know the name.
  if (errno === "ENOSYS" && request.enc !== undefined) return "Requested CRYPT algorithm not found";
  const tellsOfKeys = errno === "EINVAL" && (request.aead !== undefined || request.proto === "ah");
  return tellsOfKeys ? "Kernel was unable to initialize cryptographic operations" : undefined;
}
