/** The saved baseline of bench/compare.ts, and what counts as a regression against it. */
import { type Goal, GOALS, isReached, reached, type Samples } from "./goals/goals.ts";

/** What compare.ts --json writes. */
export interface ComparisonRecord {
  readonly machine: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly samples: Samples;
}

export const BASELINE = new URL("./results/baseline.json", import.meta.url);
/** Part of a ratio that may be lost before it is a regression: what this kind of machine varies by from run to run. */
const TOLERANCE = 0.2;

export interface Regression {
  readonly goal: Goal;
  readonly before: number;
  readonly now: number;
}

/**
 * Goals that are missed and were reached before, and ratios that got worse by more than TOLERANCE. Absolute figures
 * are never compared, nor are 99th percentiles, which vary by more.
 */
export function regressions(before: Samples, now: Samples): Regression[] {
  return GOALS.flatMap((goal) => {
    const [old, fresh] = [reached(goal, before), reached(goal, now)];
    if (old === null || fresh === null) return [];
    const lost = isReached(goal, old) && !isReached(goal, fresh);
    return lost || isWorse(goal, old, fresh) ? [{ goal, before: old, now: fresh }] : [];
  });
}

function isWorse(goal: Goal, old: number, fresh: number): boolean {
  if (goal.than === undefined || goal.figure.endsWith("p99")) return false;
  return goal.is === "at least" ? fresh < old * (1 - TOLERANCE) : fresh * (1 - TOLERANCE) > old;
}

/** The saved baseline, or null where none was saved. */
export async function readBaseline(): Promise<ComparisonRecord | null> {
  try {
    return JSON.parse(await Deno.readTextFile(BASELINE)) as ComparisonRecord;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
