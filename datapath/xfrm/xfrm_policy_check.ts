/**
 * The inbound policy check (net/xfrm/xfrm_policy.c __xfrm_policy_check(), xfrm_policy_ok(); include/net/xfrm.h
 * xfrm_state_ok()).
 *
 * A vti asks twice: for the outer packet, which has no SA behind it yet, and for the inner packet with the one SA
 * that carried it.
 */
import { DropReason } from "../drop_reason.ts";
import type { FlowCache, FlowEntry } from "./flow_cache.ts";
import { findPolicies } from "./xfrm_lookup.ts";
import { DIR_IN, MAX_DEPTH, type XfrmPolicy, type XfrmTemplate } from "./xfrm_policy.ts";
import { IPPROTO_IPIP, XfrmModeNumber } from "./xfrm_record.ts";
import type { XfrmState } from "./xfrm_state.ts";
import type { XfrmTable } from "./xfrm_table.ts";

/** Checks the table's flow; `state` is null for a packet that no SA carried. Returns a DropReason. */
export function xfrmPolicyCheck(table: XfrmTable, state: XfrmState | null): number {
  if (state === null) {
    if (table.policies.count[DIR_IN] > 0) return checked(table, null, table.outerChecks).reason;
    return table.blocksIn ? DropReason.InNoPols : 0;
  }
  const last = table.lastInnerCheck.find(table.flow, table.generation, table.now);
  if (last !== null && last.state === state) return last.reason;
  const entry = checked(table, state, table.innerChecks);
  table.lastInnerCheck.keep(table.flow, table.generation, table.now, entry);
  return entry.reason;
}

/** Checks the table's flow for the stack, in direction `dir`, `cache` being of it. Returns a DropReason. */
export function plainPolicyCheck(table: XfrmTable, dir: number, blocks: boolean, cache: FlowCache): number {
  if (table.policies.count[dir] === 0) return blocks ? DropReason.InNoPols : 0;
  return checked(table, null, cache, dir, blocks).reason;
}

/** The verdict that `cache` has, or will have. */
function checked(
  table: XfrmTable,
  state: XfrmState | null,
  cache: FlowCache,
  dir: number = DIR_IN,
  blocks: boolean = table.blocksIn,
): FlowEntry {
  let entry = cache.find(table.flow, table.generation);
  if (entry === null || entry.state !== state) {
    entry = cache.fill(table.flow, table.generation);
    entry.state = state;
    findPolicies(table, entry, dir);
    entry.reason = judge(table, entry, state, blocks);
  }
  if (entry.policy !== null) entry.policy.useTime[0] = table.now;
  if (entry.mainPolicy !== null) entry.mainPolicy.useTime[0] = table.now;
  return entry;
}

function judge(table: XfrmTable, entry: FlowEntry, state: XfrmState | null, blocks: boolean): number {
  if (state !== null && !state.selector.matches(table.flow)) {
    // xfrm_policy_check() fails before it looks for a policy.
    entry.policy = entry.mainPolicy = null;
    return DropReason.InStateMismatch;
  }
  const first = entry.policy;
  const second = entry.mainPolicy;
  if (first === null) return blocks || isNontransport(state) ? DropReason.InNoPols : 0;
  if (first.block || second?.block) return DropReason.InPolBlock;
  if (first.templates.length + (second?.templates.length ?? 0) >= MAX_DEPTH) return DropReason.InBufferError;

  // The path has the SA at 0 or nothing; `used` is how much of it the templates have claimed, last template first.
  let used = second === null ? 0 : matchTemplates(second, state, 0);
  if (used >= 0) used = matchTemplates(first, state, used);
  if (used < 0) return DropReason.InTmplMismatch;
  return used === 0 && isNontransport(state) ? DropReason.InTmplMismatch : 0;
}

/** Part of the path claimed after this policy's templates, -1 when a required one finds no SA. */
function matchTemplates(policy: XfrmPolicy, state: XfrmState | null, from: number): number {
  let used = from;
  for (let i = policy.templates.length - 1; i >= 0 && used >= 0; i--) {
    const template = policy.templates[i];
    if (template.optional && template.mode === XfrmModeNumber.transport) continue;
    if (used === 0 && state !== null && satisfies(state, template)) used = 1;
    else if (!template.optional) used = -1;
  }
  return used;
}

/**
 * xfrm_state_ok(). NB: a template's destination is not compared on input, and reqid 0 takes any. The companion of an
 * IPComp SA stands for any optional template: what did not get shorter came without IPComp.
 */
function satisfies(x: XfrmState, template: XfrmTemplate): boolean {
  if (x.proto === IPPROTO_IPIP) return template.optional && isFrom(x, template);
  return x.proto === template.proto && (template.spi === 0 || x.spi === template.spi) &&
    (template.reqid === 0 || x.reqid === template.reqid) && x.mode === template.mode &&
    (x.mode === XfrmModeNumber.transport || isFrom(x, template));
}

function isFrom(x: XfrmState, template: XfrmTemplate): boolean {
  return isAny(template.saddr) || sameAddress(template.saddr, x.saddr);
}

function isNontransport(state: XfrmState | null): boolean {
  return state !== null && state.mode !== XfrmModeNumber.transport;
}

function isAny(a: Int32Array): boolean {
  return (a[0] | a[1] | a[2] | a[3]) === 0;
}

function sameAddress(a: Int32Array, b: Int32Array): boolean {
  return a[0] === b[0] && a[1] === b[1] && a[2] === b[2] && a[3] === b[3];
}
