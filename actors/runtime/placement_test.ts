import assert from "node:assert/strict";
import fc from "fast-check";
import {
  loadOf,
  MAX_WORKERS,
  placeActor,
  type Placed,
  type Placement,
  resolvePlacement,
} from "./placement.ts";

function placeAll(placement: Placement, actors: readonly Placed[]): number[] {
  const loads: number[] = [];
  const homes = new Map<string, number>();
  return actors.map((actor) => {
    const worker = placeActor(placement, loads, homes.get(actor.group));
    if (!homes.has(actor.group)) homes.set(actor.group, worker);
    loads[worker] = (loads[worker] ?? 0) + loadOf(actor);
    return worker;
  });
}

/** One netns with its SA table, and tunnels. */
function group(name: string, tunnels: number): Placed[] {
  const heavy = { group: name, work: "alone" } as const;
  return [heavy, heavy, ...Array.from({ length: tunnels }, () => ({ group: name, work: "shared" } as const))];
}

Deno.test("resolvePlacement() spreads from 4 cores on, and bounds the workers", () => {
  assert.deepEqual(resolvePlacement("auto", 2), { mode: "packed", workers: 2 });
  assert.deepEqual(resolvePlacement("auto", 3), { mode: "packed", workers: 3 });
  assert.deepEqual(resolvePlacement("auto", 4), { mode: "isolated", workers: 4 });
  assert.deepEqual(resolvePlacement("auto", 64), { mode: "isolated", workers: MAX_WORKERS });
  assert.deepEqual(resolvePlacement("packed", 0), { mode: "packed", workers: 1 });
  assert.deepEqual(resolvePlacement("packed", 64), { mode: "packed", workers: MAX_WORKERS });
  assert.deepEqual(resolvePlacement("isolated", 1), { mode: "isolated", workers: MAX_WORKERS });
});

Deno.test("placeActor() packs a group into one worker, and as few groups into each as it can", () => {
  const placement = resolvePlacement("packed", 8);
  const groups = Array.from({ length: 16 }, (_, i) => group(`ns${i}`, 20 * i));
  const places = placeAll(placement, groups.flat());
  const workers = groups.map((actors) => new Set(places.splice(0, actors.length)));
  for (const worker of workers) assert.equal(worker.size, 1);
  const perWorker = Object.groupBy(workers.map((worker) => [...worker][0]), (worker) => worker);
  assert.deepEqual(Object.values(perWorker).map((groups) => groups!.length), Array(8).fill(2));
});

Deno.test("placeActor() isolates every actor while there are workers", () => {
  const places = placeAll(resolvePlacement("isolated", 2), group("a", MAX_WORKERS - 2));
  assert.equal(new Set(places).size, MAX_WORKERS);
});

Deno.test("placeActor() puts what is idle with another", () => {
  const [netns, saTable, ...tunnels] = group("a", 2);
  const idle = { group: "a", work: "idle" } as const;
  assert.deepEqual(placeAll(resolvePlacement("isolated", 2), [netns, saTable, idle, ...tunnels]), [
    0,
    1,
    2,
    2,
    3,
  ]);
});

Deno.test("placeActor() keeps 1,000 tunnels off the workers of netns and SA table, and spreads them evenly", () => {
  const [netns, saTable, ...tunnels] = placeAll(resolvePlacement("auto", 4), group("a", 1000));
  assert.notEqual(netns, saTable);
  const counts = [0, 0, 0, 0];
  for (const worker of tunnels) counts[worker]++;
  assert.deepEqual([counts[netns], counts[saTable]], [0, 0]);
  assert.deepEqual(counts.filter((count) => count > 0), [500, 500]);
});

Deno.test("placeActor() never leaves the bounds", () => {
  const anyActor = fc.record({
    group: fc.string(),
    work: fc.constantFrom("alone" as const, "shared" as const, "idle" as const),
  });
  const anyMode = fc.constantFrom("packed", "isolated", "auto");
  fc.assert(
    fc.property(anyMode, fc.integer({ min: 0, max: 200 }), fc.array(anyActor), (mode, cores, actors) => {
      const placement = resolvePlacement(mode, cores);
      assert.ok(placement.workers >= 1 && placement.workers <= MAX_WORKERS);
      for (const worker of placeAll(placement, actors)) assert.ok(worker >= 0 && worker < placement.workers);
    }),
  );
});
