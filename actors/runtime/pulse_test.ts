import assert from "node:assert/strict";
import { Cell, makeBlock } from "./mailbox.ts";
import { Pulse, type ThreadTime } from "./pulse.ts";

const LOOK_MS = 100;

/** A worker that a test makes run, wait and sleep, looked at every LOOK_MS. */
function setUp() {
  const { cells } = makeBlock();
  let time: ThreadTime | null = { ranMs: 0, runnable: true };
  let ran = 0;
  const pulse = new Pulse(cells, () => time);
  pulse.look(0);
  return {
    cells,
    runs(ms: number) {
      ran += ms;
      time = { ranMs: ran, runnable: true };
      return pulse.look(LOOK_MS);
    },
    sleeps() {
      time = { ranMs: ran, runnable: false };
      return pulse.look(LOOK_MS);
    },
    unknown() {
      time = null;
      return pulse.look(LOOK_MS);
    },
  };
}

Deno.test("Pulse.look() finds a worker hanging that runs without a heartbeat", () => {
  const { runs } = setUp();
  for (let n = 0; n < 3; n++) assert.equal(runs(100), null);
  assert.match(runs(100)!, /no heartbeat for 350 ms, in which it ran/);
});

Deno.test("Pulse.look() does not count what a worker waits for a processor", () => {
  const { runs } = setUp();
  for (let n = 0; n < 100; n++) assert.equal(runs(0), null);
  for (let n = 0; n < 6; n++) assert.equal(runs(10), null);
  assert.match(runs(10)!, /ran/);
});

Deno.test("Pulse.look() finds a worker hanging that sleeps in a call, or of whose thread nothing is known", () => {
  for (const what of ["sleeps", "unknown"] as const) {
    const worker = setUp();
    for (let n = 0; n < 4; n++) assert.equal(worker[what](), null);
    assert.match(worker[what]()!, /no heartbeat for 450 ms, in which it slept in a call/);
  }
});

Deno.test("Pulse.look() starts anew with each heartbeat, and with each sleep in order", () => {
  const { cells, runs } = setUp();
  for (const cell of [Cell.heartbeat, Cell.sleeping]) {
    for (let n = 0; n < 3; n++) assert.equal(runs(100), null);
    Atomics.add(cells, cell, 1);
    assert.equal(runs(100), null);
  }
  Atomics.store(cells, Cell.sleeping, 0);
  // What it ran while it was asleep by its own account is of no look.
  assert.equal(runs(1000), null);
  for (let n = 0; n < 2; n++) assert.equal(runs(20), null);
  // A look at 400 ms of silence, in which it has run for 60.
  assert.equal(runs(20), null);
  assert.match(runs(10)!, /ran/);
});
