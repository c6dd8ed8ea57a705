/** The words of `ip link add|set|del` up to and with `type` (iproute2 ip/iplink.c iplink_parse()). */
import { getInteger } from "./number.ts";
import { duplicateArgument, duplicateOrGarbage, EXIT_USAGE, invalidArgument, Quit } from "./quit.ts";
import { matches, type Words } from "./words.ts";

export interface LinkWords {
  dev?: string;
  name?: string;
  mtu?: number;
  up?: boolean;
  /** Namespace to make the device in. */
  netns?: string;
  type?: string;
}

export const LINK_USAGE =
  `Usage: ip link add [ name ] NAME [ mtu MTU ] [ up | down ] [ netns NETNS ] type vti [ ARGS ]
       ip link { set | change } { DEVICE | dev DEVICE } [ { up | down } ] [ name NEWNAME ]
               [ mtu MTU ] [ type vti [ ARGS ] ]
       ip link replace ... (as add: Linux replaces no device that is there)
       ip link delete { DEVICE | dev DEVICE } [ type vti ]
       ip link show [ DEVICE | dev DEVICE ] [ up ] [ type vti ]
       ip link help [ vti ]

-s shows counters, -s -s error counters, -s -s -s drops by cause.
Addresses, routes and every other setting of a device are the system's: ip(8) works on it as on any other.`;

/** Takes words until `type KIND` or the end. `name N` alone also names the device. */
export function iplinkParse(words: Words): LinkWords {
  const link: LinkWords = {};
  while (!words.done && link.type === undefined) {
    const word = words.take();
    if (word === "up" || word === "down") {
      link.up = word === "up";
    } else if (word === "name") {
      if (link.name !== undefined) throw duplicateArgument("name", words.take());
      link.name = checkIfname("name", words.take(), 15);
      link.dev ??= link.name;
    } else if (word === "mtu") {
      if (link.mtu !== undefined) throw duplicateArgument("mtu", words.take());
      link.mtu = parseMtu(words.take());
    } else if (word === "netns") {
      if (link.netns !== undefined) throw duplicateArgument("netns", words.take());
      link.netns = words.take();
    } else if (word.length > 1 && matches(word, "type")) {
      link.type = words.take();
    } else if (matches(word, "help")) {
      throw new Quit(EXIT_USAGE, LINK_USAGE);
    } else {
      const dev = word === "dev" ? words.take() : word;
      if (link.dev !== link.name) throw duplicateOrGarbage("dev", dev);
      link.dev = checkIfname("dev", dev, 127);
    }
  }
  return link;
}

export function isIfname(name: string, longest = 15): boolean {
  return name !== "" && new TextEncoder().encode(name).length <= longest && !/[/\s]/.test(name);
}

/** Alternative names may have 127 bytes; the kernel itself refuses long ones where it wants a device's own. */
function checkIfname(what: string, name: string, longest: number): string {
  if (isIfname(name, longest)) return name;
  throw invalidArgument(`"${what}" not a valid ifname`, name);
}

function parseMtu(text: string): number {
  const mtu = getInteger(text);
  if (mtu === null) throw invalidArgument('Invalid "mtu" value\n', text);
  return mtu;
}
