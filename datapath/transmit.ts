/**
 * The way out of a packet that was routed into a vti (net/ipv4/ip_vti.c vti_tunnel_xmit(), as of 6.1):
 *
 *     1  tunnel    read from the device, segment, mark = o_key
 *     2  SA table  header: IPv4 or IPv6, complete                        OutHeader
 *     3  SA table  decode the flow                                       flow.ts
 *     4  SA table  policy, SA, outer route                               xfrm_lookup.ts
 *     5  SA table  SA fits the tunnel, no loop, length                   vti_xmit.ts
 *     6  SA table  limits, sequence number, ESP, outer header            xfrm_output.ts, esp_output.ts
 *     7  netns     send, fragmenting what is longer than PATH_MTU
 *     8  tunnel    count; answer refused packets with ICMP
 *
 * A packet refused in 2 to 5 is as it came. One refused in 6 may be half encrypted: nobody gets an answer to it.
 */
import { type Batch, CURSOR, IFINDEX, LENGTH, OFFSET, OKEY, REASON } from "./batch.ts";
import { DropReason } from "./drop_reason.ts";
import { vtiXmit } from "./vti/vti_xmit.ts";
import * as ipv4 from "./wire/ipv4.ts";
import * as ipv6 from "./wire/ipv6.ts";
import { decodeSession } from "./xfrm/flow.ts";
import { xfrmLookup } from "./xfrm/xfrm_lookup.ts";
import { xfrmOutput } from "./xfrm/xfrm_output.ts";
import { AF_INET, AF_INET6 } from "./xfrm/xfrm_record.ts";
import type { XfrmTable } from "./xfrm/xfrm_table.ts";

/** Stages 2 to 6 for every packet from CURSOR on without a REASON. */
export function transmit(table: XfrmTable, batch: Batch): void {
  const i32 = batch.i32;
  for (let i = i32[CURSOR], n = batch.count; i < n; i++) {
    if (i32[REASON + i] !== 0) continue;
    i32[CURSOR] = i;
    const reason = transmitOne(table, batch, i);
    if (reason === 0) continue;
    i32[REASON + i] = reason;
    table.countMib(reason);
  }
  i32[CURSOR] = 0;
}

/** Returns a DropReason. */
function transmitOne(table: XfrmTable, batch: Batch, i: number): number {
  const { i32, view } = batch;
  const at = i32[OFFSET + i];
  const length = i32[LENGTH + i];
  const family = familyOf(view, at, length);
  if (family === 0) return DropReason.OutHeader;
  decodeSession(table.flow, view, at, length, family, i32[OKEY], i32[IFINDEX]);
  const bundle = xfrmLookup(table);
  if (bundle.reason !== 0) return bundle.reason;
  return vtiXmit(batch, i, bundle) || xfrmOutput(table, batch, i, bundle);
}

/** Family by the version field; 0 when it is neither, or the fixed header is not all there. */
function familyOf(view: DataView, at: number, length: number): number {
  if (!ipv4.checkLen(length)) return 0;
  const version = ipv4.getVersion(view, at);
  if (version === 4) return AF_INET;
  return version === 6 && ipv6.checkLen(length) ? AF_INET6 : 0;
}
