/** The same words of `ip` for Linux and for the gateway, section by section. */
import assert from "node:assert/strict";
import { Topology } from "../../doubles/topology.ts";
import { Comparison } from "./comparison.ts";
import { DEVICES } from "./device_words.ts";
import { LINKS } from "./link_words.ts";
import { POLICIES } from "./policy_words.ts";
import { STATES } from "./state_words.ts";

const SYSTEM = "system ";

Deno.test("the gateway answers every word of ip as Linux does", async (t) => {
  await using topology = new Topology();
  using comparison = await Comparison.start(topology);
  let [accepted, refused] = [0, 0];
  for (const { name, commands } of [...LINKS, ...DEVICES, ...STATES, ...POLICIES]) {
    await t.step(name, async () => {
      await comparison.reset();
      const differences: string[] = [];
      for (const text of commands) {
        if (text.startsWith(SYSTEM)) {
          await comparison.system(text.slice(SYSTEM.length));
          continue;
        }
        const { code, difference } = await comparison.ask(text);
        if (code === 0) accepted++;
        else refused++;
        if (difference !== null) differences.push(difference);
      }
      assert.ok(differences.length === 0, `${differences.length} differences\n${differences.join("\n")}`);
    });
  }
  assert.ok(accepted > 450 && refused > 200, `only ${accepted} accepted and ${refused} refused`);
});
