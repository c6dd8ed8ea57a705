import assert from "node:assert/strict";
import { type Goal, isReached, reached } from "./goals.ts";

const goal = (is: Goal["is"]): Goal => ({
  what: "",
  of: "own",
  figure: "x",
  than: { contenders: ["p", "q"] },
  is,
  value: 2,
});
const samples = { own: { x: [6, 1, 100] }, p: { x: [2] }, q: { x: [3] } };

Deno.test("reached() divides by the best of the others: the largest, or the smallest where less is better", () => {
  assert.equal(reached(goal("at least"), samples), 2);
  assert.equal(reached(goal("at most"), samples), 3);
});

Deno.test("reached() is null when one of the others was not measured", () => {
  assert.equal(reached(goal("at least"), { own: samples.own, p: samples.p }), null);
  assert.equal(reached(goal("at least"), { p: samples.p, q: samples.q }), null);
});

Deno.test("isReached() takes the bound itself", () => {
  assert.ok(isReached(goal("at least"), 2) && !isReached(goal("at least"), 1.9));
  assert.ok(isReached(goal("at most"), 2) && !isReached(goal("at most"), 2.1));
});
