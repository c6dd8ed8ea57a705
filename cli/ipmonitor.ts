/** `ip monitor` for vti devices (iproute2 ip/ipmonitor.c). Routes, addresses and neighbours are the system's. */
import { eventsOf } from "./events.ts";
import type { Command } from "./main.ts";
import { printLinkEvent } from "./print_linkinfo.ts";
import { EXIT_USAGE, Quit } from "./quit.ts";
import type { LinkInfo } from "../api/schemas.ts";
import { printTimestamp } from "./timestamp.ts";
import { matches } from "./words.ts";

const MONITOR_USAGE = "Usage: ip monitor [ all | link ]";

export async function doIpmonitor(command: Command): Promise<number> {
  const { words, options, print } = command;
  while (!words.done) {
    const word = words.take();
    if (matches(word, "help")) throw new Quit(EXIT_USAGE, MONITOR_USAGE);
    if (!matches(word, "link") && word !== "all") {
      throw new Quit(EXIT_USAGE, `Argument "${word}" is unknown, try "ip monitor help".`);
    }
  }
  for await (const { time, kind, body } of eventsOf(command)) {
    if ((kind !== "newlink" && kind !== "dellink") || !isLink(body)) continue;
    print(`${printTimestamp(time, options)}${kind === "dellink" ? "Deleted " : ""}${printLinkEvent(body)}`);
  }
  return 0;
}

function isLink(body: unknown): body is LinkInfo {
  return typeof body === "object" && body !== null && "ifindex" in body;
}
