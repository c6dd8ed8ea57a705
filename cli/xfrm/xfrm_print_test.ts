/** What the printer makes of every state and policy that a real kernel's transcripts show. */
import assert from "node:assert/strict";
import { type Entry, readTranscript } from "../../tests/doubles/transcript.ts";
import { readPolicies, readStates } from "../../tests/doubles/xfrm_text.ts";
import { parseOptions } from "../options.ts";
import { Words } from "../words.ts";
import { printPolicy } from "./xfrm_policy_print.ts";
import { printState } from "./xfrm_state_print.ts";

const SHOWN = [...await readTranscript("xfrm_show.txt"), ...await readTranscript("errors.txt")];

/** Entries of `ip [OPTIONS] xfrm OBJECT [list …|get …|allocspi …]` that printed something. */
function listings(entries: readonly Entry[], object: string): Entry[] {
  return entries.filter(({ words, stdout }) =>
    words?.includes("xfrm") && words.includes(object) && stdout.startsWith("src ")
  );
}

Deno.test("printState() prints every state of the transcripts as iproute2 does", () => {
  const entries = listings(SHOWN, "state").filter(({ stdout }) => !stdout.includes("proto 4"));
  let states = 0;
  for (const { command, words, stdout } of entries) {
    const options = parseOptions(new Words(words!));
    const infos = readStates(stdout);
    states += infos.length;
    assert.equal(infos.map((state) => printState(state, options)).join(""), stdout, command);
  }
  assert.ok(states > 60, `only ${states} states`);
});

Deno.test("printState() hides keys, empty ones too, and how long they are", () => {
  const entry = SHOWN.find(({ stdout }) => stdout.includes("cipher_null"))!;
  const print = (nokeys: boolean) =>
    printState(readStates(entry.stdout)[0]!, parseOptions(new Words(["-s"])), nokeys);
  assert.match(
    print(true),
    /auth-trunc hmac\(sha256\) <<Keys hidden>> 128\n\tenc ecb\(cipher_null\) <<Keys hidden>>\n/,
  );
  assert.match(print(false), /\tenc ecb\(cipher_null\) \n/);
});

Deno.test("printPolicy() prints every policy of the transcripts as iproute2 does", async () => {
  const entries = listings([...SHOWN, ...await readTranscript("policies.txt")], "policy");
  let policies = 0;
  for (const { command, words, stdout } of entries) {
    const options = parseOptions(new Words(words!));
    const text = options.oneline ? stdout.replaceAll("\\\n", "\n").replaceAll("\\", "\n") : stdout;
    const infos = readPolicies(text);
    policies += infos.length;
    assert.equal(infos.map((policy) => printPolicy(policy, options)).join(""), stdout, command);
  }
  assert.ok(policies > 50, `only ${policies} policies`);
});
