import assert from "node:assert/strict";
import { PacketRate } from "./packet_rate.ts";

/** A packet rate's answers for `packets` at each of the times, milliseconds. */
function answers(packets: number, times: readonly number[]): boolean[] {
  const rate = new PacketRate();
  return times.map((now) => rate.isHigh(packets, now));
}

Deno.test("PacketRate.isHigh() says no to pings and steady trickles", () => {
  assert.ok(answers(1, Array.from({ length: 1000 }, (_, i) => i * 0.1)).every((high) => !high));
});

Deno.test("PacketRate.isHigh() says yes to a burst at once, and to a stream throughout", () => {
  assert.deepEqual(answers(40, [5]), [true]);
  const [, ...rest] = answers(10, Array.from({ length: 1000 }, (_, i) => i * 0.05));
  assert.ok(rest.slice(3).every((high) => high));
});

Deno.test("PacketRate.isHigh() forgets a burst within a few milliseconds", () => {
  const rate = new PacketRate();
  rate.isHigh(64, 0);
  assert.ok(rate.isHigh(1, 1.1));
  assert.ok(!rate.isHigh(1, 2.3));
});
