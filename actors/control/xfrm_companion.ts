/**
 * Companions of IPComp SAs in tunnel mode (net/ipv4/ipcomp.c ipcomp_tunnel_attach()): what does not get shorter is sent
 * as IP in IP, and an SA of that protocol lets it in. All IPComp SAs between two ends share one, which nobody can name.
 */
import type { XfrmStateRecord } from "../../datapath/xfrm/xfrm_record.ts";
import { AF_INET, IPPROTO_COMP, IPPROTO_IPIP, XfrmModeNumber } from "../../datapath/xfrm/xfrm_record.ts";
import { makeXfrmCells, viewXfrmCells } from "../../datapath/xfrm/xfrm_cells.ts";
import type { Sent } from "./xfrm_change.ts";
import { lifetimeRecord, timeLimits } from "./xfrm_lifetime.ts";
import type { StateEntry } from "./xfrm_state_info.ts";
import type { StatePlace } from "./xfrm_state_request.ts";

type Place = StatePlace & { readonly spi: number };

export function isCompanion({ record }: StateEntry): boolean {
  return record.proto === IPPROTO_IPIP;
}

/** Where the companion of an SA is, or null when the SA has none. Its SPI is the source address. */
export function companionPlace({ record }: StateEntry): Place | null {
  const { proto, mode, family, saddr, daddr, mark } = record;
  if (proto !== IPPROTO_COMP || mode !== XfrmModeNumber.tunnel || family !== AF_INET) return null;
  return { family, saddr, daddr, proto: IPPROTO_IPIP, mark, spi: saddr[0] >>> 0 };
}

/** The companion of an SA, in no table yet. */
export function companionState(of: StateEntry, place: Place, addTime: number): StateEntry {
  const record: Sent<XfrmStateRecord> = {
    ...of.record,
    ...place,
    number: 0,
    reqid: 0,
    lifetime: lifetimeRecord(undefined),
    addTime,
    replayWindow: 0,
    replayKind: "legacy",
    outputMark: null,
    tfcpad: 0,
    transform: { esn: false },
    inputRefused: false,
    cells: 0n,
  };
  return {
    record,
    cells: viewXfrmCells(makeXfrmCells()),
    slot: null,
    limits: undefined,
    times: timeLimits(undefined),
    acquiring: false,
    dying: false,
    seq: 0,
    flags: of.flags,
    ifId: of.ifId,
    encap: undefined,
    comp: undefined,
    companion: null,
    users: 0,
  };
}
