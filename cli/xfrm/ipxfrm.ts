/** `ip xfrm` (iproute2 ip/ipxfrm.c do_xfrm()). */
import type { Command } from "../main.ts";
import { EXIT_USAGE, Quit } from "../quit.ts";
import { matches } from "../words.ts";

const XFRM_USAGE = `Usage: ip xfrm XFRM-OBJECT { COMMAND | help }
where  XFRM-OBJECT := state | policy | monitor | stat`;

export async function doXfrm(command: Command): Promise<number> {
  const { words } = command;
  const word = words.done ? "help" : words.take();
  // "stat" is this client's own: /proc/net/xfrm_stat has no ip(8) command.
  if (word === "stat") return await (await import("./xfrm_stat.ts")).doXfrmStat(command);
  if (matches(word, "state") || matches(word, "sa")) {
    return await (await import("./xfrm_state.ts")).doXfrmState(command);
  }
  if (matches(word, "policy")) return await (await import("./xfrm_policy.ts")).doXfrmPolicy(command);
  if (matches(word, "monitor")) return await (await import("./xfrm_monitor.ts")).doXfrmMonitor(command);
  throw new Quit(EXIT_USAGE, XFRM_USAGE);
}
