/** Whether an SA may carry a tunnel's packets (net/ipv4/ip_vti.c vti_state_check()). */
import { AF_INET } from "../xfrm/xfrm_record.ts";
import type { XfrmState } from "../xfrm/xfrm_state.ts";

/**
 * `local` and `remote` are the tunnel's, 0 for any. Without a remote the SA must come from exactly `local` and may go
 * anywhere (point to multipoint); with one it must go there, and either side may leave the source open.
 */
export function vtiStateCheck(x: XfrmState, local: number, remote: number): boolean {
  if (!x.isTunnel || x.family !== AF_INET) return false;
  const src = x.saddr[0];
  if (remote === 0) return src === local;
  return x.daddr[0] === remote && (src === local || local === 0 || src === 0);
}
