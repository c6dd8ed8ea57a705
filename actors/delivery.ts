/** Where a received batch goes next: to each tunnel that has packets in it, then home. */
import { type Batch, COUNT, KIND, OWNER, PACKET_TUNNEL, TO } from "../datapath/batch.ts";
import { BatchKind } from "./messages.ts";

/** Addresses the batch to the first tunnel that has not had its packets, or to its owner. */
export function addressNext(batch: Batch): void {
  const i32 = batch.i32;
  const count = i32[COUNT];
  for (let i = 0; i < count; i++) {
    const tunnel = i32[PACKET_TUNNEL + i];
    if (tunnel === 0) continue;
    i32[TO] = tunnel;
    i32[KIND] = BatchKind.deliver;
    return;
  }
  i32[TO] = i32[OWNER];
  i32[KIND] = BatchKind.done;
}
