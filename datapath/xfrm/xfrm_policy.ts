/**
 * The security policy database of one netns (net/xfrm/xfrm_policy.c).
 *
 * A list for each direction, type and family, ordered by priority and then by insertion: the first match wins.
 * Policies that ask for one exact mark, as those of a vti do, stand in lists of their own by mark, so ten thousand
 * tunnels don't make a lookup slower. A lookup takes the better of the first matches of the two lists.
 */
import type { Flow } from "./flow.ts";
import { MARK } from "./flow.ts";
import { Selector } from "./selector.ts";
import { AF_INET, AF_INET6, type TemplateRecord, type XfrmPolicyRecord } from "./xfrm_record.ts";

export const DIR_IN = 0;
export const DIR_OUT = 1;
export const DIR_FWD = 2;
export const TYPE_MAIN = 0;
export const TYPE_SUB = 1;
/** Templates that a flow's policies may have together are fewer than this (XFRM_MAX_DEPTH). */
export const MAX_DEPTH = 6;

const DIRECTIONS = 3;
const EXACT = -1;

export class XfrmTemplate {
  readonly family: number;
  readonly saddr: Int32Array;
  readonly daddr: Int32Array;
  readonly proto: number;
  readonly spi: number;
  readonly reqid: number;
  readonly mode: number;
  readonly optional: boolean;
  /** Second in which an SA was asked for last. */
  askedAt = 0;

  constructor(record: TemplateRecord) {
    this.family = record.family;
    this.saddr = Int32Array.from(record.saddr);
    this.daddr = Int32Array.from(record.daddr);
    this.proto = record.proto;
    this.spi = record.spi | 0;
    this.reqid = record.reqid | 0;
    this.mode = record.mode;
    this.optional = record.optional;
  }
}

export class XfrmPolicy {
  readonly index: number;
  readonly dir: number;
  readonly type: number;
  readonly family: number;
  readonly selector: Selector;
  readonly markValue: number;
  readonly markMask: number;
  readonly block: boolean;
  readonly priority: number;
  readonly order: number;
  readonly templates: readonly XfrmTemplate[];
  /** [0]: seconds since 1970 of the last use. */
  readonly useTime: Float64Array;

  constructor(record: XfrmPolicyRecord) {
    this.index = record.index;
    this.dir = record.dir;
    this.type = record.type;
    this.family = record.family;
    this.selector = new Selector(record.sel);
    this.markValue = record.mark.value | 0;
    this.markMask = record.mark.mask | 0;
    this.block = record.block;
    this.priority = record.priority;
    this.order = record.order;
    this.templates = record.templates.map((t) => new XfrmTemplate(t));
    this.useTime = new Float64Array(record.cells);
  }

  /** xfrm_policy_match() but for the family: the value is not masked, so bits outside the mask never match. */
  matches(flow: Flow): boolean {
    return (flow.words[MARK] & this.markMask) === this.markValue && this.selector.matches(flow);
  }

  /** Lower priority number first, then the one inserted earlier. */
  precedes(other: XfrmPolicy): boolean {
    return this.priority !== other.priority ? this.priority < other.priority : this.order < other.order;
  }
}

/** Policies of one direction, type and family. */
class PolicyList {
  readonly byMark: Map<number, XfrmPolicy[]> = new Map();
  readonly others: XfrmPolicy[] = [];

  listOf(policy: XfrmPolicy): XfrmPolicy[] {
    if (policy.markMask !== EXACT) return this.others;
    let list = this.byMark.get(policy.markValue);
    if (list === undefined) this.byMark.set(policy.markValue, list = []);
    return list;
  }

  insert(policy: XfrmPolicy): void {
    const list = this.listOf(policy);
    let low = 0, high = list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (list[middle].precedes(policy)) low = middle + 1;
      else high = middle;
    }
    list.splice(low, 0, policy);
  }

  remove(policy: XfrmPolicy): void {
    const list = this.listOf(policy);
    list.splice(list.indexOf(policy), 1);
    if (list.length === 0) this.byMark.delete(policy.markValue);
  }

  lookup(flow: Flow): XfrmPolicy | null {
    const marked = this.byMark.get(flow.words[MARK]);
    const best = marked === undefined ? null : firstMatch(marked, flow, null);
    return firstMatch(this.others, flow, best);
  }
}

/** First match in an ordered list, or `best` when that precedes it. */
function firstMatch(list: readonly XfrmPolicy[], flow: Flow, best: XfrmPolicy | null): XfrmPolicy | null {
  for (let i = 0; i < list.length; i++) {
    const policy = list[i];
    if (best !== null && best.precedes(policy)) return best;
    if (policy.matches(flow)) return policy;
  }
  return best;
}

export class PolicyTable {
  readonly #lists: PolicyList[] = [];
  readonly #byIndex: Map<string, XfrmPolicy> = new Map();
  /** Policies of each direction. */
  readonly count: Int32Array = new Int32Array(DIRECTIONS);
  /** Policies in and fwd that take a packet without a mark. */
  unmarkedIn = 0;

  constructor() {
    for (let i = 0; i < DIRECTIONS * 4; i++) this.#lists.push(new PolicyList());
  }

  /** Adds the policy, in place of the one with the same index, direction and type. */
  add(record: XfrmPolicyRecord): void {
    this.delete(record.index, record.dir, record.type);
    const policy = new XfrmPolicy(record);
    this.#byIndex.set(indexKey(policy.index, policy.dir, policy.type), policy);
    this.#list(policy.dir, policy.type, policy.family).insert(policy);
    this.count[policy.dir]++;
    if (judgesUnmarked(policy)) this.unmarkedIn++;
  }

  /** False when there is none. */
  delete(index: number, dir: number, type: number): boolean {
    const key = indexKey(index, dir, type);
    const policy = this.#byIndex.get(key);
    if (policy === undefined) return false;
    this.#byIndex.delete(key);
    this.#list(dir, type, policy.family).remove(policy);
    this.count[dir]--;
    if (judgesUnmarked(policy)) this.unmarkedIn--;
    return true;
  }

  /** xfrm_policy_lookup_bytype(). */
  lookup(flow: Flow, dir: number, type: number): XfrmPolicy | null {
    const family = flow.family;
    if (family !== AF_INET && family !== AF_INET6) return null;
    return this.#list(dir, type, family).lookup(flow);
  }

  #list(dir: number, type: number, family: number): PolicyList {
    return this.#lists[dir * 4 + type * 2 + (family === AF_INET6 ? 1 : 0)];
  }
}

function indexKey(index: number, dir: number, type: number): string {
  return `${dir} ${type} ${index}`;
}

function judgesUnmarked({ dir, markValue }: XfrmPolicy): boolean {
  return dir !== DIR_OUT && markValue === 0;
}
