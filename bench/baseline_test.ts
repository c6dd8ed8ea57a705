import assert from "node:assert/strict";
import { regressions } from "./baseline.ts";

const sample = (gbps: number) => ({ gbps, machineCpu: 1, pathCpu: 0.5, rss: 10, rssGrowth: 0 });
const samples = (libipsec: number, packed: number) =>
  new Map([["libipsec", [sample(libipsec)]], ["packed-udp", [sample(packed)]]]);

Deno.test("regressions() compares ratios, whatever the machine's speed", () => {
  assert.deepEqual(regressions(samples(0.5, 10), samples(0.25, 5)), []);
  assert.deepEqual(regressions(samples(0.5, 10), samples(0.5, 8.1)), []);
  assert.deepEqual(regressions(samples(0.5, 10), samples(0.5, 7.9)), [{
    name: "packed-udp",
    before: 20,
    now: 15.8,
  }]);
});

Deno.test("regressions() leaves out what one side did not measure", () => {
  const onlyPeer = new Map([["libipsec", [sample(1)]]]);
  assert.deepEqual(regressions(onlyPeer, samples(1, 1)), []);
  assert.deepEqual(regressions(samples(1, 1), onlyPeer), []);
});
