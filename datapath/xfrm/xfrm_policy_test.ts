import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeSession, Flow } from "./flow.ts";
import { DIR_OUT, PolicyTable, TYPE_MAIN, TYPE_SUB, XfrmPolicy } from "./xfrm_policy.ts";
import { anySelector, ip, ipv4Packet, ipv6Packet, policyRecord } from "./xfrm_fixture.ts";
import { AF_INET, AF_INET6, type XfrmPolicyRecord } from "./xfrm_record.ts";

const EXACT = 0xffffffff;

function flowOf(mark: number, family: number = AF_INET): Flow {
  const flow = new Flow();
  const packet = family === AF_INET ? ipv4Packet(40) : ipv6Packet(60);
  decodeSession(flow, new DataView(packet.buffer), 0, packet.length, family, mark, 10);
  return flow;
}

function table(...records: Partial<XfrmPolicyRecord>[]): PolicyTable {
  const policies = new PolicyTable();
  records.forEach((change, i) => policies.add(policyRecord({ index: 8 * i + 1, order: i, ...change })));
  return policies;
}

const found = (policies: PolicyTable, mark: number, family: number = AF_INET): number | undefined =>
  policies.lookup(flowOf(mark, family), DIR_OUT, TYPE_MAIN)?.index;

Deno.test("PolicyTable.lookup() takes the lower priority number, then the earlier insertion", () => {
  const p = { mark: { value: 10, mask: EXACT } };
  assert.equal(found(table({ ...p, priority: 5 }, { ...p, priority: 3 }, { ...p, priority: 3 }), 10), 9);
  assert.equal(found(table({ ...p, priority: 3 }, { ...p, priority: 3 }), 10), 1);
  assert.equal(found(table({ ...p, priority: 0x80000000 }, { ...p, priority: 0x7fffffff }), 10), 9);
});

Deno.test("PolicyTable.lookup() weighs marked and unmarked policies by the same order", () => {
  const exact = { mark: { value: 10, mask: EXACT } };
  const none = { mark: { value: 0, mask: 0 } };
  assert.equal(found(table({ ...exact, priority: 2 }, { ...none, priority: 1 }), 10), 9);
  assert.equal(found(table({ ...none, priority: 2 }, { ...exact, priority: 1 }), 10), 9);
  assert.equal(found(table({ ...none, priority: 1 }, { ...exact, priority: 1 }), 10), 1);
});

Deno.test("PolicyTable.lookup() tests the mark without masking the policy's value", () => {
  assert.equal(found(table({ mark: { value: 10, mask: EXACT } }), 10), 1);
  assert.equal(found(table({ mark: { value: 10, mask: EXACT } }), 11), undefined);
  assert.equal(found(table({ mark: { value: 0x0a, mask: 0xff } }), 0x10a), 1);
  assert.equal(found(table({ mark: { value: 0x10a, mask: 0xff } }), 10), undefined);
  assert.equal(found(table({ mark: { value: 0x10a, mask: 0xff } }), 0x10a), undefined);
  assert.equal(found(table({ mark: { value: 0, mask: 0 } }), 12345), 1);
  assert.equal(found(table({ mark: { value: 0xfffffff0, mask: EXACT } }), 0xfffffff0), 1);
});

Deno.test("PolicyTable.lookup() keeps families, types and directions apart", () => {
  const policies = table({ family: AF_INET6 }, { type: TYPE_SUB }, { dir: 0, index: 16 });
  assert.equal(found(policies, 7), undefined);
  assert.equal(found(policies, 7, AF_INET6), 1);
  assert.equal(policies.lookup(flowOf(7), DIR_OUT, TYPE_SUB)?.index, 9);
  assert.deepEqual([...policies.count], [1, 2, 0]);
});

Deno.test("PolicyTable.add() replaces the policy with the same index, and its place", () => {
  const policies = table({ priority: 1 }, { priority: 2 });
  policies.add(policyRecord({ index: 1, priority: 3, order: 0 }));
  assert.equal(found(policies, 7), 9);
  assert.equal(policies.count[DIR_OUT], 2);
});

Deno.test("PolicyTable.delete() removes one and says whether it was there", () => {
  const policies = table({}, {});
  assert.equal(policies.delete(1, DIR_OUT, TYPE_MAIN), true);
  assert.equal(policies.delete(1, DIR_OUT, TYPE_MAIN), false);
  assert.equal(policies.delete(9, DIR_OUT, TYPE_SUB), false);
  assert.equal(found(policies, 7), 9);
  policies.delete(9, DIR_OUT, TYPE_MAIN);
  assert.equal(found(policies, 7), undefined);
});

Deno.test("PolicyTable.lookup() finds what a scan of all policies finds", () => {
  const record = fc.record({
    priority: fc.integer({ min: 0, max: 3 }),
    mark: fc.constantFrom(
      { value: 0, mask: 0 },
      { value: 1, mask: EXACT },
      { value: 2, mask: EXACT },
      { value: 1, mask: 1 },
    ),
    prefixlenS: fc.constantFrom(0, 16, 32),
    saddr: fc.constantFrom(ip("10.9.0.2"), ip("10.9.0.3"), ip("10.8.0.2")),
  });
  fc.assert(fc.property(fc.array(record, { maxLength: 20 }), (list) => {
    const records = list.map(({ priority, mark, prefixlenS, saddr }, i) =>
      policyRecord({
        index: 8 * i + 1,
        order: i,
        priority,
        mark,
        sel: { ...anySelector(AF_INET), saddr: [saddr, 0, 0, 0], prefixlenS },
      })
    );
    const policies = new PolicyTable();
    for (const r of records) policies.add(r);
    for (const mark of [0, 1, 2, 3]) {
      const flow = flowOf(mark);
      const best = records.filter((r) => new XfrmPolicy(r).matches(flow))
        .sort((a, b) => a.priority - b.priority || a.order - b.order)[0];
      assert.equal(policies.lookup(flow, DIR_OUT, TYPE_MAIN)?.index, best?.index);
    }
  }));
});
