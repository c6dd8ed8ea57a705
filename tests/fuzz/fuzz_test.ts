/** The short run: every target with a seed that stays, so that a failure comes again. `deno task fuzz` is the long one. */
import assert from "node:assert/strict";
import process from "node:process";
import { fuzz, timed } from "./fuzz.ts";
import { mutate, Random } from "./random.ts";
import { PACKET_TARGETS, withTextTargets } from "./targets.ts";

const SEED = 20_241_124;
const PACKETS = 100_000;
const REQUESTS = 1000;

for (const target of PACKET_TARGETS) {
  Deno.test(`${PACKETS} ${target.unit}: ${target.name}`, async () => {
    assert.ok((await fuzz(target, PACKETS, SEED)).cases >= PACKETS);
  });
}

Deno.test(`${REQUESTS} of everything that is text`, (t) =>
  withTextTargets(async (targets) => {
    for (const target of targets) {
      await t.step(target.name, async () => {
        assert.ok((await fuzz(target, REQUESTS, SEED)).cases >= REQUESTS);
      });
    }
  }));

Deno.test("fuzz() finds a throw, a hang and a leak", async () => {
  const target = (step: () => number) => ({ name: "t", unit: "cases", setUp: () => step });
  const throwing = target(() => {
    throw new Error("boom");
  });
  await assert.rejects(fuzz(throwing, 10, 1), /^Error: t: case 0 of seed 1: boom$/);
  // By the processor's time: on a busy machine the clock goes on without this process.
  const spin = () => {
    for (const start = process.cpuUsage(); process.cpuUsage(start).user < 15_000;);
  };
  assert.throws(() => timed(1, spin), /each time/);
  const kept: Uint8Array[] = [];
  const leaking = target(() => {
    kept.push(new Uint8Array(1 << 20).fill(1));
    return 1;
  });
  await assert.rejects(fuzz(leaking, 40, 1), /bytes more in use/);
});

Deno.test("mutate() stays within the buffer and changes most messages", () => {
  const random = new Random(1);
  let changed = 0;
  for (let i = 0; i < 10_000; i++) {
    const buffer = new Uint8Array(100);
    const length = mutate(random, buffer, 60);
    assert.ok(length >= 0 && length <= 100);
    if (length !== 60 || buffer.some((byte) => byte !== 0)) changed++;
  }
  assert.ok(changed > 8000, `${changed}`);
});
