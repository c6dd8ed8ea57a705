/** The words of `ip link add|set|del` up to and with `type` (iproute2 ip/iplink.c iplink_parse()). */
import { takeDeviceSetting, toInteger } from "./iplink_settings.ts";
import { duplicateArgument, duplicateOrGarbage, EXIT_USAGE, invalidArgument, Quit } from "./quit.ts";
import type { DeviceChange, DeviceSettings } from "../api/schemas.ts";
import { matches, type Words } from "./words.ts";

type Writable<T> = { -readonly [K in keyof T]: T[K] };

export interface LinkWords {
  dev?: string;
  name?: string;
  index?: number;
  mtu?: number;
  up?: boolean;
  /** Namespace to make the device in. */
  netns?: string;
  /** Namespace of its underlay. */
  linkNetns?: string;
  type?: string;
  /** The master was called a VRF. */
  isVrf?: boolean;
  readonly settings: Writable<DeviceSettings>;
  /** Settings that a new device does not take. */
  readonly onlySet: Writable<Omit<DeviceChange, keyof DeviceSettings>>;
  /** Bytes of a link-layer address, which a vti has from its tunnel. */
  addressLength?: number;
  /** What Linux answers to a word that no vti takes, when it is made and when it is changed. */
  readonly refused: { add?: string; set?: string };
  /** Words that may come once, of those that are no setting. */
  readonly once: Set<string>;
}

export const LINK_USAGE =
  `Usage: ip link add [ link DEV ] [ name ] NAME [ index IDX ] [ mtu MTU ] [ up | down ]
               [ netns NETNS ] [ SETTINGS ] type vti [ ARGS ]
       ip link { set | change } { DEVICE | dev DEVICE | group GROUP } [ { up | down } ]
               [ name NEWNAME ] [ mtu MTU ] [ alias NAME ] [ addrgenmode MODE ] [ SETTINGS ]
               [ type vti [ ARGS ] ]
       ip link replace ... (as add: Linux replaces no device that is there)
       ip link delete { DEVICE | dev DEVICE | group GROUP } [ type vti ]
       ip link show [ DEVICE | dev DEVICE | group GROUP ] [ up ] [ master DEV | vrf NAME | nomaster ]
               [ type vti ]
       ip link help [ vti ]
SETTINGS := [ txqueuelen PACKETS ] [ group GROUP ] [ { master DEV | vrf NAME | nomaster } ]
            [ { arp | multicast | allmulticast | promisc | trailers | dynamic } { on | off } ]
            [ mode { default | dormant } ] [ gso_max_size BYTES ] [ gso_max_segs PACKETS ]
            [ gro_max_size BYTES ]

-s shows counters, -s -s error counters, -s -s -s drops by cause.
Addresses, routes and every other setting of a device are the system's: ip(8) works on it as on any other.`;

/** Takes words until `type KIND` or the end. `name N` alone also names the device. */
export function iplinkParse(words: Words): LinkWords {
  const link: LinkWords = { settings: {}, onlySet: {}, refused: {}, once: new Set() };
  while (!words.done && link.type === undefined) {
    const word = words.take();
    if (takeDeviceSetting(word, words, link)) continue;
    if (word === "up" || word === "down") {
      link.up = word === "up";
    } else if (word === "name") {
      if (link.name !== undefined) throw duplicateArgument("name", words.take());
      link.name = checkIfname("name", words.take(), 15);
      link.dev ??= link.name;
    } else if (word === "index") {
      link.index = takeIndex(words, link);
    } else if (word === "mtu") {
      if (link.mtu !== undefined) throw duplicateArgument("mtu", words.take());
      link.mtu = toInteger("mtu", words.take());
    } else if (word === "netns") {
      if (link.netns !== undefined) throw duplicateArgument("netns", words.take());
      link.netns = words.take();
    } else if (matches(word, "link")) {
      // What other kinds of links lie on; the kernel ignores it of a vti, which has `dev` among its own words.
      words.take();
    } else if (matches(word, "type")) {
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

/** The digits at the front, as atoi(3) reads them. */
function takeIndex(words: Words, link: LinkWords): number {
  const text = words.take();
  if (link.index !== undefined) throw duplicateArgument("index", text);
  const index = Number(/^\s*\+?(\d+)/.exec(text)?.[1] ?? 0) | 0;
  if (index <= 0) throw invalidArgument('Invalid "index" value', text);
  return index;
}
