/**
 * The SAD of one namespace on the control side (net/xfrm/xfrm_state.c, net/xfrm/xfrm_user.c): who may be added,
 * what an update replaces, when an SA ends.
 */
import type {
  AllocSpiRequest,
  XfrmStateFilter,
  XfrmStateId,
  XfrmStateInfo,
  XfrmStateRequest,
} from "../gateway.ts";
import { XfrmModeNumber } from "../../datapath/xfrm/xfrm_record.ts";
import { CELL_EXPIRY, CELL_USE_TIME } from "../../datapath/xfrm/xfrm_cells.ts";
import { parseIpAddress, sameWords } from "./ip_address.ts";
import { fail, ok, type Result } from "./kernel_error.ts";
import type { XfrmChange } from "./xfrm_change.ts";
import type { XfrmUserDeps } from "./xfrm_deps.ts";
import { companionPlace, companionState, isCompanion } from "./xfrm_companion.ts";
import { zeroKeys } from "./xfrm_key.ts";
import { passedLimit } from "./xfrm_lifetime.ts";
import { acquiringState, constructState, saName, withOwnKeys } from "./xfrm_state_construct.ts";
import { flagsForIfId, type StateEntry, stateInfo } from "./xfrm_state_info.ts";
import { type KeptState, keptState, moveToSlot, restoredState } from "./xfrm_state_kept.ts";
import { parsePlace, PROTO_NUMBER, spiRange, type StatePlace } from "./xfrm_state_request.ts";

/** CELL_EXPIRY of an SA that met a hard limit. */
const EXPIRY_EXPIRED = 2;

export class XfrmStateUser {
  readonly #deps: XfrmUserDeps;
  /** By number, oldest first. */
  readonly #states = new Map<number, StateEntry>();
  /** By destination, SPI and protocol, newest first: the kernel's byspi hash chains. */
  readonly #bySpi = new Map<string, StateEntry[]>();
  #nextNumber = 1;

  constructor(deps: XfrmUserDeps) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#states.size;
  }

  newState(request: XfrmStateRequest): Result<XfrmStateInfo> {
    const made = constructState(request, this.#deps);
    if (!made.ok) return made;
    if (this.#locate(made.value.record)) {
      zeroKeys(made.value.record.transform);
      return fail("EEXIST", `Cannot add ${saName(request)}: one that takes its mark exists`);
    }
    const admitted = this.#admit(made.value);
    if (!admitted.ok) return admitted;
    this.#insert(made.value);
    return ok(this.#notify("newsa", made.value));
  }

  /** Replaces a reserved SPI; in a valid SA, only what xfrm_state_update() does. */
  updState(request: XfrmStateRequest): Result<XfrmStateInfo> {
    const made = constructState(request, this.#deps);
    if (!made.ok) return made;
    const old = this.#locate(made.value.record);
    if (!old) {
      zeroKeys(made.value.record.transform);
      return fail("ESRCH", `Cannot update ${saName(request)}: none such`);
    }
    if (old.acquiring) {
      const admitted = this.#admit(made.value);
      if (!admitted.ok) return admitted;
      this.#remove(old);
      this.#insert(made.value);
      return ok(this.#notify("updsa", made.value));
    }
    zeroKeys(made.value.record.transform);
    if (old.record.encapType !== made.value.record.encapType) {
      return fail("EINVAL", `Cannot update ${saName(request)}: its encap type is another`, "encap");
    }
    this.#update(old, made.value);
    this.#changed(old);
    return ok(this.#notify("updsa", old));
  }

  delState(id: XfrmStateId): Result<void> {
    const found = this.#find(id);
    if (!found.ok) return found;
    this.#remove(found.value);
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
      this.#remove(entry);
      if (!isFlush) this.#notify("delsa", entry);
    }
    if (isFlush && doomed.length > 0) {
      this.#deps.event("flushsa", { proto: filter.proto ?? null, count: doomed.length });
    }
    return ok(doomed.length);
  }

  /** Reserves an SPI (xfrm_alloc_userspi): an acquiring SA, which an update turns into a valid one. */
  allocSpi(request: AllocSpiRequest): Result<XfrmStateInfo> {
    const place = parsePlace(request);
    if (!place.ok) return place;
    const range = spiRange(request);
    if (!range.ok) return range;
    const spi = this.#freeSpi(place.value, range.value.min, range.value.max);
    if (spi === null) {
      return fail("ENOENT", `Cannot reserve an SPI: none free from ${range.value.min} to ${range.value.max}`);
    }
    const entry = acquiringState(request, place.value, spi, Math.floor(this.#deps.now()));
    this.#number(entry);
    this.#insert(entry);
    return ok(stateInfo(entry, false, this.#deps));
  }

  /** Everything that a new SA-table actor must be told, oldest first. */
  snapshot(): XfrmChange[] {
    const changes: XfrmChange[] = [];
    for (const entry of this.#states.values()) {
      if (entry.acquiring) continue;
      changes.push({ op: "state-add", record: withOwnKeys(entry.record) });
      if (entry.dying) changes.push({ op: "state-dying", number: entry.record.number });
    }
    return changes;
  }

  /** The SA table has met a byte or packet limit. */
  expired(number: number, hard: boolean): void {
    const entry = this.#states.get(number);
    if (entry !== undefined) this.#expire(entry, hard);
  }

  /** Ends what has passed a time limit (xfrm_timer_handler). `now` in whole seconds since 1970. */
  tick(now: number): void {
    for (const entry of [...this.#states.values()]) {
      const useTime = Math.floor(entry.cells.f64[CELL_USE_TIME]!);
      // The SA table's own report of a hard limit may have been lost with its worker.
      const isOver = entry.cells.f64[CELL_EXPIRY] === EXPIRY_EXPIRED;
      const passed = isOver ? "hard" : passedLimit(entry.times, entry.record.addTime, useTime, now);
      if (passed === "hard") {
        this.#expire(entry, true);
      } else if (passed === "soft" && !isDying(entry)) {
        entry.dying = true;
        this.#changed(entry);
        this.#deps.send({ op: "state-dying", number: entry.record.number });
        this.#expire(entry, false);
      }
    }
  }

  /** A random free SPI. Among as many neighbours as there are SAs, plus one, one is free, if the range has one. */
  #freeSpi(place: StatePlace, min: number, max: number): number | null {
    const count = max - min + 1;
    const start = crypto.getRandomValues(new Uint32Array(1))[0]! % count;
    for (let i = 0; i <= Math.min(this.#states.size, count - 1); i++) {
      const spi = min + (start + i) % count;
      if (spi !== 0 && !this.#locate({ ...place, spi })) return spi;
    }
    return null;
  }

  /** The newest SA here that accepts the mark (__xfrm_state_lookup). SPI 0 is in no chain and never found. */
  #locate(at: StatePlace & { readonly spi: number }): StateEntry | undefined {
    const mark = (at.mark.value & at.mark.mask) >>> 0;
    return this.#bySpi.get(spiKey(at))?.find(({ record }) =>
      (mark & record.mark.mask) >>> 0 === record.mark.value
    );
  }

  #find(id: XfrmStateId): Result<StateEntry> {
    const place = parsePlace(id);
    if (!place.ok) return place;
    const entry = this.#locate({ ...place.value, spi: id.spi });
    return entry ? ok(entry) : fail("ESRCH", `Cannot find ${saName(id)}: none such`);
  }

  /**
   * Takes an SA up again after a restart, and tells nobody. Fails as newState() would; the newer of two that exclude
   * each other stays.
   */
  restore({ slot, body, secret }: KeptState): Result<void> {
    const made = restoredState(body, secret, slot, this.#deps);
    if (!made.ok) return made;
    const older = this.#locate(made.value.record);
    if (older) this.#remove(older);
    this.#nextNumber = Math.max(this.#nextNumber, made.value.record.number + 1);
    const attached = this.#attach(made.value);
    if (!attached.ok) {
      zeroKeys(made.value.record.transform);
      return attached;
    }
    this.#insert(made.value);
    return ok(undefined);
  }

  #number(entry: StateEntry): void {
    entry.record = { ...entry.record, number: this.#nextNumber++ };
  }

  /** What a new SA needs before it is inserted. Zeroes its keys when that fails. */
  #admit(entry: StateEntry): Result<void> {
    const attached = this.#attach(entry);
    if (!attached.ok) {
      zeroKeys(entry.record.transform);
      return attached;
    }
    const kept = this.#keep(entry);
    if (!kept.ok) this.#detach(entry);
    return kept;
  }

  /** Gives an IPComp SA its companion, which may have to be made. */
  #attach(entry: StateEntry): Result<void> {
    const place = companionPlace(entry);
    if (place === null) return ok(undefined);
    let companion = this.#locate(place);
    if (companion === undefined) {
      companion = companionState(entry, place, Math.floor(this.#deps.now()));
      const slot = this.#deps.keeper.allocate();
      if (!slot.ok) return slot;
      this.#number(companion);
      this.#insert(moveToSlot(companion, slot.value));
    }
    entry.companion = companion;
    companion.users++;
    return ok(undefined);
  }

  /** The companion goes with the last SA that has it. */
  #detach(entry: StateEntry): void {
    const companion = entry.companion;
    if (companion === null) return;
    entry.companion = null;
    if (--companion.users === 0) this.#remove(companion);
  }

  /** Gives a new SA its number and the memory that outlives it, and writes it down. Zeroes its keys when that fails. */
  #keep(entry: StateEntry): Result<void> {
    this.#number(entry);
    const { keeper } = this.#deps;
    const slot = keeper.allocate();
    const kept = slot.ok ? keeper.add(keptState(moveToSlot(entry, slot.value), this.#deps)) : slot;
    if (!kept.ok) {
      if (slot.ok) keeper.release(slot.value);
      zeroKeys(entry.record.transform);
    }
    return kept.ok ? ok(undefined) : kept;
  }

  #changed(entry: StateEntry): void {
    if (entry.slot !== null) this.#deps.keeper.change(keptState(entry, this.#deps));
  }

  #insert(entry: StateEntry): void {
    this.#states.set(entry.record.number, entry);
    if (entry.record.spi !== 0) {
      const chain = this.#bySpi.get(spiKey(entry.record));
      if (chain) chain.unshift(entry);
      else this.#bySpi.set(spiKey(entry.record), [entry]);
    }
    if (!entry.acquiring) this.#deps.send({ op: "state-add", record: withOwnKeys(entry.record) });
  }

  #remove(entry: StateEntry): void {
    this.#states.delete(entry.record.number);
    const key = spiKey(entry.record);
    const chain = this.#bySpi.get(key)?.filter((e) => e !== entry) ?? [];
    if (chain.length > 0) this.#bySpi.set(key, chain);
    else this.#bySpi.delete(key);
    if (entry.slot !== null) {
      this.#deps.keeper.remove(entry.slot);
      this.#deps.send({ op: "state-del", number: entry.record.number }, entry.slot);
    }
    this.#detach(entry);
    zeroKeys(entry.record.transform);
  }

  #update(old: StateEntry, made: StateEntry): void {
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
    if (hard) this.#remove(entry);
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
    return ok([...this.#states.values()].reverse().filter(matches));
  }
}

/** Dying by time, or by a limit that only the SA table has seen. */
function isDying(entry: StateEntry): boolean {
  return entry.dying || entry.cells.f64[CELL_EXPIRY]! > 0;
}

function spiKey(at: StatePlace & { readonly spi: number }): string {
  return `${at.family} ${at.daddr.join(" ")} ${at.proto} ${at.spi}`;
}

function badFilter<T = never>(text: string, attribute: string): Result<T> {
  return fail("EINVAL", `Cannot list SAs: ${text} is no address`, attribute);
}
