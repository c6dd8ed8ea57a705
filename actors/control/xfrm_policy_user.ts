/**
 * The SPD of one namespace on the control side (net/xfrm/xfrm_policy.c, net/xfrm/xfrm_user.c).
 */
import type {
  PolicyDir,
  XfrmLimits,
  XfrmPolicyId,
  XfrmPolicyInfo,
  XfrmPolicyRequest,
  XfrmTemplateInfo,
} from "../gateway.ts";
import type {
  MarkRecord,
  SelectorRecord,
  TemplateRecord,
  XfrmPolicyRecord,
} from "../../datapath/xfrm/xfrm_record.ts";
import type { IpFamily } from "./ip_address.ts";
import type { WantedState } from "../../datapath/xfrm/xfrm_acquire.ts";
import type { WantedTemplate } from "./xfrm_larval.ts";
import { fail, ok, type Result } from "./kernel_error.ts";
import type { Kept, Slot } from "./keeper.ts";
import type { Sent, XfrmChange } from "./xfrm_change.ts";
import type { XfrmUserDeps } from "./xfrm_deps.ts";
import { limitsInfo, passedLimit, type TimeLimits, timeLimits } from "./xfrm_lifetime.ts";
import { parseSelector, selectorInfo, selectorKey } from "./xfrm_selector.ts";
import { markInfo, markRecord } from "./xfrm_state_request.ts";
import { parseTemplates, templateInfo } from "./xfrm_template.ts";

const DIR_NUMBER = { in: 0, out: 1, fwd: 2 } as const;
const DIR_NAMES: readonly PolicyDir[] = ["in", "out", "fwd"];
const TYPE_NUMBER = { main: 0, sub: 1 } as const;
/** Low bits of an index that hold its direction (xfrm_policy_id2dir). */
const INDEX_DIR_MASK = 7;
const INDEX_STEP = 8;
/** Seconds between two events of one soft limit (XFRM_KM_TIMEOUT). */
const SOFT_EVENT_INTERVAL = 30;

interface PolicyEntry {
  readonly record: Sent<XfrmPolicyRecord>;
  readonly slot: Slot;
  /** Stored and listed; the kernel does not enforce a policy's bytes and packets either. */
  readonly limits: XfrmLimits | undefined;
  readonly times: TimeLimits;
  readonly flags: readonly ("localok" | "icmp")[];
  readonly ifId: number;
  readonly addTime: number;
  readonly useTime: Float64Array;
  nextSoftEvent: number;
}

/** What a request can't say of a policy. */
interface PolicyNumbers {
  readonly index: number;
  readonly order: number;
  /** By XfrmUserDeps.now(). */
  readonly addTime: number;
}

/** A policy as the store has it. */
interface PolicyBody extends PolicyNumbers {
  readonly request: XfrmPolicyRequest;
}

interface ParsedPolicy {
  readonly sel: SelectorRecord & { readonly family: IpFamily };
  readonly place: PolicyPlace;
  readonly templates: readonly TemplateRecord[];
}

/** What tells one policy from another (xfrm_policy_insert). */
interface PolicyPlace {
  readonly type: number;
  readonly dir: number;
  readonly ifId: number;
  readonly mark: MarkRecord;
}

export class XfrmPolicyUser {
  readonly #deps: XfrmUserDeps;
  /** By index, oldest first. */
  readonly #policies = new Map<number, PolicyEntry>();
  /** By place and selector. */
  readonly #bySelector = new Map<string, PolicyEntry>();
  #indexGenerator = 0;
  #nextOrder = 1;

  constructor(deps: XfrmUserDeps) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#policies.size;
  }

  newPolicy(request: XfrmPolicyRequest): Result<XfrmPolicyInfo> {
    return this.#add(request, false);
  }

  /** Replaces the policy with this selector, direction, mark, type and if_id and keeps its index; or adds it. */
  updPolicy(request: XfrmPolicyRequest): Result<XfrmPolicyInfo> {
    return this.#add(request, true);
  }

  delPolicy(id: XfrmPolicyId): Result<void> {
    const found = this.#find(id);
    if (!found.ok) return found;
    this.#remove(found.value);
    this.#deps.event("delpolicy", this.#info(found.value));
    return ok(undefined);
  }

  getPolicy(id: XfrmPolicyId): Result<XfrmPolicyInfo> {
    const found = this.#find(id);
    return found.ok ? ok(this.#info(found.value)) : found;
  }

  /** Newest first; an updated policy counts as new. */
  listPolicies(): XfrmPolicyInfo[] {
    return [...this.#policies.values()].reverse().map((entry) => this.#info(entry));
  }

  flushPolicies(ptype: "main" | "sub"): number {
    const doomed = [...this.#policies.values()].filter((e) => e.record.type === TYPE_NUMBER[ptype]);
    for (const entry of doomed) this.#remove(entry);
    if (doomed.length > 0) this.#deps.event("flushpolicy", { ptype, count: doomed.length });
    return doomed.length;
  }

  /** The template that the SA table has no SA for, and its policy; null when it is gone by now. */
  wanting({ policy, template }: WantedState): (WantedTemplate & { readonly info: XfrmPolicyInfo }) | null {
    const entry = this.#policies.get(policy.index);
    if (entry === undefined || entry.record.type !== policy.type) return null;
    const record = entry.record.templates[template];
    if (record === undefined) return null;
    return { template: record, mark: entry.record.mark, ifId: entry.ifId, info: this.#info(entry) };
  }

  /** Everything that a new SA-table actor must be told, oldest first. */
  snapshot(): XfrmChange[] {
    return this.served().map((record) => ({ op: "policy-add", record }));
  }

  /** Those that packets meet, oldest first. */
  served(): Sent<XfrmPolicyRecord>[] {
    return [...this.#policies.values()].filter(isServed).map(({ record }) => record);
  }

  /** Ends what has passed a time limit (xfrm_policy_timer). `now` in whole seconds. */
  tick(now: number): void {
    for (const entry of [...this.#policies.values()]) {
      // Unlike an SA's, a policy's limits of use run from its adding until it is used.
      const useTime = Math.floor(entry.useTime[0]!) || entry.addTime;
      const passed = passedLimit(entry.times, entry.addTime, useTime, now);
      if (passed === "hard") {
        this.#remove(entry);
        this.#deps.event("expire", { policy: this.#info(entry), hard: true });
      } else if (passed === "soft" && entry.nextSoftEvent <= now) {
        entry.nextSoftEvent = now + SOFT_EVENT_INTERVAL;
        this.#deps.event("expire", { policy: this.#info(entry), hard: false });
      }
    }
  }

  #add(request: XfrmPolicyRequest, replace: boolean): Result<XfrmPolicyInfo> {
    const parsed = this.#parse(request);
    if (!parsed.ok) return parsed;
    const { place, sel } = parsed.value;
    const old = this.#bySelector.get(placeKey(place, sel));
    if (old !== undefined && !replace) {
      return fail("EEXIST", `Cannot add policy: index ${old.record.index} has this selector and mark`);
    }
    const { keeper } = this.#deps;
    const slot = keeper.allocate();
    if (!slot.ok) return slot;
    const entry = makeEntry(request, parsed.value, slot.value, {
      index: old?.record.index ?? this.#genIndex(place.dir, request.index ?? 0),
      order: this.#nextOrder++,
      addTime: Math.floor(this.#deps.now()),
    });
    const kept = keeper.add(this.#kept(entry));
    if (!kept.ok) {
      keeper.release(slot.value);
      return kept;
    }
    if (old !== undefined) keeper.remove(old.slot);
    this.#insert(entry, old);
    const info = this.#info(entry);
    this.#deps.event(replace ? "updpolicy" : "newpolicy", info);
    return ok(info);
  }

  /** Takes a policy up again after a restart, and tells nobody; the newer of two that exclude each other stays. */
  restore({ slot, body }: { readonly slot: Slot; readonly body: unknown }): Result<void> {
    const { request, ...numbers } = body as PolicyBody;
    const parsed = this.#parse(request);
    if (!parsed.ok) return parsed;
    const { place, sel } = parsed.value;
    const older = this.#bySelector.get(placeKey(place, sel)) ?? this.#policies.get(numbers.index);
    if (older !== undefined) this.#remove(older);
    this.#insert(makeEntry(request, parsed.value, slot, numbers));
    this.#nextOrder = Math.max(this.#nextOrder, numbers.order + 1);
    return ok(undefined);
  }

  #kept(entry: PolicyEntry): Kept {
    const { slot, addTime, record: { index, order } } = entry;
    const { lifetime: _, ...request } = this.#info(entry);
    const body: PolicyBody = { index, order, addTime, request };
    return { kind: "policy", slot, body };
  }

  #parse(request: XfrmPolicyRequest): Result<ParsedPolicy> {
    const sel = parseSelector(request.sel, this.#deps, "sel");
    if (!sel.ok) return sel;
    const place = placeOf(request);
    if (request.index !== undefined && request.index !== 0) {
      if ((request.index & INDEX_DIR_MASK) !== place.dir) {
        return fail(
          "EINVAL",
          `Cannot add policy: index ${request.index} is not of dir ${request.dir}`,
          "index",
          "Policy index doesn't match direction",
        );
      }
    }
    const templates = parseTemplates(request.tmpl ?? [], sel.value.family, request.dir);
    return templates.ok ? ok({ sel: sel.value, place, templates: templates.value }) : templates;
  }

  /** xfrm_gen_index: the wanted index if it is free, else the generator's next that is. */
  #genIndex(dir: number, wanted: number): number {
    let index = wanted;
    while (index === 0 || this.#policies.has(index)) {
      // Index 0 says "none" in a request, so the first of dir in is 8.
      index = (this.#indexGenerator | dir) || INDEX_STEP;
      this.#indexGenerator += INDEX_STEP;
    }
    return index;
  }

  #insert(entry: PolicyEntry, old?: PolicyEntry): void {
    const { record } = entry;
    // Deleted first, so that it becomes the newest in the map's order.
    this.#policies.delete(record.index);
    this.#policies.set(record.index, entry);
    this.#bySelector.set(placeKey(placeOfEntry(entry), record.sel), entry);
    if (isServed(entry)) this.#deps.send({ op: old ? "policy-upd" : "policy-add", record }, old?.slot);
    else if (old) this.#deps.keeper.release(old.slot);
  }

  #remove(entry: PolicyEntry): void {
    const { index, dir, type, sel } = entry.record;
    this.#policies.delete(index);
    this.#bySelector.delete(placeKey(placeOfEntry(entry), sel));
    this.#deps.keeper.remove(entry.slot);
    if (isServed(entry)) this.#deps.send({ op: "policy-del", index, dir, type }, entry.slot);
    else this.#deps.keeper.release(entry.slot);
  }

  #find(id: XfrmPolicyId): Result<PolicyEntry> {
    const place = placeOf(id);
    if (id.index) {
      const entry = this.#policies.get(id.index);
      // xfrm_policy_byid: mark and if_id must be the policy's too.
      const same = entry && placeKey(placeOfEntry(entry)) === placeKey(place);
      return same
        ? ok(entry)
        : fail("ENOENT", `Cannot find policy: none has index ${id.index} and this mark`);
    }
    if (id.sel === undefined) {
      return fail("EINVAL", "Cannot find policy: neither selector nor index given", "sel");
    }
    const sel = parseSelector(id.sel, this.#deps, "sel");
    if (!sel.ok) return sel;
    const entry = this.#bySelector.get(placeKey(place, sel.value));
    return entry ? ok(entry) : fail("ENOENT", "Cannot find policy: none has this selector and mark");
  }

  #info(entry: PolicyEntry): XfrmPolicyInfo {
    const { record } = entry;
    const mark = markInfo(record.mark);
    return {
      sel: selectorInfo(record.sel, this.#deps)!,
      dir: DIR_NAMES[record.dir]!,
      action: record.block ? "block" : "allow",
      index: record.index,
      priority: record.priority,
      ptype: record.type === TYPE_NUMBER.main ? "main" : "sub",
      flags: entry.flags,
      ...(mark && { mark }),
      ...(entry.ifId && { if_id: entry.ifId }),
      tmpl: record.templates.map((t): Required<XfrmTemplateInfo> => templateInfo(t)),
      limits: limitsInfo(entry.limits),
      // The kernel counts no bytes and packets on a policy.
      lifetime: {
        bytes: 0,
        packets: 0,
        add_time: this.#deps.wallTime(entry.addTime),
        use_time: this.#deps.wallTime(Math.floor(entry.useTime[0]!)),
      },
    };
  }
}

function makeEntry(
  request: XfrmPolicyRequest,
  { sel, place, templates }: ParsedPolicy,
  slot: Slot,
  { index, order, addTime }: PolicyNumbers,
): PolicyEntry {
  return {
    slot,
    record: {
      index,
      dir: place.dir,
      type: place.type,
      family: sel.family,
      sel,
      mark: place.mark,
      block: request.action === "block",
      priority: request.priority ?? 0,
      order,
      templates,
      cells: slot.address,
    },
    limits: request.limits,
    times: timeLimits(request.limits),
    flags: [...new Set(request.flags ?? [])],
    ifId: place.ifId,
    addTime,
    useTime: new Float64Array(slot.memory, 0, 2),
    nextSoftEvent: 0,
  };
}

/** A flow through a vti has if_id 0 and never meets a policy with another: the SA table is not told of it. */
function isServed(entry: PolicyEntry): boolean {
  return entry.ifId === 0;
}

function placeOf(id: XfrmPolicyId): PolicyPlace {
  return {
    type: TYPE_NUMBER[id.ptype ?? "main"],
    dir: DIR_NUMBER[id.dir],
    ifId: id.if_id ?? 0,
    mark: markRecord(id.mark),
  };
}

function placeOfEntry({ record, ifId }: PolicyEntry): PolicyPlace {
  return { type: record.type, dir: record.dir, ifId, mark: record.mark };
}

function placeKey(place: PolicyPlace, sel?: SelectorRecord): string {
  const { type, dir, ifId, mark } = place;
  return `${type} ${dir} ${ifId} ${mark.value}/${mark.mask} ${sel === undefined ? "" : selectorKey(sel)}`;
}
