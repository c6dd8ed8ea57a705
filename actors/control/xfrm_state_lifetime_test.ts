/** How an SA ends: limits of time and use, and what is left of its keys. */
import assert from "node:assert/strict";
import { CELL_EXPIRY, CELL_USE_TIME, viewXfrmCells } from "../../datapath/xfrm/xfrm_cells.ts";
import { added, errnoOf, SA, setUpXfrm, value } from "../../tests/doubles/xfrm_requests.ts";

Deno.test("keys are zeroed when their SA ends, or never came to be", () => {
  const { user, clock, refuse, specs } = setUpXfrm();
  const isZero = () => specs.at(-1)!.aead!.key.every((byte) => byte === 0);
  const limits = { time_hard: 5 };
  value(user.newState({ ...SA, limits }));
  assert.equal(isZero(), false);
  user.tick(clock.now + 5);
  assert.equal(isZero(), true);
  value(user.newState(SA));
  const kept = specs.at(-1)!;
  assert.equal(errnoOf(user.newState(SA)), "EEXIST");
  assert.equal(isZero(), true);
  value(user.updState(SA));
  assert.equal(isZero(), true);
  assert.equal(errnoOf(user.updState({ ...SA, spi: 2 })), "ESRCH");
  assert.equal(isZero(), true);
  refuse("EINVAL");
  assert.equal(errnoOf(user.newState({ ...SA, spi: 3 })), "EINVAL aead");
  assert.equal(isZero(), true);
  assert.equal(kept.aead?.key[0], 0x10);
  value(user.flushStates({}));
  assert.equal(kept.aead?.key[0], 0);
});

Deno.test("tick() removes an SA whose table met a hard limit and was lost before it could tell", () => {
  const { user, sent, memory } = setUpXfrm();
  value(user.newState(SA));
  viewXfrmCells(memory(added(sent[0]))).f64[CELL_EXPIRY] = 2;
  user.tick(1001);
  assert.equal(user.stateCount, 0);
});

Deno.test("tick() makes an SA dying at a soft time, once, and removes it at a hard one", () => {
  const { user, sent, events } = setUpXfrm();
  value(user.newState({ ...SA, limits: { time_soft: 10, time_hard: 20 } }));
  for (const now of [1009, 1010, 1011]) user.tick(now);
  assert.deepEqual(sent.slice(1), [{ op: "state-dying", number: 1 }]);
  assert.deepEqual(events.slice(1).map((e) => [e.kind, (e.body as { hard: boolean }).hard]), [[
    "expire",
    false,
  ]]);
  assert.deepEqual(user.snapshot().map((change) => change.op), ["state-add", "state-dying"]);
  user.tick(1020);
  assert.deepEqual(sent.at(-1), { op: "state-del", number: 1 });
  assert.equal((events.at(-1)?.body as { hard: boolean }).hard, true);
  assert.equal(user.stateCount, 0);
});

Deno.test("tick() counts an SA's limits of use from its first packet", () => {
  const { user, sent, memory } = setUpXfrm();
  value(user.newState({ ...SA, limits: { time_use_hard: 5 } }));
  user.tick(2000);
  assert.equal(user.stateCount, 1);
  viewXfrmCells(memory(added(sent[0]))).f64[CELL_USE_TIME] = 2000.3;
  user.tick(2004);
  assert.equal(user.stateCount, 1);
  user.tick(2005);
  assert.equal(user.stateCount, 0);
});

Deno.test("expired() tells of the SA table's limits and removes at a hard one", () => {
  const { user, sent, events } = setUpXfrm();
  value(user.newState(SA));
  user.expired(1, false);
  assert.equal(user.stateCount, 1);
  user.expired(1, true);
  user.expired(1, true);
  assert.equal(user.stateCount, 0);
  assert.deepEqual(sent.at(-1), { op: "state-del", number: 1 });
  assert.equal(events.filter((e) => e.kind === "expire").length, 2);
});
