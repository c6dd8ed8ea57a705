/** The gateway L as a sender, for the tests of transmit(). */
import assert from "node:assert/strict";
import type { Batch } from "./batch.ts";
import { fakeBackend } from "./xfrm/transform_fixture.ts";
import {
  makeTable,
  outBatch,
  packetOf,
  policyRecord,
  reasonOf,
  stateRecord,
  type TestTable,
} from "./xfrm/xfrm_fixture.ts";
import { AF_INET6, type XfrmStateRecord } from "./xfrm/xfrm_record.ts";

export function tableWith(change: Partial<XfrmStateRecord> = {}, backend = fakeBackend()): TestTable {
  const t = makeTable(backend);
  t.table.addState(stateRecord(change));
  t.table.addPolicy(policyRecord());
  t.table.addPolicy(policyRecord({ index: 17, family: AF_INET6 }));
  return t;
}

/** Sends one packet; returns its outer packet as bytes and as a view. */
export function send(t: TestTable, packet: Uint8Array): { bytes: Uint8Array; view: DataView; batch: Batch } {
  const batch = outBatch(packet);
  t.table.transmit(batch);
  assert.equal(reasonOf(batch), "None");
  const bytes = packetOf(batch, 0);
  return { bytes, view: new DataView(bytes.buffer), batch };
}
