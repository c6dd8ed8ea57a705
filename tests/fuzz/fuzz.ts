/** Runs a target for many cases, and holds it to what a program under attack owes: no throw, no hang, no growth. */
import process from "node:process";
import v8 from "node:v8";
import vm from "node:vm";
import { Random } from "./random.ts";

/** Something that takes hostile input. */
export interface Target {
  readonly name: string;
  /** What a case is: "packets", "requests" … */
  readonly unit: string;
  /** Makes what is under test, and returns a step: it tries some cases and answers how many. It throws what is wrong. */
  setUp(random: Random): Step;
}
export type Step = () => number | Promise<number>;

export interface Outcome {
  readonly name: string;
  readonly unit: string;
  readonly cases: number;
  readonly seconds: number;
  /** The longest that a case has taken, milliseconds. */
  readonly slowest: number;
  /** Bytes that memory in use has grown by, from a tenth of the cases on. */
  readonly growth: number;
}

/** Milliseconds that one case may take. */
const HANG_MS = 10;
const SLEPT_MS = 1000;
/** A step that was slow is done again with the same input: the machine may have been busy with something else. */
const SECOND_LOOKS = 5;
/** Bytes: what caches and compiled code may take. */
const MAX_GROWTH = 16 << 20;

/** Throws an Error that names the seed when the target fails. */
export async function fuzz(target: Target, cases: number, seed: number): Promise<Outcome> {
  const step = target.setUp(new Random(seed));
  const started = performance.now();
  let done = 0;
  let slowest = 0;
  let base = -1;
  while (done < cases) {
    const before = performance.now();
    let tried;
    try {
      tried = await step();
    } catch (cause) {
      throw new Error(`${target.name}: case ${done} of seed ${seed}: ${(cause as Error).message}`, { cause });
    }
    done += tried;
    slowest = Math.max(slowest, (performance.now() - before) / tried);
    if (base < 0 && done >= cases / 10) base = await memoryInUse();
  }
  const growth = await memoryInUse() - base;
  if (growth > MAX_GROWTH) {
    throw new Error(`${target.name}: ${growth} bytes more in use at the end, seed ${seed}`);
  }
  return {
    name: target.name,
    unit: target.unit,
    cases: done,
    seconds: (performance.now() - started) / 1000,
    slowest,
    growth,
  };
}

/**
 * Runs `run`, which must do the same each time, and throws when the `cases` in it take a case's time together. The clock
 * only gives rise to a second look, since the machine may have been busy; that one goes by what the processor did.
 */
export function timed(cases: number, run: () => void): void {
  const before = performance.now();
  run();
  if (performance.now() - before <= HANG_MS) return;
  let took = 0;
  for (let look = 0; look < SECOND_LOOKS; look++) {
    const clock = new Clock();
    run();
    took = clock.milliseconds();
    if (took <= HANG_MS) return;
  }
  throw new Error(`${cases} cases took ${took.toFixed(1)} ms together, each time`);
}

/** The same for one case that waits. */
export async function timedAsync(what: string, run: () => Promise<void>): Promise<void> {
  const before = performance.now();
  await run();
  if (performance.now() - before <= HANG_MS) return;
  let took = 0;
  for (let look = 0; look < SECOND_LOOKS; look++) {
    const clock = new Clock();
    await run();
    took = clock.milliseconds();
    if (took <= HANG_MS) return;
  }
  throw new Error(`${what} took ${took.toFixed(1)} ms, each time`);
}

/** Processor time of this process; but the time of the wall for one that slept too long. */
class Clock {
  readonly #wall = performance.now();
  readonly #cpu = process.cpuUsage();

  milliseconds(): number {
    const wall = performance.now() - this.#wall;
    const { user, system } = process.cpuUsage(this.#cpu);
    return wall > SLEPT_MS ? wall : (user + system) / 1000;
  }
}

/** Collects what nobody refers to; V8 has it only behind a flag. */
const collect = (() => {
  v8.setFlagsFromString("--expose-gc");
  return vm.runInNewContext("gc") as () => void;
})();

/** What the runtime keeps beside an object goes only in a later turn of the event loop. */
async function memoryInUse(): Promise<number> {
  for (let turns = 0; turns < 3; turns++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  collect();
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

export function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}
