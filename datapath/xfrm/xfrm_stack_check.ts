/**
 * The policies that Linux' stack asks about a packet that came out of a vti: `in` for this host
 * (ip_local_deliver_finish(), ip6_input_finish()), `fwd` for others (ip_forward(), ip6_forward()). The packet has no SA
 * behind it any more, and as mark only what the SA's output-mark makes of none. A TUN device takes neither policies nor
 * marks, so they are asked here.
 *
 * Not done: fragments for this host are judged one by one, not when they have been put together.
 */
import { type Batch, IN_IFINDEX, LENGTH, OFFSET } from "../batch.ts";
import { DropReason } from "../drop_reason.ts";
import * as ipv4 from "../wire/ipv4.ts";
import { decodeSession, DST, SRC } from "./flow.ts";
import { plainPolicyCheck } from "./xfrm_policy_check.ts";
import { DIR_FWD, DIR_IN } from "./xfrm_policy.ts";
import {
  AF_INET,
  AF_INET6,
  IPPROTO_AH,
  IPPROTO_COMP,
  IPPROTO_ESP,
  IPPROTO_IPIP,
  IPPROTO_IPV6,
} from "./xfrm_record.ts";
import { RTN_BROADCAST, RTN_LOCAL, RTN_UNICAST } from "./route_lookup.ts";
import type { XfrmState } from "./xfrm_state.ts";
import { LOOPBACK_IFINDEX, type XfrmTable } from "./xfrm_table.ts";

/** Asks about packet `i`, which `state` carried. Returns a DropReason. */
export function xfrmStackCheck(table: XfrmTable, batch: Batch, i: number, state: XfrmState): number {
  const { i32, view } = batch;
  const at = i32[OFFSET + i];
  const ifindex = i32[IN_IFINDEX + i];
  // A device elsewhere meets the policies of where it lives.
  if (ifindex === 0) return 0;
  const version = ipv4.getVersion(view, at);
  if (version !== 4 && version !== 6) return 0;
  const family = version === 4 ? AF_INET : AF_INET6;
  if (family === AF_INET && table.isNoPolicy(ifindex)) return 0;
  const rule = state.outputMark;
  const mark = rule === null ? 0 : rule.value & rule.mask;
  const { flow } = table;
  decodeSession(flow, view, at, i32[LENGTH + i], family, mark, LOOPBACK_IFINDEX);
  switch (isToGroup(family, flow.words[DST]) ? RTN_LOCAL : inputRoute(table, ifindex, mark)) {
    case RTN_UNICAST:
      return asStack(plainPolicyCheck(table, DIR_FWD, table.blocksFwd, table.forwardChecks));
    case RTN_LOCAL:
    case RTN_BROADCAST:
      if (isTunnelProtocol(flow.proto)) return 0;
      return asStack(plainPolicyCheck(table, DIR_IN, table.blocksIn, table.hostChecks));
  }
  return 0;
}

/** This host takes it, whoever else does; `first` is the first word of its destination. */
function isToGroup(family: number, first: number): boolean {
  const top = first >>> 24;
  return family === AF_INET ? top >= 0xe0 : top === 0xff;
}

/** Asked once for a flow and interface. */
function inputRoute(table: XfrmTable, ifindex: number, mark: number): number {
  const { flow, inputRoutes, generation } = table;
  const known = inputRoutes.find(flow, generation);
  if (known !== null && known.oif === ifindex) return known.reason;
  const entry = inputRoutes.fill(flow, generation);
  const { words } = flow;
  entry.oif = ifindex;
  entry.reason = table.stackRoutes.input(
    flow.family,
    words.subarray(SRC, SRC + 4),
    words.subarray(DST, DST + 4),
    ifindex,
    mark,
  );
  return entry.reason;
}

/** Those whose handlers look at the policies themselves, or let their tunnels do so (no_policy). */
function isTunnelProtocol(proto: number): boolean {
  return proto === IPPROTO_ESP || proto === IPPROTO_AH || proto === IPPROTO_COMP || proto === IPPROTO_IPIP ||
    proto === IPPROTO_IPV6;
}

function asStack(reason: number): number {
  if (reason === DropReason.InNoPols) return DropReason.StackNoPols;
  if (reason === DropReason.InPolBlock) return DropReason.StackPolBlock;
  return reason === 0 ? 0 : DropReason.StackTmplMismatch;
}
