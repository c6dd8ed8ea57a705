import assert from "node:assert/strict";
import type { XfrmPolicyRequest } from "../gateway.ts";
import { ANY, errnoOf, mark, OUT, policyOf, setUpXfrm, value } from "../../tests/doubles/xfrm_requests.ts";

Deno.test("newPolicy() refuses what the kernel refuses, and blames the attribute", async (t) => {
  const tmpl = OUT.tmpl![0]!;
  const rows: [name: string, request: XfrmPolicyRequest, expected: string][] = [
    ["prefix over 32", { ...OUT, sel: { ...ANY, src: "10.0.0.0/33" } }, "EINVAL sel.src"],
    ["two families", { ...OUT, sel: { ...ANY, dst: "::/0" } }, "EINVAL sel.dst"],
    ["unknown device", { ...OUT, sel: { ...ANY, dev: "eth9" } }, "ENODEV sel.dev"],
    ["index of another direction", { ...OUT, index: 8 }, "EINVAL index"],
    ["seven templates", { ...OUT, tmpl: Array(7).fill(tmpl) }, "EINVAL tmpl"],
    [
      "transport to another family",
      { ...OUT, tmpl: [{ ...tmpl, src: "::1", dst: "::2", mode: "transport" }] },
      "EINVAL tmpl.0.mode",
    ],
    ["template of two families", { ...OUT, tmpl: [tmpl, { ...tmpl, dst: "::2" }] }, "EINVAL tmpl.1.dst"],
    ["template's address", { ...OUT, tmpl: [{ ...tmpl, src: "x" }] }, "EINVAL tmpl.0.src"],
    ["optional tunnel out", { ...OUT, tmpl: [{ ...tmpl, level: "use" }] }, "EINVAL tmpl.0.level"],
  ];
  for (const [name, request, expected] of rows) {
    await t.step(name, () => {
      const { user, sent, events } = setUpXfrm();
      assert.equal(errnoOf(user.newPolicy(request)), expected);
      assert.deepEqual([sent.length, events.length, user.policyCount], [0, 0, 0]);
    });
  }
});

Deno.test("newPolicy() tells policies apart by selector, direction, type, mark and if_id", () => {
  const { user } = setUpXfrm();
  value(user.newPolicy(OUT));
  assert.equal(errnoOf(user.newPolicy({ ...OUT, priority: 5, tmpl: [], action: "block" })), "EEXIST");
  const others: Partial<XfrmPolicyRequest>[] = [
    { dir: "in" },
    { dir: "fwd" },
    mark(7),
    mark(7, 0xff),
    { ptype: "sub" },
    { if_id: 3 },
    { sel: { ...ANY, src: "::/0", dst: "::/0" }, tmpl: [] },
    { sel: { ...ANY, src: "10.0.0.1/8" } },
    { sel: { ...ANY, src: "10.0.0.2/8" } },
    { sel: { ...ANY, sport: 1, sport_mask: 0 } },
    { sel: { ...ANY, dev: "eth0" } },
  ];
  for (const other of others) value(user.newPolicy({ ...OUT, ...other }));
  assert.equal(user.policyCount, 12);
});

Deno.test("newPolicy() numbers as xfrm_gen_index()", () => {
  const { user } = setUpXfrm();
  const index = (request: Partial<XfrmPolicyRequest>) => value(user.newPolicy({ ...OUT, ...request })).index;
  // The sequence that Linux 6.18 gave for the same requests.
  assert.equal(index({ dir: "in", ...mark(7) }), 8);
  assert.equal(index(mark(7)), 9);
  assert.equal(index(mark(8)), 17);
  assert.equal(index({ ...mark(9), index: 9 }), 25);
  assert.equal(index({ ...mark(10), index: 1 }), 1);
  assert.equal(index({ ...mark(10), dir: "fwd" }), 34);
  assert.equal(value(user.updPolicy({ ...OUT, ...mark(8), index: 1 })).index, 17);
});

Deno.test("updPolicy() replaces in place, becomes the newest, or adds", () => {
  const { user, sent, events } = setUpXfrm();
  value(user.newPolicy({ ...OUT, ...mark(7) }));
  value(user.newPolicy({ ...OUT, ...mark(8) }));
  value(user.updPolicy({ ...OUT, ...mark(7), priority: 6 }));
  value(user.updPolicy(OUT));
  assert.deepEqual(value(user.listPolicies()).map((p) => [p.mark?.value, p.priority]), [
    [undefined, 0],
    [7, 6],
    [8, 0],
  ]);
  assert.deepEqual(sent.map((change) => change.op), ["policy-add", "policy-add", "policy-upd", "policy-add"]);
  assert.equal(policyOf(sent[2]).index, policyOf(sent[0]).index);
  assert.ok(policyOf(sent[2]).order > policyOf(sent[1]).order);
  assert.deepEqual(events.map((e) => e.kind), ["newpolicy", "newpolicy", "updpolicy", "updpolicy"]);
});

Deno.test("getPolicy() and delPolicy() find by selector or by index, and want the mark too", () => {
  const { user, sent, events } = setUpXfrm();
  const { index } = value(user.newPolicy({ ...OUT, ...mark(7) }));
  assert.equal(errnoOf(user.getPolicy({ dir: "out" })), "EINVAL sel");
  assert.equal(errnoOf(user.getPolicy({ dir: "out", sel: ANY })), "ENOENT");
  assert.equal(errnoOf(user.getPolicy({ dir: "out", index })), "ENOENT");
  assert.equal(errnoOf(user.getPolicy({ dir: "out", index: 999, ...mark(7) })), "ENOENT");
  assert.equal(errnoOf(user.delPolicy({ dir: "in", sel: ANY, ...mark(7) })), "ENOENT");
  assert.equal(value(user.getPolicy({ dir: "out", index, ...mark(7) })).index, index);
  assert.equal(value(user.getPolicy({ dir: "out", sel: ANY, ...mark(7) })).index, index);
  value(user.delPolicy({ dir: "out", index, ...mark(7) }));
  assert.deepEqual(sent.at(-1), { op: "policy-del", index, dir: 1, type: 0 });
  assert.equal(events.at(-1)?.kind, "delpolicy");
  assert.equal(user.policyCount, 0);
});

Deno.test("newPolicy() fills a template's family from the policy", () => {
  const { user, sent } = setUpXfrm();
  const v6 = { ...ANY, src: "::/0", dst: "::/0" };
  value(user.newPolicy({ dir: "in", sel: v6, tmpl: [{ proto: "esp" }] }));
  assert.equal(policyOf(sent[0]).templates[0]?.family, 10);
  const info = value(user.getPolicy({ dir: "in", sel: v6 }));
  assert.deepEqual(info.tmpl, [
    { src: "::", dst: "::", proto: "esp", spi: 0, reqid: 0, mode: "transport", level: "required" },
  ]);
  value(
    user.newPolicy({ dir: "fwd", sel: ANY, tmpl: [{ dst: "2001:db8::1", proto: "esp", mode: "tunnel" }] }),
  );
  assert.equal(policyOf(sent[1]).templates[0]?.family, 10);
  assert.equal(policyOf(sent[1]).family, 2);
});

Deno.test("a policy with an if_id is kept but the SA table is not told", () => {
  const { user, sent } = setUpXfrm();
  value(user.newPolicy({ ...OUT, if_id: 3 }));
  assert.equal(value(user.getPolicy({ dir: "out", sel: ANY, if_id: 3 })).if_id, 3);
  value(user.delPolicy({ dir: "out", sel: ANY, if_id: 3 }));
  assert.equal(sent.length, 0);
});

Deno.test("flushPolicies() takes one type only", () => {
  const { user, events } = setUpXfrm();
  value(user.newPolicy(OUT));
  value(user.newPolicy({ ...OUT, ptype: "sub" }));
  assert.equal(value(user.flushPolicies("main")), 1);
  assert.deepEqual(events.at(-1), { kind: "flushpolicy", body: { ptype: "main", count: 1 } });
  assert.equal(value(user.flushPolicies("main")), 0);
  assert.equal(user.policyCount, 1);
});

Deno.test("tick() repeats a policy's soft event every 30 seconds and removes it at a hard time", () => {
  const { user, sent, events } = setUpXfrm();
  value(user.newPolicy({ ...OUT, limits: { time_soft: 5, time_use_hard: 100 } }));
  for (let now = 1001; now <= 1040; now++) user.tick(now);
  assert.deepEqual(events.slice(1).map((e) => e.kind), ["expire", "expire"]);
  user.tick(1100);
  assert.equal(user.policyCount, 0);
  assert.equal(sent.at(-1)?.op, "policy-del");
});

Deno.test("listPolicies() shows limits, flags and the live time of use", () => {
  const { user, sent, memory } = setUpXfrm();
  value(user.newPolicy({ ...OUT, limits: { byte_hard: 5 }, flags: ["icmp", "icmp"], priority: 9 }));
  new Float64Array(memory(policyOf(sent[0])))[0] = 1234.5;
  const [info] = value(user.listPolicies());
  assert.deepEqual([info?.limits, info?.flags, info?.priority], [{ byte_hard: 5 }, ["icmp"], 9]);
  assert.deepEqual(info?.lifetime, { bytes: 0, packets: 0, add_time: 1000, use_time: 1234 });
});
