/**
 * What was found out about a flow, kept until something changes: a direct-mapped cache of fixed size. An entry counts
 * only if its generation is the table's and every word of the flow is equal, so a collision costs time, never
 * correctness.
 */
import { DST, type Flow, FLOW_WORDS, MARK, META, OIF, PORTS, SRC } from "./flow.ts";
import { AF_INET } from "./xfrm_record.ts";
import type { XfrmPolicy } from "./xfrm_policy.ts";
import type { XfrmState } from "./xfrm_state.ts";

/** Entries; a power of two. */
const CACHE_ENTRIES = 1024;

/** One more SA of a bundle. */
export interface BundleStep {
  readonly state: XfrmState;
  /** MTU of what it makes: of the outer route, or less by what further SAs add. */
  readonly childMtu: number;
  /** Bytes that it and all further ones add behind the packet at the most. */
  readonly tailBytes: number;
  /** TTL that its outer route has, 0 none. */
  readonly hopLimit: number;
}

/** Outgoing: the bundle. Incoming: the verdict of the policy check for the packet's SA. */
export class FlowEntry {
  /** 0: never filled. */
  generation = 0;
  /** DropReason, 0 when the packet may pass. */
  reason = 0;
  /** Outgoing: second in which it was filled. */
  filledAt = 0;
  policy: XfrmPolicy | null = null;
  /** The main policy behind a sub policy. */
  mainPolicy: XfrmPolicy | null = null;
  /** Outgoing: the SA that is applied first. */
  state: XfrmState | null = null;
  /** Outgoing: the SAs that are applied after it, null for none. */
  more: readonly BundleStep[] | null = null;
  /** Outgoing: the policies have said what happens, so they count as used; not where an SA or a route is missing. */
  decided = false;
  /** Outgoing: interface and MTU of the outer route, the longest inner packet, and MTU of what the first SA makes. */
  oif = 0;
  pathMtu = 0;
  mtu = 0;
  childMtu = 0;
  /** Outgoing: TTL that the first SA's outer route has, 0 none. */
  hopLimit = 0;
  /** Outgoing: bytes that all SAs add before the packet, and behind it at the most. */
  headBytes = 0;
  tailBytes = 0;
}

/**
 * The entry that was found last. It is the answer again while nothing that it depends on has changed: packets of a flow
 * come together, and this spares the hash and the marks of use, which have a second's grain.
 */
export class LastEntry {
  #entry: FlowEntry | null = null;
  #version = 0;
  #generation = 0;
  #now = 0;

  /** The entry kept, or null when flow, generation or second are others. */
  find(flow: Flow, generation: number, now: number): FlowEntry | null {
    return flow.version === this.#version && generation === this.#generation && now === this.#now
      ? this.#entry
      : null;
  }

  keep(flow: Flow, generation: number, now: number, entry: FlowEntry): void {
    this.#entry = entry;
    this.#version = flow.version;
    this.#generation = generation;
    this.#now = now;
  }
}

export class FlowCache {
  readonly #keys: Int32Array = new Int32Array(CACHE_ENTRIES * FLOW_WORDS);
  readonly #entries: FlowEntry[] = Array.from({ length: CACHE_ENTRIES }, () => new FlowEntry());
  /** Slot of the last miss, which fill() takes. */
  #slot = 0;

  /** The flow's entry of this generation, or null. */
  find(flow: Flow, generation: number): FlowEntry | null {
    const slot = hash(flow.words);
    this.#slot = slot;
    const entry = this.#entries[slot];
    return entry.generation === generation && this.#equals(flow.words, slot * FLOW_WORDS) ? entry : null;
  }

  /** The entry to fill after a miss of find(), its key and generation set. */
  fill(flow: Flow, generation: number): FlowEntry {
    const entry = this.#entries[this.#slot];
    const at = this.#slot * FLOW_WORDS;
    for (let i = 0; i < FLOW_WORDS; i++) this.#keys[at + i] = flow.words[i];
    entry.generation = generation;
    entry.reason = 0;
    entry.policy = entry.mainPolicy = entry.state = null;
    entry.more = null;
    entry.decided = false;
    return entry;
  }

  #equals(w: Int32Array, at: number): boolean {
    const k = this.#keys;
    if (k[at + META] !== w[META] || k[at + PORTS] !== w[PORTS] || k[at + MARK] !== w[MARK]) return false;
    if (k[at + OIF] !== w[OIF] || k[at + SRC] !== w[SRC] || k[at + DST] !== w[DST]) return false;
    if (w[META] >>> 16 === AF_INET) return true;
    for (let i = 1; i < 4; i++) {
      if (k[at + SRC + i] !== w[SRC + i] || k[at + DST + i] !== w[DST + i]) return false;
    }
    return true;
  }
}

function hash(w: Int32Array): number {
  let h = Math.imul(w[SRC] ^ w[PORTS], 0x9e3779b1) ^ Math.imul(w[DST] ^ w[MARK], 0x85ebca6b);
  h = Math.imul(h ^ w[META] ^ w[OIF], 0xc2b2ae35);
  if (w[META] >>> 16 !== AF_INET) {
    h = Math.imul(h ^ w[SRC + 1] ^ w[SRC + 3], 0x9e3779b1) ^ Math.imul(w[DST + 1] ^ w[DST + 3], 0x85ebca6b);
  }
  return (h >>> 16 ^ h) & (CACHE_ENTRIES - 1);
}
