/** What a vti asks of a bundle before it sends by it (net/ipv4/ip_vti.c vti_xmit(), as of 6.1). */
import { type Batch, DEVICE_MTU, IFINDEX, INFO, LENGTH, LOCAL, OFFSET, REMOTE } from "../batch.ts";
import { DropReason } from "../drop_reason.ts";
import * as ipv4 from "../wire/ipv4.ts";
import type { FlowEntry } from "../xfrm/flow_cache.ts";
import { vtiStateCheck } from "./vti_state_check.ts";

/** Every IPv6 link carries this much (RFC 8200 §5), so no smaller MTU is reported. */
export const IPV6_MIN_MTU = 1280;

/**
 * 1. The SA fits the tunnel. 2. The route does not lead back into the device. 3. The packet fits, or may be
 * fragmented after encryption: IPv4 without DF. Returns a DropReason; OutTooBig has its MTU in INFO.
 */
export function vtiXmit(batch: Batch, i: number, bundle: FlowEntry): number {
  const i32 = batch.i32;
  if (!vtiStateCheck(bundle.state!, i32[LOCAL], i32[REMOTE])) return DropReason.OutStateCheck;
  if (bundle.oif === i32[IFINDEX]) return DropReason.OutCollision;
  const mtu = Math.min(bundle.mtu, i32[DEVICE_MTU]);
  return i32[LENGTH + i] > mtu ? tooBig(batch, i, mtu) : 0;
}

function tooBig(batch: Batch, i: number, mtu: number): number {
  const { i32, view } = batch;
  const at = i32[OFFSET + i];
  if (ipv4.getVersion(view, at) === 4) {
    if ((ipv4.getFragment(view, at) & ipv4.DF) === 0) return 0;
    i32[INFO + i] = mtu;
  } else {
    i32[INFO + i] = Math.max(mtu, IPV6_MIN_MTU);
  }
  return DropReason.OutTooBig;
}
