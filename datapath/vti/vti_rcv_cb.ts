/**
 * The last word on a received packet: the inbound policy of the tunnel's mark (net/ipv4/ip_vti.c vti_rcv_cb()).
 * Counters and scrubbing are the tunnel actor's part.
 */
import { type Batch, IKEY, INGRESS, LENGTH, OFFSET } from "../batch.ts";
import { decodeSession } from "../xfrm/flow.ts";
import { AF_INET } from "../xfrm/xfrm_record.ts";
import { xfrmPolicyCheck } from "../xfrm/xfrm_policy_check.ts";
import type { XfrmState } from "../xfrm/xfrm_state.ts";
import { LOOPBACK_IFINDEX, type XfrmTable } from "../xfrm/xfrm_table.ts";

/** Checks the inner packet of `family` that `state` carried. Returns a DropReason. */
export function vtiRcvCb(
  table: XfrmTable,
  batch: Batch,
  i: number,
  state: XfrmState,
  family: number,
): number {
  const { i32, view } = batch;
  // NB: the flag is with the outer packet's IPv4, IPv6 asks the route that it came by, which has none.
  if (family === AF_INET && table.isNoPolicy(i32[INGRESS + i])) return 0;
  decodeSession(
    table.flow,
    view,
    i32[OFFSET + i],
    i32[LENGTH + i],
    family,
    i32[IKEY + i],
    LOOPBACK_IFINDEX,
  );
  return xfrmPolicyCheck(table, state);
}
