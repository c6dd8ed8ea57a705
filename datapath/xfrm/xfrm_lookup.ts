/**
 * From a flow to its bundle: policies and SAs (net/xfrm/xfrm_policy.c xfrm_lookup_with_ifid(),
 * xfrm_tmpl_resolve_one(); net/xfrm/xfrm_state.c xfrm_state_find()).
 */
import { DropReason } from "../drop_reason.ts";
import { DST, OIF, SRC } from "./flow.ts";
import type { FlowEntry } from "./flow_cache.ts";
import { createBundle } from "./xfrm_bundle.ts";
import {
  DIR_OUT,
  MAX_DEPTH,
  TYPE_MAIN,
  TYPE_SUB,
  type XfrmPolicy,
  type XfrmTemplate,
} from "./xfrm_policy.ts";
import { AF_INET, AF_UNSPEC, XfrmModeNumber } from "./xfrm_record.ts";
import { EXPIRY_EXPIRED, type XfrmState } from "./xfrm_state.ts";
import type { XfrmTable } from "./xfrm_table.ts";

/** SAs of the flow in hand, the innermost first, and their number. */
const resolved: (XfrmState | null)[] = new Array(MAX_DEPTH).fill(null);
let count = 0;

/** The bundle of the table's flow. `reason` says when there is none. Never null, never to be kept. */
export function xfrmLookup(table: XfrmTable): FlowEntry {
  const last = table.lastBundle.find(table.flow, table.generation, table.now);
  if (last !== null) return last;
  const found = findBundle(table);
  table.lastBundle.keep(table.flow, table.generation, table.now, found);
  return found;
}

function findBundle(table: XfrmTable): FlowEntry {
  let entry = table.bundles.find(table.flow, table.generation);
  // A flow without an SA asks for one again in the next second: what was asked for before may have come to nothing.
  if (entry === null || entry.reason === DropReason.OutNoStates && entry.filledAt !== table.now) {
    entry = buildBundle(table);
  }
  if (entry.decided) {
    entry.policy!.useTime[0] = table.now;
    if (entry.mainPolicy !== null) entry.mainPolicy.useTime[0] = table.now;
  }
  return entry;
}

function buildBundle(table: XfrmTable): FlowEntry {
  const entry = table.bundles.fill(table.flow, table.generation);
  entry.filledAt = table.now;
  entry.reason = resolve(table, entry);
  return entry;
}

/** 1. policies; 2. an SA for each template; 3. outer routes and MTUs. Returns a DropReason. */
function resolve(table: XfrmTable, entry: FlowEntry): number {
  const { flow } = table;
  if (flow.family === AF_INET && table.isNoXfrm(flow.words[OIF])) return DropReason.OutNoPolicy;
  findPolicies(table, entry, DIR_OUT);
  const first = entry.policy;
  const second = entry.mainPolicy;
  if (first === null) return DropReason.OutNoPolicy;
  if (first.block || second?.block) {
    entry.decided = true;
    return DropReason.OutPolBlock;
  }
  if (first.templates.length + (second?.templates.length ?? 0) >= MAX_DEPTH) return DropReason.OutPolError;
  count = 0;
  const reason = resolveTemplates(table, first) || (second === null ? 0 : resolveTemplates(table, second));
  if (reason !== 0) return reason;
  const refused = count === 0 ? DropReason.OutNoPolicy : createBundle(table, entry, resolved, count);
  entry.decided = refused !== DropReason.OutBundleGenError;
  return refused;
}

/** xfrm_policy_lookup() and xfrm_expand_policies(): a sub policy is asked first and the main one counts as well. */
export function findPolicies(table: XfrmTable, entry: FlowEntry, dir: number): void {
  const sub = table.policies.lookup(table.flow, dir, TYPE_SUB);
  const main = table.policies.lookup(table.flow, dir, TYPE_MAIN);
  entry.policy = sub ?? main;
  entry.mainPolicy = sub === null ? null : main;
}

/** Puts the SA of each of the policy's templates into `resolved`. Returns a DropReason. */
function resolveTemplates(table: XfrmTable, policy: XfrmPolicy): number {
  /** The template whose ends the packet has so far; null: its own. */
  let outer: XfrmTemplate | null = null;
  for (let i = 0; i < policy.templates.length; i++) {
    const template = policy.templates[i];
    const before = count;
    const reason = resolveTemplate(table, policy, template, outer);
    if (reason !== 0) return reason;
    if (hasOwnEnds(template) && count > before) outer = template;
  }
  return 0;
}

/** Tunnel mode and BEET give the packet other ends, transport mode keeps those it has. */
function hasOwnEnds(template: XfrmTemplate): boolean {
  return template.mode === XfrmModeNumber.tunnel || template.mode === XfrmModeNumber.beet;
}

function resolveTemplate(
  table: XfrmTable,
  policy: XfrmPolicy,
  template: XfrmTemplate,
  outer: XfrmTemplate | null,
): number {
  const from = hasOwnEnds(template) ? template : outer;
  const words = table.flow.words;
  const local = from === null ? words.subarray(SRC, SRC + 4) : from.saddr;
  const remote = from === null ? words.subarray(DST, DST + 4) : from.daddr;
  let source = local[0];
  if (from !== null && from.family === AF_INET && source === 0) {
    const route = table.routeCache.lookup(remote[0], 0, table.flow.tos, 0);
    if (route.errno !== 0) return DropReason.OutPolError;
    source = route.src;
  }
  const mark = policy.markValue & policy.markMask;
  const state = xfrmStateFind(table, template, mark, local, remote, source);
  if (state === null) {
    if (template.optional) return 0;
    // The kernel says EEXIST: the SPI that the template names belongs to an SA that doesn't fit it.
    const taken = template.spi !== 0 && template.family === AF_INET &&
      table.states.lookup(mark, remote[0], template.spi, template.proto) !== null;
    if (taken) return DropReason.OutPolError;
    table.acquires.ask(table.now, table.flow, policy, template, source, local, remote);
    return DropReason.OutNoStates;
  }
  resolved[count++] = state;
  return 0;
}

/**
 * The SA for a template: one that was given this source before one that takes any; among those not dying before
 * dying, then the one added in the latest second, then the newest. So a rekeyed SA takes over at once.
 */
function xfrmStateFind(
  table: XfrmTable,
  template: XfrmTemplate,
  mark: number,
  local: Int32Array,
  remote: Int32Array,
  source: number,
): XfrmState | null {
  let exact: XfrmState | null = null;
  let wildcard: XfrmState | null = null;
  for (const x of table.states.towards(template.family, remote, template.reqid)) {
    if (!qualifies(x, template, mark, remote) || x.expiry >= EXPIRY_EXPIRED) continue;
    if (x.selector.family !== AF_UNSPEC) {
      if (x.selector.family !== table.flow.family || !x.selector.matches(table.flow)) continue;
    }
    if (x.saddr[0] === source && sameLow(x.saddr, local)) exact = better(exact, x);
    else if (source === 0 || isZero(x.saddr)) wildcard = better(wildcard, x);
  }
  return exact ?? wildcard;
}

/** NB: reqid must be equal here, unlike the check on input; template reqid 0 takes only SAs with reqid 0. */
function qualifies(x: XfrmState, template: XfrmTemplate, mark: number, remote: Int32Array): boolean {
  return x.family === template.family && x.reqid === template.reqid && x.takesMark(mark) && !x.wildrecv &&
    x.mode === template.mode && x.proto === template.proto &&
    (template.spi === 0 || x.spi === template.spi) &&
    x.daddr[0] === remote[0] && sameLow(x.daddr, remote);
}

function better(best: XfrmState | null, x: XfrmState): XfrmState {
  if (best === null || best.expiry > x.expiry) return x;
  return best.expiry === x.expiry && best.addTime < x.addTime ? x : best;
}

function sameLow(a: Int32Array, b: Int32Array): boolean {
  return a[1] === b[1] && a[2] === b[2] && a[3] === b[3];
}

function isZero(a: Int32Array): boolean {
  return (a[0] | a[1] | a[2] | a[3]) === 0;
}
