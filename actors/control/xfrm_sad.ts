/**
 * The SAs of one namespace on the control side: where each is found, its number and memory, its companion, and what the
 * SA table is told when one comes or goes.
 */
import { ok, type Result } from "./kernel_error.ts";
import { companionPlace, companionState } from "./xfrm_companion.ts";
import type { XfrmChange } from "./xfrm_change.ts";
import type { XfrmUserDeps } from "./xfrm_deps.ts";
import { zeroKeys } from "./xfrm_key.ts";
import { withOwnKeys } from "./xfrm_state_construct.ts";
import type { StateEntry } from "./xfrm_state_info.ts";
import { keptState, moveToSlot } from "./xfrm_state_kept.ts";
import type { StatePlace } from "./xfrm_state_request.ts";

export class Sad {
  readonly #deps: XfrmUserDeps;
  /** By number, oldest first. */
  readonly #states = new Map<number, StateEntry>();
  /** By destination, SPI and protocol, newest first: the kernel's byspi hash chains. */
  readonly #bySpi = new Map<string, StateEntry[]>();
  /** XFRM_STATE_ACQ, oldest first. */
  readonly #acquiring = new Set<StateEntry>();
  #nextNumber = 1;

  constructor(deps: XfrmUserDeps) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#states.size;
  }

  get(number: number): StateEntry | undefined {
    return this.#states.get(number);
  }

  /** Oldest first. They may be removed meanwhile. */
  all(): StateEntry[] {
    return [...this.#states.values()];
  }

  /** Those without keys, oldest first. */
  acquiring(): StateEntry[] {
    return [...this.#acquiring];
  }

  /** The newest SA here that accepts the mark (__xfrm_state_lookup). SPI 0 is in no chain and never found. */
  locate(at: StatePlace & { readonly spi: number }): StateEntry | undefined {
    const mark = (at.mark.value & at.mark.mask) >>> 0;
    return this.#bySpi.get(spiKey(at))?.find(({ record }) =>
      (mark & record.mark.mask) >>> 0 === record.mark.value
    );
  }

  /** An SA that has everything that tells SAs apart in common with this one. */
  twin({ record: at }: StateEntry): StateEntry | undefined {
    return this.#bySpi.get(spiKey(at))?.find(({ record }) =>
      record.mark.value === at.mark.value && record.mark.mask === at.mark.mask
    );
  }

  #number(entry: StateEntry): void {
    entry.record = { ...entry.record, number: this.#nextNumber++ };
  }

  /** An SA without keys goes in as it is: nothing of it outlives the process. */
  reserve(entry: StateEntry): void {
    this.#number(entry);
    this.insert(entry);
  }

  /** Takes up an SA that has its old number and memory. Zeroes its keys when that fails. */
  restore(entry: StateEntry): Result<void> {
    this.#nextNumber = Math.max(this.#nextNumber, entry.record.number + 1);
    const attached = this.#attach(entry);
    if (attached.ok) this.insert(entry);
    else zeroKeys(entry.record.transform);
    return attached;
  }

  /** What a new SA needs before it is inserted. Zeroes its keys when that fails. */
  admit(entry: StateEntry): Result<void> {
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
    let companion = this.locate(place);
    if (companion === undefined) {
      companion = companionState(entry, place, Math.floor(this.#deps.now()));
      const slot = this.#deps.keeper.allocate();
      if (!slot.ok) return slot;
      this.#number(companion);
      this.insert(moveToSlot(companion, slot.value));
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
    if (--companion.users === 0) this.remove(companion);
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

  changed(entry: StateEntry): void {
    if (entry.slot !== null) this.#deps.keeper.change(keptState(entry, this.#deps));
  }

  insert(entry: StateEntry): void {
    this.#states.set(entry.record.number, entry);
    if (entry.record.spi !== 0) {
      const chain = this.#bySpi.get(spiKey(entry.record));
      if (chain) chain.unshift(entry);
      else this.#bySpi.set(spiKey(entry.record), [entry]);
    }
    if (entry.acquiring) this.#acquiring.add(entry);
    const change = changeThatAdds(entry);
    if (change !== null) this.#deps.send(change);
  }

  remove(entry: StateEntry): void {
    const { number } = entry.record;
    this.#states.delete(number);
    this.#acquiring.delete(entry);
    const key = spiKey(entry.record);
    const chain = this.#bySpi.get(key)?.filter((e) => e !== entry) ?? [];
    if (chain.length > 0) this.#bySpi.set(key, chain);
    else this.#bySpi.delete(key);
    if (entry.slot !== null) {
      this.#deps.keeper.remove(entry.slot);
      this.#deps.send({ op: "state-del", number }, entry.slot);
    } else if (changeThatAdds(entry) !== null) {
      this.#deps.send({ op: "state-del", number });
    }
    this.#detach(entry);
    zeroKeys(entry.record.transform);
  }
}

/** What the SA table is told of an SA; null for a larval one, which no packet can name. */
export function changeThatAdds({ record, acquiring }: StateEntry): XfrmChange | null {
  if (!acquiring) return { op: "state-add", record: withOwnKeys(record) };
  if (record.spi === 0) return null;
  const { cells: _, ...reserved } = record;
  return { op: "state-reserve", record: reserved };
}

function spiKey(at: StatePlace & { readonly spi: number }): string {
  return `${at.family} ${at.daddr.join(" ")} ${at.proto} ${at.spi}`;
}
