/**
 * Bundles: the SAs of a flow with their outer routes and MTUs (net/xfrm/xfrm_policy.c xfrm_bundle_create(),
 * xfrm_init_pmtu()).
 *
 * Not handled: SAs with an outer IPv6 header, and BEET behind the first SA.
 */
import { DropReason } from "../drop_reason.ts";
import { type Flow, MARK } from "./flow.ts";
import type { BundleStep, FlowEntry } from "./flow_cache.ts";
import { xfrmStateMtu } from "./xfrm_mtu.ts";
import { MAX_DEPTH } from "./xfrm_policy.ts";
import { AF_INET, type MarkRecord, XfrmModeNumber } from "./xfrm_record.ts";
import type { XfrmState } from "./xfrm_state.ts";
import type { XfrmTable } from "./xfrm_table.ts";

/** MTU and TTL of the route that the result of each SA takes. */
const routeMtus = new Int32Array(MAX_DEPTH);
const hopLimits = new Int32Array(MAX_DEPTH);

/** Fills the entry for the flow in hand from the first `n` of `states`, the innermost first. Returns a DropReason. */
export function createBundle(
  table: XfrmTable,
  entry: FlowEntry,
  states: readonly (XfrmState | null)[],
  n: number,
): number {
  for (let k = 0; k < n; k++) {
    const reason = findRoute(table, entry, states[k]!, k);
    if (reason !== 0) return reason;
    routeMtus[k] = entry.pathMtu;
    hopLimits[k] = entry.hopLimit;
  }

  const first = states[0]!;
  entry.state = first;
  entry.headBytes = entry.tailBytes = 0;
  const more: BundleStep[] | null = n === 1 ? null : [];
  let mtu = entry.pathMtu;
  for (let k = n - 1; k > 0; k--) {
    const state = states[k]!;
    addBytes(entry, state);
    more!.unshift({ state, childMtu: mtu, tailBytes: entry.tailBytes, hopLimit: hopLimits[k] });
    mtu = Math.min(xfrmStateMtu(state, mtu), routeMtus[k - 1]);
  }
  addBytes(entry, first);
  entry.hopLimit = hopLimits[0];
  entry.more = more;
  entry.childMtu = mtu;
  // The device's own MTU, which the packet comes by, is vti_xmit's to look at.
  entry.mtu = xfrmStateMtu(first, mtu);
  return 0;
}

/** In tunnel mode the route of SA `k`'s outer header; in transport mode the one before stays. Returns a DropReason. */
function findRoute(table: XfrmTable, entry: FlowEntry, state: XfrmState, k: number): number {
  // vti_state_check() refuses a first SA of another kind; of the others this gateway makes only some.
  if (state.family !== AF_INET) return DropReason.OutStateCheck;
  if (!state.isTunnel) {
    return k > 0 && state.mode === XfrmModeNumber.transport ? 0 : DropReason.OutStateCheck;
  }
  const flow = table.flow;
  const mark = state.outputMark === null ? 0 : outputMark(state.outputMark, flow);
  const route = table.routeCache.lookup(state.daddr[0], state.saddr[0], flow.tos, mark);
  if (route.errno !== 0) return DropReason.OutBundleGenError;
  entry.oif = route.oif;
  entry.pathMtu = route.mtu;
  entry.hopLimit = route.hopLimit;
  return 0;
}

function addBytes(entry: FlowEntry, state: XfrmState): void {
  entry.headBytes += state.headerBytes;
  entry.tailBytes += state.tailBytes;
}

/** SA output-mark: what the outer route is looked up with. */
function outputMark(rule: MarkRecord, flow: Flow): number {
  return (rule.value & rule.mask) | (flow.words[MARK] & ~rule.mask);
}
