import assert from "node:assert/strict";
import { SteadyClock, wallOffset } from "./steady_clock.ts";

const YEAR = 365 * 86400;

/** Sets what Date.now() says for the time of a call. */
function withClockSet(seconds: number, run: () => void): void {
  const real = Date.now;
  Date.now = () => real() + seconds * 1000;
  try {
    run();
  } finally {
    Date.now = real;
  }
}

Deno.test("SteadyClock goes on when the system's clock is set, and shows moments as that one has them", () => {
  const clock = new SteadyClock();
  const before = clock.now();
  assert.ok(Math.abs(before - Date.now() / 1000) < 1);
  for (const jump of [YEAR, -YEAR]) {
    withClockSet(jump, () => {
      const elapsed = clock.now() - before;
      assert.ok(elapsed >= 0 && elapsed < 60, `${elapsed}`);
      assert.equal(clock.wallTime(Math.floor(before)), Math.floor(before) + jump);
      assert.equal(clock.wallTime(0), 0);
    });
  }
});

Deno.test("a SteadyClock with the offset of an earlier one says the same, whatever the clock was set to", () => {
  const first = new SteadyClock();
  withClockSet(YEAR, () => {
    const next = new SteadyClock(first.offset);
    assert.ok(Math.abs(next.now() - first.now()) < 1);
    assert.ok(Math.abs(wallOffset() - first.offset - YEAR) < 1);
  });
});
