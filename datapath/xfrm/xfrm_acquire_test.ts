import assert from "node:assert/strict";
import { REASON } from "../batch.ts";
import { DROP_ROWS } from "../drop_reason.ts";
import { receive } from "../receive.ts";
import { transmit } from "../transmit.ts";
import type { WantedState } from "./xfrm_acquire.ts";
import {
  inBatch,
  inStateRecord,
  ip,
  ipv4Packet,
  L,
  makeTable,
  outBatch,
  policyRecord,
  R,
  SPI_IN,
  stateRecord,
  templateRecord,
  type TestTable,
} from "./xfrm_fixture.ts";

function ask(
  t: TestTable,
  now: number,
  packet = ipv4Packet(84, { proto: 17, ports: 0x00350400 }),
): WantedState[] {
  t.table.now = now;
  const batch = outBatch(packet);
  transmit(t.table, batch);
  const wanted: WantedState[] = [];
  t.table.acquires.drain((one) => wanted.push(one));
  return wanted;
}

Deno.test("a flow without an SA asks for one, with the flow and the template's ends", () => {
  const t = makeTable();
  t.table.addPolicy(policyRecord({ templates: [templateRecord({ reqid: 3 })] }));
  assert.deepEqual(ask(t, 100), [{
    policy: { index: 9, type: 0 },
    template: 0,
    saddr: [L, 0, 0, 0],
    daddr: [R, 0, 0, 0],
    flow: {
      family: 2,
      saddr: [ip("10.9.0.2"), 0, 0, 0],
      daddr: [ip("10.9.0.1"), 0, 0, 0],
      proto: 17,
      sport: 0x35,
      dport: 0x400,
      ifindex: 10,
    },
  }]);
  assert.deepEqual(t.mib(), { XfrmOutNoStates: 1 });
});

Deno.test("a template asks once a second, whatever flows there are, and again when nothing came of it", () => {
  const t = makeTable();
  t.table.addPolicy(policyRecord());
  const asked = [100, 100, 101, 101, 105].map((now, i) => ask(t, now, ipv4Packet(84, { ports: i })).length);
  assert.deepEqual(asked, [1, 0, 1, 0, 1]);
  // The same flow as before, long in the cache.
  assert.equal(ask(t, 200, ipv4Packet(84, { ports: 0 })).length, 1);
  t.table.addState(stateRecord());
  assert.equal(ask(t, 300).length, 0);
});

Deno.test("no more than 64 SAs are asked for in a second, the others in the next", () => {
  const t = makeTable();
  for (let k = 0; k < 100; k++) {
    const sel = { ...policyRecord().sel, daddr: [ip("10.0.0.0") + k, 0, 0, 0] as const, prefixlenD: 32 };
    t.table.addPolicy(policyRecord({ index: 8 * k + 1, order: k, sel }));
  }
  const askAll = (now: number) => {
    let asked = 0;
    for (let k = 0; k < 100; k++) asked += ask(t, now, ipv4Packet(84, { dst: `10.0.0.${k}` })).length;
    return asked;
  };
  assert.deepEqual([askAll(1), askAll(1), askAll(2)], [64, 0, 64]);
});

Deno.test("an optional template and one whose SPI another SA has ask for nothing", () => {
  const t = makeTable();
  t.table.addPolicy(policyRecord({ templates: [templateRecord({ proto: 108, optional: true })] }));
  assert.deepEqual(ask(t, 1), []);
  const taken = makeTable();
  taken.table.addState(stateRecord({ reqid: 5 }));
  taken.table.addPolicy(policyRecord({ templates: [templateRecord({ spi: stateRecord().spi })] }));
  assert.deepEqual(ask(taken, 1), []);
});

Deno.test("what arrives by a reserved SPI is told from what no SA wants, and nothing is sent by one", () => {
  const t = makeTable();
  const { cells: _, ...record } = inStateRecord();
  t.table.reserveState(record);
  const esp = ipv4Packet(100, { proto: 50, src: "192.0.2.1", dst: "192.0.2.2" });
  new DataView(esp.buffer).setUint32(20, SPI_IN);
  const batch = inBatch(esp);
  receive(t.table, batch);
  assert.equal(DROP_ROWS[batch.i32[REASON]].name, "InAcquire");
  assert.deepEqual(t.mib(), { XfrmAcquireError: 1 });
  t.table.addState(inStateRecord());
  const again = inBatch(esp);
  receive(t.table, again);
  assert.notEqual(DROP_ROWS[again.i32[REASON]].name, "InAcquire");

  const out = makeTable();
  const { cells: __, ...sending } = stateRecord();
  out.table.reserveState(sending);
  out.table.addPolicy(policyRecord());
  assert.equal(ask(out, 1).length, 1);
});
