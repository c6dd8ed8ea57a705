/** `ip -6 tunnel`: tunnels over IPv6, of which a gateway has none (iproute2 ip/ip6tunnel.c). */
import { EXIT_USAGE, notSupported, Quit } from "./quit.ts";
import { matches, type Words } from "./words.ts";

const IP6TUNNEL_USAGE = `Usage: ip -f inet6 tunnel show [ NAME ]

A gateway has no tunnels over IPv6.`;

export function ip6tunnel(words: Words): number {
  const word = words.done ? "show" : words.take();
  const commands = ["add", "change", "delete", "show", "lst", "list", "help"];
  const command = commands.find((name) => matches(word, name));
  if (command === undefined) {
    throw new Quit(EXIT_USAGE, `Command "${word}" is unknown, try "ip -f inet6 tunnel help".`);
  }
  if (command === "help") throw new Quit(EXIT_USAGE, IP6TUNNEL_USAGE);
  checkMode6(words);
  if (command === "show" || command === "lst" || command === "list") return 0;
  throw notSupported("-6 tunnel");
}

/** Modes over IPv6; a vti over it is vti6. */
const MODES6 = /^(any|ipv6\/ipv6|ip6ip6|vti6|ip\/ipv6|ipv4\/ipv6|ipip6|ip4ip6|ip6gre|gre\/ipv6|any\/ipv6)$/;

function checkMode6(words: Words): void {
  while (!words.done) {
    if (words.take() !== "mode") continue;
    const mode = words.take();
    if (!MODES6.test(mode)) throw new Quit(EXIT_USAGE, `Unknown tunnel mode "${mode}"`);
  }
}
