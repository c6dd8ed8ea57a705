import assert from "node:assert/strict";
import fc from "fast-check";
import { RateLimiter } from "./rate_limit.ts";

Deno.test("take() gives a burst, then one at a time, and says how long to wait", () => {
  let now = 0;
  const limiter = new RateLimiter({ perSecond: 2, burst: 3 }, () => now);
  assert.deepEqual([1, 2, 3].map(() => limiter.take("a")), [0, 0, 0]);
  assert.equal(limiter.take("a"), 1);
  assert.equal(limiter.take("b"), 0, "another one has a bucket of its own");
  now = 500;
  assert.equal(limiter.take("a"), 0);
  assert.equal(limiter.take("a", 3), 2);
});

Deno.test("take() never lets more through than the burst and what was refilled", () => {
  fc.assert(fc.property(
    fc.array(fc.tuple(fc.nat(300), fc.integer({ min: 1, max: 3 })), { maxLength: 200 }),
    (steps) => {
      let now = 0;
      let taken = 0;
      const limiter = new RateLimiter({ perSecond: 10, burst: 5 }, () => now);
      for (const [wait, cost] of steps) {
        now += wait;
        if (limiter.take("a", cost) === 0) taken += cost;
        assert.ok(taken <= 5 + now / 100 + 1e-9);
      }
    },
  ));
});

Deno.test("a flood of askers forgets those that were seen longest ago", () => {
  const limiter = new RateLimiter({ perSecond: 1, burst: 1 }, () => 0);
  for (let i = 0; i < 2000; i++) limiter.take(`${i}`);
  assert.equal(limiter.take("1999"), 1, "a new bucket would be full");
  assert.equal(limiter.take("0"), 0);
});
