/** `ip xfrm stat`: the counters of /proc/net/xfrm_stat, printed like that file. */
import type { Command } from "../main.ts";
import { invalidArgument } from "../quit.ts";

export async function doXfrmStat({ words, options, api, netns, print }: Command): Promise<number> {
  if (!words.done) throw invalidArgument("unknown", words.take());
  const counters = await api.demand<Record<string, number>>("GET", `${netns}/xfrm/stat`);
  if (options.json) {
    const { jsonPrint } = await import("../json_print.ts");
    print(jsonPrint(counters, options.pretty));
  } else {
    for (const [name, value] of Object.entries(counters)) print(`${name.padEnd(24)}\t${value}\n`);
  }
  return 0;
}
