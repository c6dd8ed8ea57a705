/** Words of `ip link add|set` that are a device's and not a tunnel's (iproute2 ip/iplink.c iplink_parse()). */
import { getAddr32 } from "./address.ts";
import type { LinkWords } from "./iplink_parse.ts";
import { getInteger, getU32, getU8 } from "./number.ts";
import { duplicateArgument, EXIT_FAILURE, invalidArgument, notSupported, Quit } from "./quit.ts";
import { rtNames } from "./rt_names.ts";
import { matches, type Words } from "./words.ts";

type Take = (words: Words, link: LinkWords) => void;

const LINKMODES = ["DEFAULT", "DORMANT"] as const;
const OPERSTATES = ["UNKNOWN", "NOTPRESENT", "DOWN", "LOWERLAYERDOWN", "TESTING", "DORMANT", "UP"] as const;
const ADDR_GEN_MODES = ["eui64", "none", "stable_secret", "random"] as const;
/** Queues of one direction: what the kernel takes. A TUN device has one, whatever is asked. */
const MAX_QUEUES = 4096;
const MAX_GSO_SEGS = 65535;
/** Exit code of parse_on_off(): EINVAL. */
const EXIT_EINVAL = 22;
const NOT_SUPPORTED = "RTNETLINK answers: Operation not supported";
const NO_PROTODOWN = "Error: Protodown not supported by device.";

/** Stands for words that are no setting, among those that they share abbreviations with. */
const ANOTHERS: Take = () => {};

/** Words that may be abbreviated, in iproute2's order, which decides what an abbreviation means: "a" is address. */
const ABBREVIATED: readonly (readonly [string, Take])[] = [
  ["link", ANOTHERS],
  ["address", takeAddress],
  ["broadcast", takeBroadcast],
  ["txqueuelen", takeTxqlen],
  ["txqlen", takeTxqlen],
  ["master", (words, link) => {
    link.settings.master = words.take();
    link.isVrf = false;
  }],
  ["nomaster", (_, link) => link.settings.master = ""],
  ["dynamic", (words, link) => link.settings.dynamic = takeOnOff("dynamic", words)],
  ["type", ANOTHERS],
  ["alias", (words, link) => link.onlySet.ifalias = words.take()],
  ["numtxqueues", (words, link) => takeQueues("numtxqueues", "transmit", words, link)],
  ["numrxqueues", (words, link) => takeQueues("numrxqueues", "receive", words, link)],
  ["addrgenmode", takeAddrGenMode],
  ["link-netns", takeLinkNetns],
  ["link-netnsid", takeLinkNetnsid],
];

const WHOLE: Readonly<Record<string, Take>> = {
  "brd": takeBroadcast,
  "qlen": takeTxqlen,
  "multicast": (words, link) => link.settings.multicast = takeOnOff("multicast", words),
  "allmulticast": (words, link) => link.settings.allmulticast = takeOnOff("allmulticast", words),
  "promisc": (words, link) => link.settings.promisc = takeOnOff("promisc", words),
  "trailers": (words, link) => link.settings.trailers = takeOnOff("trailers", words),
  "arp": (words, link) => link.settings.arp = takeOnOff("arp", words),
  "carrier": (words, link) => takeRefusedSwitch("carrier", NOT_SUPPORTED, words, link),
  "protodown": (words, link) => takeRefusedSwitch("protodown", NO_PROTODOWN, words, link),
  "protodown_reason": takeProtodownReason,
  "vrf": (words, link) => {
    link.settings.master = words.take();
    link.isVrf = true;
  },
  "group": takeGroup,
  "mode": takeMode,
  "state": takeState,
  "gso_max_size": (words, link) => link.settings.gso_max_size = takeUnsigned("gso_max_size", words),
  "gso_max_segs": takeGsoMaxSegs,
  "gro_max_size": (words, link) => link.settings.gro_max_size = takeUnsigned("gro_max_size", words),
  // The kernel reads nothing of it.
  "parentdev": (words) => void words.take(),
  "vf": (words) => {
    const word = words.take();
    toInteger("vf", word);
    throw notSupported("vf");
  },
  "xdp": (words) => {
    words.take();
    throw notSupported("xdp");
  },
};

/** Takes the rest of a setting; false, and nothing taken, when `word` is none. */
export function takeDeviceSetting(word: string, words: Words, link: LinkWords): boolean {
  const take = Object.hasOwn(WHOLE, word)
    ? WHOLE[word]
    : ABBREVIATED.find(([full]) => matches(word, full))?.[1];
  if (take === undefined || take === ANOTHERS) return false;
  take(words, link);
  return true;
}

/** A group's number, by its name in /etc/iproute2/group too. */
export function parseGroup(text: string): number {
  const named = rtNames("group").find(([name]) => name === text)?.[1];
  const group = named ?? (text === "default" ? 0 : text.startsWith("-") ? null : getU32(text));
  if (group === null) throw invalidArgument('Invalid "group" value\n', text);
  return group;
}

/** An int, as iproute2's get_integer() reads it. */
export function toInteger(what: string, text: string): number {
  const value = getInteger(text);
  if (value === null) throw invalidArgument(`Invalid "${what}" value\n`, text);
  return value;
}

function takeTxqlen(words: Words, link: LinkWords): void {
  const word = words.take();
  if (link.settings.txqlen !== undefined) throw duplicateArgument("txqueuelen", word);
  link.settings.txqlen = toInteger("txqueuelen", word) >>> 0;
}

function takeGroup(words: Words, link: LinkWords): void {
  const word = words.take();
  if (link.settings.group !== undefined) throw duplicateArgument("group", word);
  link.settings.group = parseGroup(word);
}

/** A new device takes any address, and has its tunnel's. */
function takeAddress(words: Words, link: LinkWords): void {
  link.addressLength = lladdrLength(words.take());
  link.refused.set ??= NOT_SUPPORTED;
}

function takeBroadcast(words: Words, link: LinkWords): void {
  lladdrLength(words.take());
  link.refused.set ??= notSupported("broadcast").message;
}

/** Bytes of a link-layer address: an IPv4 address, or bytes in hexadecimal (ll_addr_a2n). */
function lladdrLength(text: string): number {
  const invalid = (part: string) => new Quit(EXIT_FAILURE, `"${part}" is invalid lladdr.`);
  if (text.includes(".")) {
    if (!/^\d+(\.\d+){0,3}$/.test(text)) throw invalid(text);
    getAddr32(text);
    return 4;
  }
  const parts = text.split(":");
  for (const part of parts) {
    if (!/^\s*(0x)?0*[0-9a-f]{1,2}/i.test(part) || parseInt(part, 16) > 255) throw invalid(part);
  }
  return parts.length;
}

function takeQueues(word: string, direction: string, words: Words, link: LinkWords): void {
  const text = words.take();
  if (link.once.has(word)) throw duplicateArgument(word, text);
  link.once.add(word);
  const queues = toInteger(word, text);
  if (queues < 1 || queues > MAX_QUEUES) link.refused.add ??= `Error: Invalid number of ${direction} queues.`;
}

function takeMode(words: Words, link: LinkWords): void {
  const word = words.take();
  const mode = LINKMODES.find((name) => name === word.toUpperCase());
  if (mode === undefined) throw invalidArgument("Invalid link mode\n", word);
  link.settings.linkmode = mode;
}

/** A device that is down, as a new one, takes none; of others the system's ip sets it. */
function takeState(words: Words, link: LinkWords): void {
  const word = words.take();
  if (!OPERSTATES.some((name) => name === word.toUpperCase())) {
    throw invalidArgument("Invalid operstate\n", word);
  }
  link.refused.set ??= notSupported("state").message;
}

/** The kernel knows no such setting of a device that is not there yet. */
function takeAddrGenMode(words: Words, link: LinkWords): void {
  const word = words.take();
  const mode = ADDR_GEN_MODES.find((name) => name === word.toLowerCase());
  if (mode === undefined) throw invalidArgument("Invalid address generation mode\n", word);
  link.onlySet.inet6_addr_gen_mode = mode;
  link.refused.add ??= "RTNETLINK answers: Address family not supported by protocol";
}

function takeLinkNetns(words: Words, link: LinkWords): void {
  const word = words.take();
  if (link.once.has("link-netns")) throw duplicateArgument("link-netns", word);
  link.once.add("link-netns");
  link.linkNetns = word;
  link.refused.add ??= notSupported("link-netns").message;
}

/** Ids are what the gateway has not: a device is made in its underlay's namespace, and moved. */
function takeLinkNetnsid(words: Words, link: LinkWords): void {
  const word = words.take();
  if (link.once.has("link-netns")) throw duplicateArgument("link-netnsid", word);
  link.once.add("link-netns");
  toInteger("link-netnsid", word);
  link.refused.add ??= "Error: Unknown network namespace id.";
}

function takeRefusedSwitch(
  word: "carrier" | "protodown",
  refusal: string,
  words: Words,
  link: LinkWords,
): void {
  const value = words.take();
  if (value !== "on" && value !== "off") {
    throw new Quit(EXIT_EINVAL, `Error: argument of "${word}" must be one of "off", "on", not "${value}"`);
  }
  link.refused.set ??= refusal;
}

function takeProtodownReason(words: Words, link: LinkWords): void {
  const word = words.take();
  const reason = getU8(word);
  if (reason === null || reason > 31) throw invalidArgument("invalid protodown reason\n", word);
  takeOnOff("protodown_reason", words);
  link.refused.set ??= NO_PROTODOWN;
}

function takeGsoMaxSegs(words: Words, link: LinkWords): void {
  const word = words.take();
  const segs = getU32(word);
  if (segs === null || segs > MAX_GSO_SEGS) throw invalidArgument('Invalid "gso_max_segs" value\n', word);
  link.settings.gso_max_segs = segs;
}

function takeUnsigned(what: string, words: Words): number {
  const word = words.take();
  const value = getU32(word);
  if (value === null) throw invalidArgument(`Invalid "${what}" value\n`, word);
  return value;
}

function takeOnOff(what: string, words: Words): boolean {
  const word = words.take();
  if (word === "on" || word === "off") return word === "on";
  throw new Quit(EXIT_FAILURE, `Error: argument of "${what}" must be "on" or "off", not "${word}"`);
}
