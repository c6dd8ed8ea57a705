import assert from "node:assert/strict";
import { digits, figuresTable, goalsTable } from "./report.ts";
import { stream } from "./goals/stream.ts";

const figures = (gbps: number[]) => ({
  "stream": gbps,
  "stream-machine-cpu": [1],
  "stream-own-cpu": [1],
  "stream-rss": [1],
});
const samples = { "libipsec": figures([0.4, 9, 0.5]), "packed-raw": figures([6]) };

Deno.test("figuresTable() has a row for each contender that was measured", () => {
  const rows = figuresTable(stream, samples).split("\n");
  assert.equal(rows.length, 3);
  assert.match(rows[0]!, /^ +stream, Gbit\/s +stream-machine-cpu, s\/Gbit/);
  assert.match(rows[1]!, /^libipsec +0\.5 \(0\.4\.\.9\) +1 \(1\.\.1\)/);
});

Deno.test("goalsTable() has what was measured, and says what is missed", () => {
  const rows = goalsTable(samples, null).split("\n");
  assert.equal(rows.length, 2);
  assert.match(rows[1]!, /^ok +one TCP stream +packed-raw +12 +at least +10 x libipsec +-$/);
  const slower = { ...samples, "packed-raw": figures([4]) };
  assert.match(goalsTable(slower, samples), /\nMISS +one TCP stream +packed-raw +8 .* 12$/);
});

Deno.test("digits() keeps three", () => {
  assert.deepEqual([0, 0.012345, 1.2345, 12, 123456].map(digits), ["0", "0.0123", "1.23", "12", "123456"]);
});
