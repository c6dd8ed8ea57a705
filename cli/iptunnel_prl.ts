/** `ip tunnel prl|6rd`: lists of sit tunnels, which a vti refuses (iproute2 ip/iptunnel.c do_prl(), do_6rd()). */
import { getAddr32, getPrefix } from "./address.ts";
import type { Problem } from "./answer.ts";
import { isIfname } from "./iplink_parse.ts";
import type { Command } from "./main.ts";
import { EXIT_FAILURE, EXIT_USAGE, invalidArgument, Quit } from "./quit.ts";
import type { Words } from "./words.ts";

/** Words with the ioctl that they stand for, and how their value is read; 0 is none (include/uapi/linux/if_tunnel.h). */
const PRL: Table = {
  "prl-default": [0x89f5, (words) => void getAddr32(words.take())],
  "prl-nodefault": [0x89f5, (words) => void getAddr32(words.take())],
  "prl-delete": [0x89f6, (words) => void getAddr32(words.take())],
};
const SIX_RD: Table = {
  "6rd-prefix": [0x89f9, (words) => void getPrefix(words.take(), 6)],
  "6rd-relay_prefix": [0x89f9, (words) => void getPrefix(words.take(), 4)],
  "6rd-reset": [0x89fa, () => {}],
};
type Table = Readonly<Record<string, readonly [ioctl: number, read: (words: Words) => void]>>;

export function doPrl(command: Command): Promise<number> {
  return refuse(command, PRL, "PRL", true);
}

export function do6rd(command: Command): Promise<number> {
  return refuse(command, SIX_RD, "6RD", false);
}

async function refuse({ words, api, netns }: Command, table: Table, what: string, once: boolean) {
  let dev: string | undefined;
  let [ioctl, count] = [0, 0];
  while (!words.done) {
    const word = words.take();
    if (word === "dev") {
      dev = words.take();
      if (!isIfname(dev)) throw invalidArgument('"dev" not a valid ifname', dev);
    } else if (Object.hasOwn(table, word)) {
      ioctl = table[word]![0];
      table[word]![1](words);
      count++;
    } else throw new Quit(EXIT_USAGE, `Invalid ${what} parameter "${word}"`);
    if (once && count > 1) throw new Quit(EXIT_USAGE, "One PRL entry at a time");
  }
  if (dev === undefined) throw new Quit(EXIT_USAGE, "Must specify device");
  const answer = await api.ask("GET", `${netns}/tunnels/${encodeURIComponent(dev)}`);
  const problem: Pick<Problem, "title"> = answer.ok
    ? { title: ioctl === 0 ? "Inappropriate ioctl for device" : "Invalid argument" }
    : answer.problem;
  return fail(`${dev}: ioctl ${ioctl.toString(16)} failed: ${problem.title}`);
}

function fail(message: string): never {
  throw new Quit(EXIT_FAILURE, message);
}
