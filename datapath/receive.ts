/**
 * The way in of a packet for a tunnel's local address (net/ipv4/ip_vti.c vti_input(), net/xfrm/xfrm_input.c):
 *
 *     1  netns     receive, find the tunnel, mark = i_key                vti_input
 *     2  SA table  inbound policy for the outer packet itself            xfrm_policy_check.ts
 *     3  SA table  SPI, SA                                               xfrm_input.ts findState
 *     4  SA table  SA valid, encapsulation, replay, limits, mode         xfrm_input.ts checkState
 *     5  SA table  ICV, decrypt, replay advance                          xfrm_input.ts typeInput, esp_input.ts, ah_input.ts
 *     6  SA table  remove the tunnel: next header, DSCP and ECN          xfrm_input.ts removeTunnelEncap
 *     7  SA table  inbound policy for the inner packet                   vti_rcv_cb.ts
 *        SA table  what the stack's own policies say of it               xfrm_stack_check.ts
 *     8  tunnel    count, scrub, coalesce, write to the device
 *
 * Packets of a run (input_run.ts) share the answers of 2 and 3. The order is fixed: nothing of the text is looked at
 * before its ICV has passed (5), and only then does the replay window move. A packet refused in 6 or 7 has moved it and is
 * counted by the SA, as in the kernel.
 */
import {
  type Batch,
  CURSOR,
  INGRESS,
  OFFSET,
  OUTER_DST,
  OUTER_PROTO,
  OUTER_SRC,
  PACKET_TUNNEL,
  REASON,
  UDP_PORTS,
} from "./batch.ts";
import { DropReason } from "./drop_reason.ts";
import * as esp from "./wire/esp.ts";
import { vtiRcvCb } from "./vti/vti_rcv_cb.ts";
import { checkState, findState, removeTunnelEncap, typeInput } from "./xfrm/xfrm_input.ts";
import { xfrmPolicyCheck } from "./xfrm/xfrm_policy_check.ts";
import { xfrmStackCheck } from "./xfrm/xfrm_stack_check.ts";
import { IPPROTO_UDP } from "./xfrm/xfrm_record.ts";
import { LOOPBACK_IFINDEX, type XfrmTable } from "./xfrm/xfrm_table.ts";

/** Stages 2 to 7 for every packet from CURSOR on without a REASON; whoever gave one has counted it. */
export function receive(table: XfrmTable, batch: Batch): void {
  const i32 = batch.i32;
  table.run.end();
  for (let i = i32[CURSOR], n = batch.count; i < n; i++) {
    if (i32[REASON + i] !== 0) continue;
    i32[CURSOR] = i;
    const reason = receiveOne(table, batch, i);
    if (reason === 0) continue;
    i32[REASON + i] = reason;
    table.countMib(reason);
  }
  i32[CURSOR] = 0;
}

/** Returns a DropReason. */
function receiveOne(table: XfrmTable, batch: Batch, i: number): number {
  if (batch.i32[PACKET_TUNNEL + i] === 0) return DropReason.InNoTunnel;
  let state = table.run.stateOf(batch, i, table.generation);
  if (state !== null) {
    table.seq = esp.getSeq(batch.view, batch.i32[OFFSET + i]);
  } else {
    const refused = checkOuter(table, batch, i);
    if (refused !== 0) return refused;
    state = findState(table, batch, i);
    if (state === null) return table.reason;
    table.run.begin(i, state, table.generation);
  }
  const invalid = checkState(table, batch, i, state);
  if (invalid !== 0) return invalid;
  const nextHeader = typeInput(table, batch, i, state);
  if (nextHeader < 0) return table.reason;
  const family = removeTunnelEncap(batch, i, state, nextHeader);
  if (family === 0) return DropReason.InStateModeError;
  const refused = vtiRcvCb(table, batch, i, state, family);
  return refused !== 0 || !table.isStackAsked(state) ? refused : xfrmStackCheck(table, batch, i, state);
}

/** The outer packet has its own mark, which is none: an unmarked policy with a template catches ESP itself. */
function checkOuter(table: XfrmTable, batch: Batch, i: number): number {
  const i32 = batch.i32;
  if (table.isNoPolicy(i32[INGRESS + i])) return 0;
  const ports = i32[UDP_PORTS + i];
  const proto = ports === 0 ? i32[OUTER_PROTO + i] : IPPROTO_UDP;
  table.flow.setOuter(i32[OUTER_SRC + i], i32[OUTER_DST + i], proto, ports, 0, LOOPBACK_IFINDEX);
  const reason = xfrmPolicyCheck(table, null);
  if (reason === 0) return 0;
  if (reason === DropReason.InNoPols) return DropReason.InOuterNoPols;
  return reason === DropReason.InPolBlock ? DropReason.InOuterPolBlock : DropReason.InOuterTmplMismatch;
}
