import assert from "node:assert/strict";
import { regressions } from "./baseline.ts";
import type { Samples } from "./goals/goals.ts";

const samples = (libipsec: number, isolated: number, idle = 0.1): Samples => ({
  "libipsec": { stream: [libipsec] },
  "isolated-udp": { stream: [isolated] },
  "packed-raw": { idle: [idle] },
});
const found = (before: Samples, now: Samples) =>
  regressions(before, now).map(({ goal, before, now }) => [goal.of, goal.figure, before, now]);

Deno.test("regressions() compares ratios, whatever the machine's speed", () => {
  assert.deepEqual(found(samples(0.5, 10), samples(0.25, 5)), []);
  assert.deepEqual(found(samples(0.5, 10), samples(0.5, 8.1)), []);
  assert.deepEqual(found(samples(0.5, 10), samples(0.5, 7.9)), [["isolated-udp", "stream", 20, 15.8]]);
});

Deno.test("regressions() has goals that were reached and are missed", () => {
  assert.deepEqual(found(samples(1, 10), samples(1, 9.9)), [["isolated-udp", "stream", 10, 9.9]]);
  assert.deepEqual(found(samples(1, 9.9), samples(1, 9.8)), []);
  assert.deepEqual(found(samples(1, 10, 0.1), samples(1, 10, 0.6)), [["packed-raw", "idle", 0.1, 0.6]]);
});

Deno.test("regressions() leaves out what one side did not measure", () => {
  const onlyPeer = { "libipsec": { stream: [1] } };
  assert.deepEqual(found(onlyPeer, samples(1, 1)), []);
  assert.deepEqual(found(samples(1, 1), onlyPeer), []);
});
