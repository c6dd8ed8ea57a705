/** Samples of all rounds, their medians, the table and the floors. */
import type { Sample } from "./measure.ts";

export type Samples = ReadonlyMap<string, readonly Sample[]>;

/** What a contender must reach, as a multiple of another's rate. */
export interface Floor {
  readonly name: string;
  readonly than: string;
  readonly factor: number;
}

export const FLOORS: readonly Floor[] = [
  { name: "packed-raw", than: "libipsec", factor: 2.5 },
  { name: "packed-udp", than: "libipsec", factor: 2.5 },
  { name: "isolated-raw", than: "libipsec", factor: 1.5 },
  { name: "isolated-udp", than: "libipsec", factor: 1.5 },
];

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((x, y) => x - y);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Median of each figure by itself. */
export function medianSample(samples: readonly Sample[]): Sample {
  const of = (key: keyof Sample) => median(samples.map((sample) => sample[key]));
  return {
    gbps: of("gbps"),
    machineCpu: of("machineCpu"),
    pathCpu: of("pathCpu"),
    rss: of("rss"),
    rssGrowth: of("rssGrowth"),
  };
}

const COLUMNS = [
  ["path", 14],
  ["Gbit/s", 9],
  ["min..max", 13],
  ["cpu s/Gbit", 12],
  ["own s/Gbit", 12],
  ["x libipsec", 12],
  ["x wireguard-go", 16],
  ["x bare-veth", 13],
  ["RSS MiB", 9],
  ["growth", 8],
] as const;

export function table(samples: Samples): string {
  const medians = new Map([...samples].map(([name, all]) => [name, medianSample(all)]));
  const ratio = (of: Sample, name: string) => {
    const base = medians.get(name);
    return base === undefined ? "-" : (of.gbps / base.gbps).toFixed(2);
  };
  const rows = [...medians].map(([name, m]) => {
    const rates = samples.get(name)!.map((sample) => sample.gbps);
    return [
      name,
      m.gbps.toFixed(2),
      `${Math.min(...rates).toFixed(2)}..${Math.max(...rates).toFixed(2)}`,
      m.machineCpu.toFixed(3),
      m.pathCpu.toFixed(3),
      ratio(m, "libipsec"),
      ratio(m, "wireguard-go"),
      ratio(m, "bare-veth"),
      m.rss.toFixed(0),
      m.rssGrowth.toFixed(1),
    ];
  });
  const line = (cells: readonly string[]) =>
    cells.map((cell, i) => i === 0 ? cell.padEnd(COLUMNS[i]![1]) : cell.padStart(COLUMNS[i]![1])).join("");
  return [line(COLUMNS.map(([title]) => title)), ...rows.map(line)].join("\n");
}

export interface FloorResult extends Floor {
  readonly reached: number;
  readonly ok: boolean;
}

/** The floors whose both sides were measured. */
export function checkFloors(samples: Samples): FloorResult[] {
  const rate = (name: string) => median(samples.get(name)!.map((sample) => sample.gbps));
  return FLOORS.filter(({ name, than }) => samples.has(name) && samples.has(than)).map((floor) => {
    const reached = rate(floor.name) / rate(floor.than);
    return { ...floor, reached, ok: reached >= floor.factor };
  });
}
