import assert from "node:assert/strict";
import { LENGTH, OFFSET, REASON } from "./batch.ts";
import { DROP_ROWS } from "./drop_reason.ts";
import {
  inBatch,
  inPolicyRecord,
  inStateRecord,
  ipv4Packet,
  L,
  makeTable,
  outBatch,
  packetOf,
  policyRecord,
  R,
  SPI_OUT,
  stateRecord,
  templateRecord,
} from "./xfrm/xfrm_fixture.ts";

Deno.test("transmit() and receive() are each other's inverse", () => {
  const a = makeTable();
  a.table.addState(stateRecord());
  a.table.addPolicy(policyRecord());
  const b = makeTable();
  b.table.addState(inStateRecord({ saddr: [L, 0, 0, 0], daddr: [R, 0, 0, 0], spi: SPI_OUT }));
  b.table.addPolicy(inPolicyRecord({ templates: [templateRecord()] }));
  const inner = ipv4Packet(84);
  const out = outBatch(inner, inner);
  a.table.transmit(out);
  assert.equal(DROP_ROWS[out.i32[REASON]].name, "None");
  assert.equal(out.i32[LENGTH], 140);
  const into = inBatch(packetOf(out, 0), packetOf(out, 1));
  b.table.receive(into);
  assert.equal(DROP_ROWS[into.i32[REASON]].name, "None");
  assert.deepEqual(packetOf(into, 0), inner);
  assert.deepEqual(packetOf(into, 1), inner);
  assert.equal(into.i32[OFFSET] > 0, true);
});
