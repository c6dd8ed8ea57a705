/** Side by side on one machine, in one go: this gateway, strongSwan's user-space IPsec, wireguard-go, and no tunnel. */
import { parseArgs } from "node:util";
import { readBaseline, regressions } from "./baseline.ts";
import { firstPacket } from "./goals/first_packet.ts";
import { idleCpu } from "./goals/idle_cpu.ts";
import type { Measurement } from "./goals/measurement.ts";
import { idleRoundTrip, loadedRoundTrip } from "./goals/round_trip.ts";
import { stream } from "./goals/stream.ts";
import { streams16 } from "./goals/streams16.ts";
import { tunnels } from "./goals/tunnels.ts";
import { udpLoss } from "./goals/udp_loss.ts";
import { udpMix, udpSmall } from "./goals/udp_rate.ts";
import { bareVeth } from "./peers/bare_veth.ts";
import type { Contender } from "./peers/contender.ts";
import { gateway } from "./peers/gateway.ts";
import { gatewayTunnels } from "./peers/gateway_tunnels.ts";
import { libipsec } from "./peers/libipsec.ts";
import { wireguardGo } from "./peers/wireguard_go.ts";
import { digits, figuresTable, goalsTable } from "./report.ts";
import { type Plan, rounds } from "./rounds.ts";

const CONTENDERS: readonly Contender[] = [
  bareVeth,
  libipsec,
  wireguardGo,
  gateway("packed", "raw"),
  gateway("packed", "udp"),
  gateway("isolated", "raw"),
  gateway("isolated", "udp"),
  gateway("packed", "udp", "chacha20poly1305"),
  gateway("packed", "udp", "cbc128-sha256"),
  gatewayTunnels(1000),
];
/** In the order in which a path meets them: the last takes it down. */
const MEASUREMENTS: readonly Measurement[] = [
  idleRoundTrip,
  idleCpu,
  tunnels,
  stream,
  streams16,
  loadedRoundTrip,
  udpSmall,
  udpLoss,
  udpMix,
  firstPacket,
];

const USAGE =
  `Usage: deno run -A bench/compare.ts [--rounds N] [--seconds N] [--only NAME,...] [--json FILE] [--check]

  --rounds N     each path is built, measured and taken down that often (default 3); medians count
  --seconds N    length of a measurement (default 3)
  --only NAMES   of measurements and of contenders, with commas between; absent: all
  --json FILE    write all figures; bench/results/baseline.json is the baseline
  --check        exit code 1 when something failed, when a goal is missed that the baseline reached, or when a ratio
                 is worse than the baseline's by more than a fifth

Measurements: ${MEASUREMENTS.map(({ name }) => name).join(", ")}
Contenders: ${CONTENDERS.map(({ name }) => name).join(", ")}`;

const { values } = parse();
if (values.help) {
  console.log(USAGE);
  Deno.exit(0);
}
const plan: Plan = {
  ...chosen(values.only?.split(",") ?? []),
  rounds: positive("--rounds", values.rounds),
  seconds: positive("--seconds", values.seconds),
};

console.log(machine());
console.log(`median (least..most) of ${plan.rounds} alternating rounds, ${plan.seconds} s each`);
for (const { name, describe } of plan.contenders) console.log(`  ${name}: ${describe}`);
const { samples, failures } = await rounds(plan);
for (const measurement of plan.measurements) {
  if (!plan.contenders.some(({ name }) => measurement.contenders.includes(name))) continue;
  console.log(`\n${measurement.name}: ${measurement.describe}\n${figuresTable(measurement, samples)}`);
}
const baseline = await readBaseline();
console.log(`\n${goalsTable(samples, baseline?.samples ?? null)}\n`);
const worse = baseline === null ? [] : regressions(baseline.samples, samples);
for (const { goal, before, now } of worse) {
  console.log(`WORSE ${goal.what}, ${goal.of}: ${digits(now)}, ${digits(before)} in the baseline`);
}
for (const failure of failures) console.log(`FAILED ${failure}`);
if (values.json !== undefined) {
  const record = { machine: machine(), rounds: plan.rounds, seconds: plan.seconds, samples };
  await Deno.writeTextFile(values.json, JSON.stringify(record) + "\n");
}
if (values.check && worse.length + failures.length > 0) Deno.exit(1);

function parse() {
  try {
    return parseArgs({
      options: {
        rounds: { type: "string", default: "3" },
        seconds: { type: "string", default: "3" },
        only: { type: "string" },
        json: { type: "string" },
        check: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    wrong((error as Error).message);
  }
}

/** Names of measurements narrow the measurements, those of contenders the contenders. */
function chosen(names: readonly string[]): Pick<Plan, "contenders" | "measurements"> {
  const unknown = names.find((name) => ![...MEASUREMENTS, ...CONTENDERS].some((one) => one.name === name));
  if (unknown !== undefined) wrong(`Cannot find "${unknown}": it is neither a measurement nor a contender`);
  const named = <T extends { readonly name: string }>(all: readonly T[]) => {
    const some = all.filter(({ name }) => names.includes(name));
    return some.length > 0 ? some : all;
  };
  const measurements = named(MEASUREMENTS);
  const measured = ({ name }: Contender) => measurements.some((m) => m.contenders.includes(name));
  return { measurements, contenders: named(CONTENDERS).filter(measured) };
}

function positive(option: string, text: string): number {
  const value = Number(text);
  return value > 0 ? value : wrong(`Cannot read ${option} "${text}": expected a positive number`);
}

function wrong(message: string): never {
  console.error(`${message}\n\n${USAGE}`);
  Deno.exit(2);
}

function machine(): string {
  const model = Deno.readTextFileSync("/proc/cpuinfo").match(/^model name\s*: (.*)$/m)?.[1] ??
    "unknown processor";
  return `${navigator.hardwareConcurrency} x ${model}, Linux ${Deno.osRelease()}, Deno ${Deno.version.deno}`;
}
