/**
 * Draws a comparison as a picture for the README.
 *
 *     deno run -A bench/chart.ts [JSON of compare.ts] [SVG to write]
 *
 * Without arguments it draws the saved baseline to docs/comparison.svg.
 */
import { BASELINE, type ComparisonRecord } from "./baseline.ts";
import { median } from "./goals/statistics.ts";

const LABELS: Readonly<Record<string, string>> = {
  "bare-veth": "no tunnel (bare veth)",
  "libipsec": "strongSwan kernel-libipsec",
  "wireguard-go": "wireguard-go",
  "packed-raw": "vti-gateway, raw ESP",
  "packed-udp": "vti-gateway, ESP in UDP",
  "isolated-raw": "vti-gateway isolated, raw ESP",
  "isolated-udp": "vti-gateway isolated, ESP in UDP",
};

// Pixels.
const WIDTH = 760;
const LEFT = 230;
const RIGHT = 150;
const BAR = 22;
const STEP = 32;
const TOP = 56;
const BOTTOM = 34;

/** Bars of the medians with a line from the slowest to the fastest round, as SVG that reads on light and dark pages. */
export function chart(record: ComparisonRecord): string {
  const rows = Object.keys(LABELS).flatMap((name) => {
    const rates = record.samples[name]?.["stream"];
    if (rates === undefined) return [];
    return { name, median: median(rates), min: Math.min(...rates), max: Math.max(...rates) };
  });
  const peer = rows.find((row) => row.name === "libipsec")?.median;
  const most = Math.max(...rows.map((row) => row.max));
  const x = (gbps: number) => LEFT + (gbps / most) * (WIDTH - LEFT - RIGHT);
  const height = TOP + rows.length * STEP + BOTTOM;
  const bars = rows.map((row, i) => {
    const y = TOP + i * STEP;
    const middle = y + BAR / 2;
    const ours = row.name.startsWith("packed") || row.name.startsWith("isolated");
    const times = peer === undefined ? "" : ` · ${(row.median / peer).toFixed(1)} ×`;
    return `  <text x="${LEFT - 10}" y="${middle + 4}" text-anchor="end">${LABELS[row.name]}</text>
  <rect x="${LEFT}" y="${y}" width="${(x(row.median) - LEFT).toFixed(1)}" height="${BAR}" rx="2" class="${
      ours ? "ours" : "other"
    }"/>
  <line x1="${x(row.min).toFixed(1)}" x2="${
      x(row.max).toFixed(1)
    }" y1="${middle}" y2="${middle}" class="range"/>
  <text x="${(x(row.max) + 8).toFixed(1)}" y="${middle + 4}">${row.median.toFixed(2)} Gbit/s${times}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="13">
  <style>
    text { fill: #24292f } .ours { fill: #0969da } .other { fill: #8c959f } .range { stroke: #24292f; stroke-width: 1.5 }
    @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .range { stroke: #e6edf3 } }
  </style>
  <text x="12" y="20" font-size="15" font-weight="bold">One TCP stream, both ends on one machine</text>
  <text x="12" y="40">Median of ${record.rounds} rounds of ${record.seconds} s; the line spans all rounds; × is a multiple of kernel-libipsec</text>
${bars.join("\n")}
  <text x="12" y="${height - 12}" font-size="11">${record.machine}</text>
</svg>
`;
}

if (import.meta.main) {
  const [from = BASELINE, to = new URL("../docs/comparison.svg", import.meta.url)] = Deno.args;
  const record = JSON.parse(await Deno.readTextFile(from)) as ComparisonRecord;
  await Deno.writeTextFile(to, chart(record));
}
