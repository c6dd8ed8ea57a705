/**
 * The SAD of one namespace on the control side (net/xfrm/xfrm_state.c, net/xfrm/xfrm_user.c): who may be added,
 * what an update replaces, when an SA ends.
 */
import type {
  AllocSpiRequest,
  XfrmMappingInfo,
  XfrmStateFilter,
  XfrmStateId,
  XfrmStateInfo,
  XfrmStateRequest,
} from "../gateway.ts";
import type { WantedState } from "../../datapath/xfrm/xfrm_acquire.ts";
import { AF_INET, XfrmModeNumber } from "../../datapath/xfrm/xfrm_record.ts";
import { CELL_EXPIRY, CELL_USE_TIME } from "../../datapath/xfrm/xfrm_cells.ts";
import { formatIpAddress, parseIpAddress, sameWords } from "./ip_address.ts";
import { fail, ok, type Result } from "./kernel_error.ts";
import type { XfrmChange } from "./xfrm_change.ts";
import type { XfrmUserDeps } from "./xfrm_deps.ts";
import { isCompanion } from "./xfrm_companion.ts";
import { zeroKeys } from "./xfrm_key.ts";
import { passedLimit } from "./xfrm_lifetime.ts";
import { isInProgress, larvalOf, larvalState, type WantedTemplate, withSpi } from "./xfrm_larval.ts";
import { changeThatAdds, Sad } from "./xfrm_sad.ts";
import { acquiringState, constructState, saName } from "./xfrm_state_construct.ts";
import { flagsForIfId, type StateEntry, stateInfo } from "./xfrm_state_info.ts";
import { type KeptState, restoredState } from "./xfrm_state_kept.ts";
import { parsePlace, PROTO_NUMBER, spiRange } from "./xfrm_state_request.ts";

/** CELL_EXPIRY of an SA that met a hard limit. */
const EXPIRY_EXPIRED = 2;

export class XfrmStateUser {
  readonly #deps: XfrmUserDeps;
  readonly #sad: Sad;
  #acquireSeq = 0;

  constructor(deps: XfrmUserDeps) {
    this.#deps = deps;
    this.#sad = new Sad(deps);
  }

  get size(): number {
    return this.#sad.size;
  }

  all(): StateEntry[] {
    return this.#sad.all();
  }

  newState(request: XfrmStateRequest): Result<XfrmStateInfo> {
    const constructed = this.#constructNew(request);
    if (!constructed.ok) return constructed;
    const { made } = constructed.value;
    const admitted = this.#sad.admit(made);
    if (!admitted.ok) return admitted;
    const larval = larvalOf(this.#sad.acquiring(), made);
    this.#sad.insert(made);
    if (larval !== undefined) this.#sad.remove(larval);
    return ok(this.#notify("newsa", made));
  }

  /** Replaces a reserved SPI; in a valid SA, only what xfrm_state_update() does. */
  updState(request: XfrmStateRequest): Result<XfrmStateInfo> {
    const constructed = this.#constructUpdate(request);
    if (!constructed.ok) return constructed;
    const { made, old } = constructed.value;
    if (old.acquiring) {
      const admitted = this.#sad.admit(made);
      if (!admitted.ok) return admitted;
      this.#sad.remove(old);
      this.#sad.insert(made);
      return ok(this.#notify("updsa", made));
    }
    zeroKeys(made.record.transform);
    this.#update(old, made);
    this.#sad.changed(old);
    return ok(this.#notify("updsa", old));
  }

  /** What newState() or updState() would refuse for what the request says, or for what is there. */
  verifyState(request: XfrmStateRequest, op: "new" | "upd"): Result<void> {
    const constructed = op === "new" ? this.#constructNew(request) : this.#constructUpdate(request);
    if (!constructed.ok) return constructed;
    zeroKeys(constructed.value.made.record.transform);
    return ok(undefined);
  }

  /** An SA that no other stands in the way of. */
  #constructNew(request: XfrmStateRequest): Result<{ readonly made: StateEntry }> {
    const made = constructState(withSysctls(request, this.#deps), this.#deps);
    if (!made.ok) return made;
    if (!this.#sad.locate(made.value.record)) return ok({ made: made.value });
    zeroKeys(made.value.record.transform);
    return fail("EEXIST", `Cannot add ${saName(request)}: one that takes its mark exists`);
  }

  /** An SA, and the one that it may update. */
  #constructUpdate(
    request: XfrmStateRequest,
  ): Result<{ readonly made: StateEntry; readonly old: StateEntry }> {
    const made = constructState(withSysctls(request, this.#deps), this.#deps);
    if (!made.ok) return made;
    const { record } = made.value;
    const old = this.#sad.locate(record);
    if (old && (old.acquiring || old.record.encapType === record.encapType)) {
      return ok({ made: made.value, old });
    }
    zeroKeys(record.transform);
    return old
      ? fail("EINVAL", `Cannot update ${saName(request)}: its encap type is another`, "encap")
      : fail("ESRCH", `Cannot update ${saName(request)}: none such`);
  }

  delState(id: XfrmStateId): Result<void> {
    const found = this.#find(id);
    if (!found.ok) return found;
    this.#sad.remove(found.value);
    this.#notify("delsa", found.value);
    return ok(undefined);
  }

  getState(id: XfrmStateId, keys: boolean): Result<XfrmStateInfo> {
    const found = this.#find(id);
    return found.ok ? ok(stateInfo(found.value, keys, this.#deps)) : found;
  }

  /** Newest first. */
  listStates(filter: XfrmStateFilter, keys: boolean): Result<XfrmStateInfo[]> {
    const matching = this.#matching(filter);
    return matching.ok ? ok(matching.value.map((entry) => stateInfo(entry, keys, this.#deps))) : matching;
  }

  /** Removes what matches. One event for a whole flush, one for each SA of a finer choice (`deleteall`). */
  flushStates(filter: XfrmStateFilter): Result<number> {
    const matching = this.#matching(filter);
    if (!matching.ok) return matching;
    const isFlush = Object.entries(filter).every(([name, value]) => name === "proto" || value === undefined);
    const doomed = matching.value.filter((entry) => !isCompanion(entry));
    for (const entry of doomed) {
      this.#sad.remove(entry);
      if (!isFlush) this.#notify("delsa", entry);
    }
    if (isFlush && doomed.length > 0) {
      this.#deps.event("flushsa", { proto: filter.proto ?? null, count: doomed.length });
    }
    return ok(doomed.length);
  }

  /**
   * Reserves an SPI (xfrm_alloc_userspi): an acquiring SA, which an update turns into a valid one. A larval SA that it
   * answers gets the SPI; one that has it has it.
   */
  allocSpi(request: AllocSpiRequest): Result<XfrmStateInfo> {
    const place = parsePlace(request);
    if (!place.ok) return place;
    const range = spiRange(request);
    if (!range.ok) return range;
    const now = Math.floor(this.#deps.now());
    const waits = this.#deps.sysctls.acqExpires();
    const larval = larvalOf(this.#sad.acquiring(), acquiringState(request, place.value, 0, now, waits));
    if (larval !== undefined && larval.record.spi !== 0) return ok(stateInfo(larval, false, this.#deps));
    const spi = this.#freeSpi(place.value.proto, range.value.min, range.value.max);
    if (spi === null) {
      // xfrm_find_acq() has made it before xfrm_alloc_spi() fails.
      if (larval === undefined) {
        this.#sad.reserve(acquiringState({ ...request, seq: 0 }, place.value, 0, now, waits));
      }
      return fail("ENOENT", `Cannot reserve an SPI: none free from ${range.value.min} to ${range.value.max}`);
    }
    const entry = larval === undefined
      ? acquiringState({ ...request, seq: 0 }, place.value, spi, now, waits)
      : withSpi(larval, spi);
    if (larval !== undefined) this.#sad.remove(larval);
    this.#sad.reserve(entry);
    return ok(stateInfo(entry, false, this.#deps));
  }

  /** Everything that a new SA-table actor must be told, oldest first. */
  snapshot(): XfrmChange[] {
    const changes: XfrmChange[] = [];
    for (const entry of this.#sad.all()) {
      const change = changeThatAdds(entry);
      if (change !== null) changes.push(change);
      if (entry.dying) changes.push({ op: "state-dying", number: entry.record.number });
    }
    return changes;
  }

  /**
   * A packet has missed an SA: a larval one stands for it until it comes or xfrm_acq_expires has passed. Null when one
   * does already.
   */
  acquire(wanted: WantedState, template: WantedTemplate): XfrmStateInfo | null {
    if (isInProgress(this.#sad.acquiring(), wanted, template)) return null;
    const waits = this.#deps.sysctls.acqExpires();
    const entry = larvalState(wanted, template, Math.floor(this.#deps.now()), ++this.#acquireSeq, waits);
    this.#sad.reserve(entry);
    return stateInfo(entry, false, this.#deps);
  }

  /** Packets of an SA in UDP come from another place now. `src` is an IPv4 address, u32 in host order. */
  mapped(number: number, src: number, port: number): void {
    const entry = this.#sad.get(number);
    if (entry === undefined) return;
    const mapping: XfrmMappingInfo = {
      state: stateInfo(entry, false, this.#deps),
      new_src: formatIpAddress(AF_INET, [src, 0, 0, 0]),
      new_sport: port,
    };
    this.#deps.event("mapping", mapping);
  }

  /** The SA table has met a byte or packet limit. */
  expired(number: number, hard: boolean): void {
    const entry = this.#sad.get(number);
    if (entry !== undefined) this.#expire(entry, hard);
  }

  /** Ends what has passed a time limit (xfrm_timer_handler). `now` in whole seconds. */
  tick(now: number): void {
    for (const entry of this.#sad.all()) {
      const useTime = Math.floor(entry.cells.f64[CELL_USE_TIME]!);
      // The SA table's own report of a hard limit may have been lost with its worker.
      const isOver = entry.cells.f64[CELL_EXPIRY] === EXPIRY_EXPIRED;
      const passed = isOver ? "hard" : passedLimit(entry.times, entry.record.addTime, useTime, now);
      if (passed === "hard") {
        this.#expire(entry, true);
      } else if (passed === "soft" && !isDying(entry)) {
        entry.dying = true;
        this.#sad.changed(entry);
        this.#deps.send({ op: "state-dying", number: entry.record.number });
        this.#expire(entry, false);
      }
    }
  }

  /**
   * A random SPI that no SA of the protocol has, whatever its destination and mark (xfrm_state_lookup_spi_proto). Among
   * as many neighbours as there are SAs, plus one, one is free, if the range has one.
   */
  #freeSpi(proto: number, min: number, max: number): number | null {
    const ofProto = this.#sad.all().filter(({ record }) => record.proto === proto);
    const taken = new Set(ofProto.map(({ record }) => record.spi));
    const count = max - min + 1;
    const start = crypto.getRandomValues(new Uint32Array(1))[0]! % count;
    for (let i = 0; i <= Math.min(taken.size + 1, count - 1); i++) {
      const spi = min + (start + i) % count;
      if (spi !== 0 && !taken.has(spi)) return spi;
    }
    return null;
  }

  #find(id: XfrmStateId): Result<StateEntry> {
    const place = parsePlace(id);
    if (!place.ok) return place;
    const entry = this.#sad.locate({ ...place.value, spi: id.spi });
    return entry ? ok(entry) : fail("ESRCH", `Cannot find ${saName(id)}: none such`);
  }

  /**
   * Takes an SA up again after a restart, and tells nobody. Fails as newState() would, but for marks that overlap: an
   * SA that took a reservation's place may have come beside one. Of two with the same mark the newer stays.
   */
  restore({ slot, body, secret }: KeptState): Result<void> {
    const made = restoredState(body, secret, slot, this.#deps);
    if (!made.ok) return made;
    const older = this.#sad.twin(made.value);
    if (older) this.#sad.remove(older);
    return this.#sad.restore(made.value);
  }

  #update(old: StateEntry, made: StateEntry): void {
    old.limits = made.limits;
    old.times = made.times;
    old.dying = false;
    old.encap = made.encap;
    if (made.ifId !== 0) old.ifId = made.ifId;
    const { lifetime, encapType, encapSport, encapDport } = made.record;
    const smark = made.record.outputMark;
    const outputMark = smark && (smark.value | smark.mask) !== 0 ? smark : old.record.outputMark;
    const flags = flagsForIfId(old.flags, old.ifId);
    old.record = { ...old.record, lifetime, encapSport, encapDport, outputMark, flags };
    const { number } = old.record;
    this.#deps.send({
      op: "state-upd",
      number,
      lifetime,
      encapType,
      encapSport,
      encapDport,
      outputMark,
      flags,
    });
  }

  #expire(entry: StateEntry, hard: boolean): void {
    if (hard) this.#sad.remove(entry);
    this.#deps.event("expire", { state: stateInfo(entry, false, this.#deps), hard });
  }

  #notify(kind: "newsa" | "updsa" | "delsa", entry: StateEntry): XfrmStateInfo {
    const info = stateInfo(entry, false, this.#deps);
    this.#deps.event(kind, info);
    return info;
  }

  /** Newest first. */
  #matching(filter: XfrmStateFilter): Result<StateEntry[]> {
    const src = filter.src === undefined ? null : parseIpAddress(filter.src);
    const dst = filter.dst === undefined ? null : parseIpAddress(filter.dst);
    if (filter.src !== undefined && src === null) return badFilter(filter.src, "src");
    if (filter.dst !== undefined && dst === null) return badFilter(filter.dst, "dst");
    const matches = ({ record }: StateEntry) =>
      (src === null || record.family === src.family && sameWords(record.saddr, src.words)) &&
      (dst === null || record.family === dst.family && sameWords(record.daddr, dst.words)) &&
      (filter.proto === undefined || record.proto === PROTO_NUMBER[filter.proto]) &&
      (filter.spi === undefined || record.spi === filter.spi) &&
      (filter.mode === undefined || record.mode === XfrmModeNumber[filter.mode]) &&
      (filter.reqid === undefined || record.reqid === filter.reqid);
    return ok(this.#sad.all().reverse().filter(matches));
  }
}

/** Dying by time, or by a limit that only the SA table has seen. */
function isDying(entry: StateEntry): boolean {
  return entry.dying || entry.cells.f64[CELL_EXPIRY]! > 0;
}

function badFilter<T = never>(text: string, attribute: string): Result<T> {
  return fail("EINVAL", `Cannot list SAs: ${text} is no address`, attribute);
}

/** Where net.ipv4.ip_no_pmtu_disc is set, SAs over IPv4 have nopmtudisc (__xfrm_init_state). */
function withSysctls(request: XfrmStateRequest, { sysctls }: XfrmUserDeps): XfrmStateRequest {
  const { flags = [], dst } = request;
  const isIpv4 = parseIpAddress(dst)?.family === AF_INET;
  if (!isIpv4 || flags.includes("nopmtudisc") || !sysctls.noPmtuDisc()) return request;
  return { ...request, flags: [...flags, "nopmtudisc"] };
}
