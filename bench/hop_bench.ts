/**
 * What a hop between two actors costs, for a slab of SLAB_BYTES, within a worker and between workers.
 *
 *     deno run -A bench/hop_bench.ts
 *
 * Parcels go round a ring of actors. One on its way at a time shows the latency, which between sleeping threads is that
 * of waking; many show the cost. A row is the median of ROUNDS runs.
 */
import { type Placement } from "../actors/runtime/placement.ts";
import { Supervisor } from "../actors/runtime/supervisor.ts";
import { SLAB_BYTES } from "../datapath/batch.ts";
import { createEventfd, ring } from "../ffi/eventfd.ts";
import { close } from "../ffi/io.ts";
import { runWhenIdle } from "../ffi/thread_policy.ts";
import { readThreadTime } from "../ffi/thread_time.ts";
import type { Run } from "./hop_worker.ts";

const ROUNDS = 5;
const ROUND_TRIPS = 20_000;
const PLACEMENTS: readonly Placement[] = [{ mode: "packed", workers: 1 }, { mode: "isolated", workers: 3 }];

console.log(`one hop of ${SLAB_BYTES} bytes, microseconds, median of ${ROUNDS} runs (least – most)\n`);
console.log(
  "| placement | actors in the ring | on their way | one hop | sleeps per hop |\n|---|---|---|---|---|",
);
for (const placement of PLACEMENTS) {
  for (const actors of [2, 3]) await measureRing(placement, actors);
}

async function measureRing(placement: Placement, actors: number): Promise<void> {
  const supervisor = new Supervisor({
    module: new URL("./hop_worker.ts", import.meta.url),
    placement,
    makeBell: createEventfd,
    ring,
    closeBell: close,
    timeOf: readThreadTime,
    runWhenIdle,
    initOf: (actor) => ({ init: { next: actor % actors + 1 } }),
    receive: () => {},
    changed: () => {},
    failed: (failure) => console.error(failure),
    escalate: (failure) => console.error(failure),
  });
  for (let actor = 1; actor <= actors; actor++) {
    await supervisor.spawn(actor, { group: "ring", work: "alone" });
  }
  const sleeps = () => supervisor.workers().reduce((sum, worker) => sum + worker.stats.sleeps, 0);
  for (const window of [1, 4, 16]) {
    const run: Run = { count: ROUND_TRIPS, window };
    const hops = ROUND_TRIPS * actors;
    await supervisor.ask(1, run, 60_000);
    const before = sleeps();
    const times: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      times.push(await supervisor.ask(1, run, 60_000) as number * 1000 / hops);
    }
    times.sort((a, b) => a - b);
    const [least, median, most] = [times[0], times[ROUNDS >> 1], times[ROUNDS - 1]].map((us) =>
      us.toFixed(2)
    );
    const slept = ((sleeps() - before) / hops / ROUNDS).toFixed(2);
    console.log(`| ${placement.mode} | ${actors} | ${window} | ${median} (${least} – ${most}) | ${slept} |`);
  }
  await supervisor.stop();
}
