/** What the store is told is enough to have the same SAD and SPD after a restart. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { ANY, CBC, GCM, mark, OUT, SA, setUpXfrm, SHA1, value } from "../../tests/doubles/xfrm_requests.ts";
import { PlainKeeper } from "../../tests/doubles/plain_keeper.ts";
import type { XfrmStateRequest } from "../gateway.ts";
import { CELL_OSEQ, viewXfrmCells, WORD_SEQ } from "../../datapath/xfrm/xfrm_cells.ts";
import type { KeptState } from "./xfrm_state_kept.ts";
import { fail } from "./kernel_error.ts";
import type { XfrmUser } from "./xfrm_user.ts";

/** A new XfrmUser with everything that `keeper` was told, as JSON brings it back. */
function restored(keeper: PlainKeeper, lost = false) {
  const next = setUpXfrm();
  const age = (body: unknown) =>
    (body as { number?: number; order?: number }).number ?? (body as { order: number }).order;
  const things = [...keeper.kept.values()].sort((a, b) => age(a.body) - age(b.body));
  for (const { kind, slot, body, secret } of things) {
    if (kind === "link") continue;
    const thing: KeptState = {
      slot: { ...slot, lost },
      body: JSON.parse(JSON.stringify(body)),
      secret: secret?.slice() ?? new Uint8Array(),
    };
    value(next.user.restore({ kind, ...thing }));
  }
  return next;
}

function everything(user: XfrmUser) {
  return [value(user.listStates({}, true)), value(user.listPolicies()), user.snapshot()];
}

const u32 = fc.integer({ min: 0, max: 0xffffffff });
const marks = fc.constantFrom({}, mark(7), mark(7, 0xff));
const limits = fc.constantFrom({}, { byte_hard: 9e15, packet_soft: 3 }, {
  time_soft: 500,
  time_use_hard: 900,
});
const algorithms = fc.constantFrom<Partial<XfrmStateRequest>>(
  { aead: GCM },
  { enc: CBC, auth: SHA1 },
  { enc: { name: "ecb(cipher_null)", key: "" }, auth: { ...SHA1, trunc_bits: 160 } },
);
const state = fc.record({
  algorithms,
  marks,
  rest: fc.record({
    spi: fc.integer({ min: 0, max: 5 }),
    reqid: u32,
    limits,
    replay_window: fc.constantFrom(0, 32, 64),
    replay_oseq: u32,
    seq: u32,
    flags: fc.subarray(["esn", "af-unspec", "noecn", "decap-dscp"] as const),
    extra_flags: fc.subarray(["dont-encap-dscp", "oseq-may-wrap"] as const),
    if_id: fc.constantFrom(0, 3),
  }, { requiredKeys: ["spi"] }),
  encap: fc.constantFrom({}, {
    encap: { type: "espinudp" as const, sport: 4500, dport: 4500, oaddr: "0.0.0.0" },
  }),
  sel: fc.constantFrom({}, { sel: { ...ANY, src: "10.0.0.0/8", dev: "eth0" } }, {
    output_mark: { value: 5, mask: 7 },
  }),
}).map((s): XfrmStateRequest => {
  const { aead: _, ...bare } = SA;
  return { ...bare, ...s.algorithms, ...s.marks, ...s.rest, ...s.encap, ...s.sel };
});
const policy = fc.record({
  marks,
  rest: fc.record({
    dir: fc.constantFrom("in" as const, "out" as const, "fwd" as const),
    priority: u32,
    limits,
    action: fc.constantFrom("allow" as const, "block" as const),
    flags: fc.subarray(["localok", "icmp"] as const),
    ptype: fc.constantFrom("main" as const, "sub" as const),
    if_id: fc.constantFrom(0, 3),
  }, { requiredKeys: ["dir"] }),
}).map((p) => ({ ...OUT, ...p.marks, ...p.rest }));

type Step = (user: XfrmUser, clock: { now: number }) => unknown;
const step: fc.Arbitrary<Step> = fc.oneof(
  state.map((request): Step => (u) => u.newState(request)),
  state.map((request): Step => (u) => u.updState(request)),
  state.map((id): Step => (u) => u.delState(id)),
  state.map((request): Step => (u) => u.allocSpi({ ...request, min: 1, max: 5 })),
  policy.map((request): Step => (u) => u.newPolicy(request)),
  policy.map((request): Step => (u) => u.updPolicy(request)),
  policy.map((request): Step => (u) => u.delPolicy(request)),
  fc.nat(600).map((seconds): Step => (u, clock) => u.tick(clock.now += seconds)),
);

Deno.test("restore() makes of what was kept what was there, reservations of SPIs apart", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const { user, clock, keeper } = setUpXfrm();
      for (const step of steps) step(user, clock);
      // A reserved SPI ends with the process: 30 s later it would have anyway.
      for (const { spi, dst, src, proto, mark, seq: _ } of value(user.listStates({}, true))) {
        if (proto === "ipip") continue;
        const id = { spi, dst, src, proto, ...(mark && { mark }) };
        if (!user.snapshot().some((c) => c.op === "state-add" && c.record.spi === spi)) user.delState(id);
      }
      const kept = user.snapshot().filter((change) => change.op === "state-add").length;
      fc.pre(kept === user.stateCount);
      // A reservation that takes any mark may become the twin of an SA; of two only the newer is taken up.
      const names = value(user.listStates({}, false)).filter(({ spi }) => spi !== 0)
        .map(({ dst, proto, spi, mark }) => JSON.stringify([dst, proto, spi, mark]));
      fc.pre(new Set(names).size === names.length);
      assert.deepEqual(everything(restored(keeper).user), everything(user));
      assert.equal(keeper.kept.size, keeper.slots.size);
    }),
    { numRuns: 500 },
  );
});

Deno.test("restore() keeps SAs whose marks overlap", () => {
  const { user, keeper } = setUpXfrm();
  // In this order the first does not accept the second's mark.
  value(user.newState({ ...SA, ...mark(0x107) }));
  value(user.newState({ ...SA, ...mark(7, 0xff) }));
  assert.equal(value(user.listStates({}, false)).length, 2);
  assert.deepEqual(everything(restored(keeper).user), everything(user));
});

Deno.test("restore() goes on with the cells, and with numbers of its own", () => {
  const { user, keeper } = setUpXfrm();
  value(user.newState({ ...SA, replay_oseq: 9 }));
  value(user.newState({ ...SA, spi: 2 }));
  const { user: next, sent } = restored(keeper);
  assert.equal(value(next.getState(SA, false)).replay.oseq, 9);
  value(next.newState({ ...SA, spi: 3 }));
  const last = sent.at(-1);
  assert.ok(last?.op === "state-add");
  assert.equal(last.record.number, 3);
});

Deno.test("restore() of an SA whose cells are lost refuses what arrives when it has a window", () => {
  const { user, keeper } = setUpXfrm();
  value(user.newState({ ...SA, replay_window: 32 }));
  value(user.newState({ ...SA, spi: 2 }));
  const { user: next } = restored(keeper, true);
  const [without, withWindow] = value(next.listStates({}, false));
  assert.equal(without!.input_refused, undefined);
  assert.match(withWindow!.input_refused!, /replay window is not known/);
  assert.deepEqual(
    next.snapshot().map((change) => change.op === "state-add" && change.record.inputRefused),
    [true, false],
  );
});

Deno.test("what can't be kept is refused, and leaves nothing", () => {
  const { user, keeper, sent, specs } = setUpXfrm();
  keeper.refusal = fail("ENOBUFS", "Cannot keep the state: the disk is full");
  const refused = [user.newState(SA), user.newPolicy(OUT), user.updPolicy(OUT)];
  assert.deepEqual(refused.map((result) => result.ok || result.error.errno), Array(3).fill("ENOBUFS"));
  assert.deepEqual([user.stateCount, user.policyCount, sent.length, keeper.slots.size], [0, 0, 0, 0]);
  assert.ok(specs[0]!.aead!.key.every((byte) => byte === 0), "the key is left");
  keeper.refusal = null;
  value(user.newPolicy(OUT));
  keeper.refusal = fail("ENOBUFS", "Cannot keep the state: the disk is full");
  assert.equal(user.updPolicy({ ...OUT, priority: 5 }).ok, false);
  assert.equal(value(user.listPolicies())[0]!.priority, 0);
});

Deno.test("cells of a removed SA are given back once the SA table knows", () => {
  const { user, keeper, sent, memory } = setUpXfrm();
  value(user.newState(SA));
  const added = sent[0];
  assert.ok(added?.op === "state-add");
  const { f64, i32 } = viewXfrmCells(memory(added.record));
  f64[CELL_OSEQ] = 5;
  i32[WORD_SEQ] = 6;
  assert.equal(value(user.getState(SA, false)).replay.seq, 6);
  value(user.delState(SA));
  assert.deepEqual([keeper.kept.size, keeper.slots.size], [0, 0]);
});
