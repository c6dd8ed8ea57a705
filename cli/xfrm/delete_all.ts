/** `ip xfrm state|policy deleteall`: what matches is deleted one by one. */
import type { Command } from "../main.ts";

/** Deletes what is found; -s -s tells of it as of iproute2's rounds, of which the last finds nothing. */
export async function deleteAll<T>(
  { options, note }: Command,
  found: readonly T[],
  remove: (thing: T) => Promise<unknown>,
): Promise<void> {
  const tell = (line: string) => options.stats > 1 && note(line);
  tell("Delete-all round = 0");
  if (found.length > 0) {
    for (const thing of found) await remove(thing);
    tell(`Delete-all nlmsg count = ${found.length}`);
    tell("Delete-all round = 1");
  }
  tell("Delete-all completed");
}
