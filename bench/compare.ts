/**
 * Side by side on one machine, in one go: a single TCP stream through this gateway, through strongSwan's user-space
 * IPsec, through wireguard-go, and through nothing.
 *
 *     deno run -A bench/compare.ts [--rounds N] [--seconds N] [--only NAME,...] [--json FILE] [--check]
 *
 * Each measurement builds two namespaces and fresh processes and takes them away. Rounds alternate the paths and
 * reverse their order, so that warm-up and neighbours on the machine hit all alike; the table shows medians.
 * --check ends with exit code 1 when a floor is missed, or a ratio fell by more than a fifth against the baseline that
 * `--json bench/results/baseline.json` saved.
 */
import { parseArgs } from "node:util";
import { readBaseline, regressions } from "./baseline.ts";
import { measure, type Sample } from "./measure.ts";
import { bareVeth } from "./peers/bare_veth.ts";
import type { Contender } from "./peers/contender.ts";
import { gateway } from "./peers/gateway.ts";
import { libipsec } from "./peers/libipsec.ts";
import { wireguardGo } from "./peers/wireguard_go.ts";
import { checkFloors, table } from "./report.ts";

const CONTENDERS: readonly Contender[] = [
  bareVeth,
  libipsec,
  wireguardGo,
  gateway("packed", "raw"),
  gateway("packed", "udp"),
  gateway("isolated", "raw"),
  gateway("isolated", "udp"),
];

const { values } = parseArgs({
  args: Deno.args,
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "5" },
    only: { type: "string" },
    json: { type: "string" },
    check: { type: "boolean", default: false },
  },
});
const rounds = positive("--rounds", values.rounds);
const seconds = positive("--seconds", values.seconds);
const contenders = choose(values.only);

console.log(machine());
console.log(`single TCP stream, ${seconds} s, median of ${rounds} alternating rounds`);
for (const { name, describe } of contenders) console.log(`  ${name}: ${describe}`);

const samples = new Map<string, Sample[]>(contenders.map(({ name }) => [name, []]));
for (let round = 0; round < rounds; round++) {
  for (const contender of round % 2 === 0 ? contenders : contenders.toReversed()) {
    const sample = await measure(contender, seconds);
    samples.get(contender.name)!.push(sample);
    console.error(`round ${round + 1} ${contender.name.padEnd(14)} ${sample.gbps.toFixed(2)} Gbit/s`);
  }
}

console.log(`\n${table(samples)}\n`);
console.log(
  "cpu: busy time of the whole machine, iperf3 and kernel included; own: user and system time of the",
);
console.log(
  "path's processes; RSS: of the path's processes together; growth: in the second half of a transfer\n",
);
const floors = checkFloors(samples);
for (const { name, than, factor, reached, ok } of floors) {
  console.log(`${ok ? "ok  " : "MISS"} ${name} ${reached.toFixed(2)} x ${than}, floor ${factor}`);
}
const baseline = await readBaseline();
const worse = baseline === null ? [] : regressions(baseline, samples);
for (const { name, before, now } of worse) {
  console.log(`WORSE ${name} ${now.toFixed(2)} x libipsec, ${before.toFixed(2)} in the baseline`);
}
if (values.json !== undefined) {
  const record = { machine: machine(), rounds, seconds, samples: Object.fromEntries(samples), floors };
  await Deno.writeTextFile(values.json, JSON.stringify(record, null, 2) + "\n");
}
if (values.check && (worse.length > 0 || floors.some(({ ok }) => !ok))) Deno.exit(1);

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) usage(`Cannot read ${option} "${text}": expected a positive number`);
  return value;
}

function choose(only: string | undefined): readonly Contender[] {
  if (only === undefined) return CONTENDERS;
  return only.split(",").map((name) =>
    CONTENDERS.find((contender) => contender.name === name) ??
      usage(`Cannot find "${name}": expected ${CONTENDERS.map((contender) => contender.name).join(", ")}`)
  );
}

function usage(message: string): never {
  console.error(message);
  Deno.exit(2);
}

function machine(): string {
  const model = Deno.readTextFileSync("/proc/cpuinfo").match(/^model name\s*: (.*)$/m)?.[1] ??
    "unknown processor";
  return `${navigator.hardwareConcurrency} x ${model}, Linux ${Deno.osRelease()}, Deno ${Deno.version.deno}`;
}
