/** `deno task fuzz`: the long run; the short one is fuzz_test.ts. */
import { NUMBER, wordsOfRun } from "../doubles/long_run.ts";
import { fuzz, type Target } from "./fuzz.ts";
import { PACKET_TARGETS, withTextTargets } from "./targets.ts";

const USAGE = `Usage: deno task fuzz [PACKETS [REQUESTS [SEED]]]
PACKETS of every target of packets and messages (default 1000000), REQUESTS of every other one (default 100000)`;

const words = wordsOfRun(USAGE, [NUMBER, NUMBER, NUMBER]).map(Number);
const [packets = 1_000_000, requests = 100_000, seed = Date.now() % 2 ** 31] = words;
let failed = 0;

console.log(`seed ${seed}`);
for (const target of PACKET_TARGETS) await run(target, packets);
await withTextTargets(async (targets) => {
  for (const target of targets) await run(target, requests);
});
Deno.exit(failed === 0 ? 0 : 1);

async function run(target: Target, cases: number): Promise<void> {
  try {
    const { name, unit, cases: done, seconds, growth } = await fuzz(target, cases, seed);
    const grown = `${growth > 0 ? "+" : ""}${(growth / 2 ** 20).toFixed(1)} MB`;
    console.log(
      `ok      ${name.padEnd(34)} ${`${done} ${unit}`.padEnd(22)} ${
        seconds.toFixed(1).padStart(7)
      } s  ${grown}`,
    );
  } catch (error) {
    failed++;
    console.log(`FAILED  ${(error as Error).message}`);
    console.log((error as Error & { cause?: Error }).cause?.stack);
  }
}
