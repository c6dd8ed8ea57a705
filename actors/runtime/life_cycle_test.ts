import assert from "node:assert/strict";
import { FORBIDDEN, mayMove, TRANSITIONS, type WorkerState } from "./life_cycle.ts";

Deno.test("mayMove() refuses every forbidden move and every move that the table does not have", () => {
  const states = [...new Set(TRANSITIONS.flatMap(({ from, to }) => [from, to]))];
  let allowed = 0;
  for (const from of states) for (const to of states) if (mayMove(from, to)) allowed++;
  assert.equal(allowed, TRANSITIONS.length);
  for (const { from, to } of FORBIDDEN) assert.equal(mayMove(from, to), false, `${from} to ${to}`);
});

Deno.test("every state is reached from starting, and every life ends", () => {
  const reachable = (from: WorkerState, seen = new Set<WorkerState>()): Set<WorkerState> => {
    if (seen.has(from)) return seen;
    seen.add(from);
    TRANSITIONS.filter((row) => row.from === from).forEach((row) => reachable(row.to, seen));
    return seen;
  };
  assert.equal(reachable("starting").size, 6);
  for (const state of reachable("starting")) {
    const ends = [...reachable(state)].filter((end) => !TRANSITIONS.some((row) => row.from === end));
    assert.ok(ends.length > 0, state);
  }
});
