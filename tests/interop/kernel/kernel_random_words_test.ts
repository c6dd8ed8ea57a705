/**
 * Random words of `ip` for Linux and for the gateway, each sequence begun without devices, states and policies. Short
 * here; VTI_RANDOM_WORDS=SEED,SEQUENCES runs as many more from any seed.
 */
import assert from "node:assert/strict";
import { Topology } from "../../doubles/topology.ts";
import { Random } from "../../fuzz/random.ts";
import { Comparison } from "./comparison.ts";
import { randomCommand } from "./random_words.ts";

/** Commands of a sequence: more of them would mostly find what is there already. */
const LENGTH = 50;
const [SEED, SEQUENCES] = (Deno.env.get("VTI_RANDOM_WORDS") ?? "1,8").split(",").map(Number) as [
  number,
  number,
];

Deno.test("the gateway answers random words of ip as Linux does", async () => {
  await using topology = new Topology();
  using comparison = await Comparison.start(topology);
  const differences: string[] = [];
  let accepted = 0;
  for (let sequence = 0; sequence < SEQUENCES; sequence++) {
    const random = new Random(2 * (SEED + sequence) + 1);
    await comparison.reset();
    for (let i = 0; i < LENGTH; i++) {
      const { code, difference } = await comparison.ask(randomCommand(random));
      if (code === 0) accepted++;
      if (difference === null) continue;
      differences.push(`seed ${SEED + sequence}, command ${i}: ${difference}`);
      // What is different now would be found again by what follows.
      await comparison.reset();
    }
  }
  assert.ok(differences.length === 0, `${differences.length} differences\n${differences.join("\n")}`);
  assert.ok(accepted > SEQUENCES * LENGTH / 5, `only ${accepted} were accepted`);
});
