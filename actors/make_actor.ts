/** From an init record to the actor: the three kinds there are. */
import type { Batch } from "../datapath/batch.ts";
import { XFRM_MIB } from "../datapath/drop_reason.ts";
import { cellsAt, TUNNEL_CELLS } from "./counters.ts";
import type { ActorInit } from "./messages.ts";
import { NetnsActor } from "./netns.ts";
import type { ActorId, Behaviour, Context } from "./runtime/behaviour.ts";
import { SaTableActor } from "./sa_table.ts";
import { TunnelActor } from "./tunnel.ts";

export function makeActor(_actor: ActorId, init: unknown, context: Context<Batch>): Behaviour<Batch> {
  const record = init as ActorInit;
  const { quarantine } = record;
  switch (record.kind) {
    case "netns":
      return new NetnsActor(context, {
        ...record,
        mib: cellsAt(record.mib, XFRM_MIB.length),
        inFlight: cellsAt(record.inFlight, 1),
      }, quarantine);
    case "sa_table":
      return new SaTableActor(context, { ...record, mib: cellsAt(record.mib, XFRM_MIB.length) }, quarantine);
    case "tunnel": {
      const counters = cellsAt(record.counters, TUNNEL_CELLS);
      return new TunnelActor(context, { ...record, counters }, quarantine);
    }
  }
}
