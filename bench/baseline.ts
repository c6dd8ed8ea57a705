/** The saved baseline of bench/compare.ts, and what counts as a regression against it. */
import type { Sample } from "./measure.ts";
import { median, type Samples } from "./report.ts";

/** What compare.ts --json writes. */
export interface ComparisonRecord {
  readonly machine: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly samples: Readonly<Record<string, readonly Sample[]>>;
}

export const BASELINE = new URL("./results/baseline.json", import.meta.url);
/** Part of a ratio that may be lost before it is a regression: what this kind of machine varies by from run to run. */
const TOLERANCE = 0.2;
/** The peer that every ratio is a multiple of. */
const PEER = "libipsec";

export interface Regression {
  readonly name: string;
  readonly before: number;
  readonly now: number;
}

/** Paths whose ratio to the peer fell by more than TOLERANCE. Absolute rates are never compared. */
export function regressions(before: Samples, now: Samples): Regression[] {
  const found: Regression[] = [];
  for (const name of now.keys()) {
    const [old, fresh] = [ratio(before, name), ratio(now, name)];
    if (name !== PEER && old !== null && fresh !== null && fresh < old * (1 - TOLERANCE)) {
      found.push({ name, before: old, now: fresh });
    }
  }
  return found;
}

function ratio(samples: Samples, name: string): number | null {
  const own = samples.get(name);
  const peer = samples.get(PEER);
  if (own === undefined || peer === undefined) return null;
  return median(own.map((s) => s.gbps)) / median(peer.map((s) => s.gbps));
}

/** The saved baseline, or null where none was saved. */
export async function readBaseline(): Promise<Samples | null> {
  try {
    const record = JSON.parse(await Deno.readTextFile(BASELINE)) as ComparisonRecord;
    return new Map(Object.entries(record.samples));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
