import assert from "node:assert/strict";
import { checkFloors, median, table } from "./report.ts";

const sample = (gbps: number) => ({ gbps, machineCpu: 1, pathCpu: 0.5, rss: 10, rssGrowth: 0 });

Deno.test("median() is the middle value, or the mean of the two in the middle", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 3, 2]), 2.5);
});

Deno.test("checkFloors() compares medians and leaves out what was not measured", () => {
  const samples = new Map([
    ["libipsec", [sample(0.4), sample(9), sample(0.2)]],
    ["packed-udp", [sample(1), sample(1), sample(1)]],
    ["isolated-udp", [sample(0.5)]],
  ]);
  assert.deepEqual(checkFloors(samples).map(({ name, reached, ok }) => [name, reached, ok]), [
    ["packed-udp", 2.5, true],
    ["isolated-udp", 1.25, false],
  ]);
});

Deno.test("table() has a row for each path and a dash where there is nothing to compare with", () => {
  const [, row] = table(new Map([["libipsec", [sample(0.5), sample(1)]]])).split("\n");
  assert.match(row!, /^libipsec +0\.75 +0\.50\.\.1\.00 +1\.000 +0\.500 +1\.00 +- +- +10 +0\.0$/);
});
