/** `ip xfrm state|policy deleteall`: what matches is deleted one by one. */
import type { Command } from "../main.ts";
import { EXIT_FAILURE, Quit } from "../quit.ts";

/**
 * Deletes what is found. `remove` returns why something can't be deleted, or null; the first reason is told, behind
 * `failed`, when all is done. -s -s tells of it as of iproute2's rounds, of which the last finds nothing.
 */
export async function deleteAll<T>(
  { options, note }: Command,
  found: readonly T[],
  remove: (thing: T) => Promise<string | null>,
  failed: string,
): Promise<void> {
  const tell = (line: string) => options.stats > 1 && note(line);
  tell("Delete-all round = 0");
  if (found.length > 0) {
    let reason: string | null = null;
    for (const thing of found) reason = await remove(thing) ?? reason;
    if (reason !== null) throw new Quit(EXIT_FAILURE, `${failed}: ${reason}`);
    tell(`Delete-all nlmsg count = ${found.length}`);
    tell("Delete-all round = 1");
  }
  tell("Delete-all completed");
}
