/** The tables that bench/compare.ts prints. */
import { GOALS, isReached, reached, type Samples } from "./goals/goals.ts";
import type { Measurement } from "./goals/measurement.ts";
import { median } from "./goals/statistics.ts";

/** One measurement: a row a contender, with the median of each figure and its least and most. */
export function figuresTable({ figures, contenders }: Measurement, samples: Samples): string {
  const measured = contenders.filter((name) => samples[name]?.[Object.keys(figures)[0]!] !== undefined);
  const head = ["", ...Object.entries(figures).map(([figure, unit]) => `${figure}, ${unit}`)];
  const rows = measured.map((name) => [
    name,
    ...Object.keys(figures).map((figure) => {
      const values = samples[name]![figure]!;
      return `${digits(median(values))} (${digits(Math.min(...values))}..${digits(Math.max(...values))})`;
    }),
  ]);
  return table([head, ...rows]);
}

/** The goals whose figures were measured. */
export function goalsTable(samples: Samples, baseline: Samples | null): string {
  const rows = GOALS.flatMap((goal) => {
    const now = reached(goal, samples);
    if (now === null) return [];
    const before = baseline === null ? null : reached(goal, baseline);
    const than = goal.than === undefined ? "" : `x ${goal.than.contenders.join(", ")}`;
    return [[
      isReached(goal, now) ? "ok" : "MISS",
      goal.what,
      goal.of,
      digits(now),
      goal.is,
      `${goal.value} ${goal.than?.contenders[0] === goal.of ? "" : than}`,
      before === null ? "-" : digits(before),
    ]];
  });
  return table([["", "goal", "of", "reached", "", "wanted", "baseline"], ...rows]);
}

/** Three significant digits, no more than are there. */
export function digits(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return `${value}`;
  return Math.abs(value) >= 100 ? value.toFixed(0) : `${Number(value.toPrecision(3))}`;
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)));
  return rows.map((cells) => cells.map((cell, i) => cell.padEnd(widths[i]!)).join("  ").trimEnd()).join("\n");
}
