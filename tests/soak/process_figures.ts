/** What a daemon holds of the machine, and whether that stays the same over time. */
import assert from "node:assert/strict";
import type { Daemon } from "../doubles/daemon.ts";

export interface Figures {
  /** Resident memory, MiB. */
  readonly rss: number;
  readonly descriptors: number;
  readonly threads: number;
  readonly workers: number;
  /** Workers that were replaced since the start. */
  readonly restarts: number;
}

const KIB_PER_MIB = 1024;

export async function readFigures(daemon: Daemon): Promise<Figures> {
  const { pid } = daemon.process;
  const workers = await daemon.workers();
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const field = (name: string) => Number(status.match(new RegExp(`^${name}:\\s+(\\d+)`, "m"))![1]);
  return {
    rss: field("VmRSS") / KIB_PER_MIB,
    descriptors: [...Deno.readDirSync(`/proc/${pid}/fd`)].length,
    threads: field("Threads"),
    workers: workers.length,
    restarts: workers.reduce((sum, { restarts }) => sum + restarts, 0),
  };
}

/** The first part of a run, in which code is compiled and pools fill. */
const WARM_UP = 1 / 4;
/**
 * What resident memory may gain from the first to the last third of what follows, of itself, and in MiB: V8 lets each
 * thread's heap grow for some minutes before it collects, which a short run is too short to see.
 */
const GROWTH = 0.04;
const GROWTH_MIB = 48;

/**
 * Throws unless the figures stay flat after the warm-up. Of descriptors and threads the least of the last third counts:
 * a request that is being answered has some of its own.
 */
export function assertFlat(samples: readonly Figures[], who: string): void {
  const steady = samples.slice(Math.floor(samples.length * WARM_UP));
  const third = Math.floor(steady.length / 3);
  const [first, last] = [steady.slice(0, third), steady.slice(-third)];
  const least = (list: readonly Figures[], name: keyof Figures) => Math.min(...list.map((f) => f[name]));
  for (const name of ["descriptors", "threads", "workers"] as const) {
    const [was, is] = [least(first, name), least(last, name)];
    assert.ok(is <= was, `${who}: ${name} grew from ${was} to ${is}`);
  }
  assert.equal(samples.at(-1)!.restarts, 0, `${who}: a worker was replaced`);
  const [was, is] = [median(first), median(last)];
  const bound = was * (1 + GROWTH) + GROWTH_MIB;
  assert.ok(is <= bound, `${who}: memory grew from ${was.toFixed(0)} to ${is.toFixed(0)} MiB`);
}

/** Of resident memory, MiB. */
export function median(samples: readonly Figures[]): number {
  return samples.map((sample) => sample.rss).toSorted((a, b) => a - b)[samples.length >> 1]!;
}
