/**
 * The rounds of a comparison. Each builds two namespaces and fresh processes for every contender in turn, takes all its
 * measurements, and takes them away. Rounds alternate the contenders' order, so that warm-up and neighbours on the
 * machine hit all alike.
 */
import { Topology } from "../tests/doubles/topology.ts";
import type { Samples } from "./goals/goals.ts";
import type { Figures, Measurement } from "./goals/measurement.ts";
import { type Bench, type Contender, UNDERLAY } from "./peers/contender.ts";
import { digits } from "./report.ts";

export interface Plan {
  readonly contenders: readonly Contender[];
  /** In the order in which a contender meets them. */
  readonly measurements: readonly Measurement[];
  readonly rounds: number;
  readonly seconds: number;
}

export interface Outcome {
  readonly samples: Samples;
  /** What threw, with the reason. */
  readonly failures: readonly string[];
}

/** Characters of an error that are told: it may quote all that a daemon has logged. */
const MOST_MESSAGE = 500;

/** Goes on behind what fails; tells its progress on standard error. */
export async function rounds(plan: Plan): Promise<Outcome> {
  const samples: Record<string, Record<string, number[]>> = {};
  const failures: string[] = [];
  const guarded = async (what: string, work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      failures.push(`${what}: ${(error as Error).message.slice(0, MOST_MESSAGE)}`);
      console.error(failures.at(-1));
    }
  };
  for (let round = 1; round <= plan.rounds; round++) {
    const { contenders } = plan;
    for (const contender of round % 2 === 1 ? contenders : contenders.toReversed()) {
      const kept = samples[contender.name] ??= {};
      await guarded(contender.name, () => measureContender(contender, plan, round, kept, guarded));
    }
  }
  return { samples, failures };
}

async function measureContender(
  contender: Contender,
  plan: Plan,
  round: number,
  kept: Record<string, number[]>,
  guarded: (what: string, work: () => Promise<void>) => Promise<void>,
): Promise<void> {
  await using topology = new Topology();
  const bench = await underlay(topology);
  const path = await contender.start(bench);
  let earlier: Figures = {};
  for (const { name, contenders, figures, measure } of plan.measurements) {
    if (!contenders.includes(contender.name)) continue;
    await guarded(`${contender.name} ${name}`, async () => {
      const made = await measure({ bench, path, seconds: plan.seconds, earlier });
      earlier = { ...earlier, ...made };
      for (const [figure, value] of Object.entries(made)) (kept[figure] ??= []).push(value);
      const text = Object.entries(made).map(([figure, value]) =>
        `${figure} ${digits(value)} ${figures[figure]}`
      );
      console.error(`round ${round} ${contender.name}: ${text.join(", ")}`);
    });
  }
}

async function underlay(topology: Topology): Promise<Bench> {
  const netns = { a: await topology.addNetns("a"), b: await topology.addNetns("b") };
  await topology.veth(
    { netns: netns.a, ifname: "wire", addresses: [`${UNDERLAY.a}/24`] },
    { netns: netns.b, ifname: "wire", addresses: [`${UNDERLAY.b}/24`] },
  );
  return { topology, netns };
}
