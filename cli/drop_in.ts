/** What bin/ip, the drop-in, and the client have of each other in a batch: lines of the gateway, of the system, or of either. */
import type { LineResult } from "./batch.ts";
import { findObject } from "./options.ts";
import { EXIT_USAGE } from "./quit.ts";

/** True for a line that the client runs itself: only the drop-in can tell whose device any other line means. */
export function isForClient(words: readonly string[]): boolean {
  const object = findObject(words[0] ?? "");
  if (object === "xfrm") return true;
  const hasPair = (word: string) => words.some((w, i) => w === word && words[i + 1] === "vti");
  return object === "link" && hasPair("type") || object === "tunnel" && hasPair("mode");
}

/** Runs a line by the drop-in, with the options before the batch. */
export async function runDropIn(
  dropIn: string,
  options: readonly string[],
  words: readonly string[],
): Promise<LineResult> {
  const child = new Deno.Command(dropIn, { args: [...options, ...words], stdin: "null" }).spawn();
  const { code } = await child.status;
  return { exitCode: code, ends: code === EXIT_USAGE };
}
