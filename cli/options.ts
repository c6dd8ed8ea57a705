/** The options before the object, with ip(8)'s abbreviations, and the objects of this client. */
import type { Family } from "./address.ts";
import { colorOf } from "./color.ts";
import { getU32 } from "./number.ts";
import { EXIT_FAILURE, EXIT_USAGE, invalidArgument, Quit } from "./quit.ts";
import { matches, Words } from "./words.ts";

export const DEFAULT_RUN_DIR = "/run/vti-gateway";

/** Families that ip(8) knows and no tunnel has, by their AF_ numbers: packet, MPLS, bridge. */
export type OtherFamily = 17 | 28 | 7;

export interface Options {
  /** -d: what only a look at the driver shows. */
  details: boolean;
  json: boolean;
  pretty: boolean;
  brief: boolean;
  oneline: boolean;
  /** -h: counters as 1.23k; with -iec in powers of 1024. */
  human: boolean;
  iec: boolean;
  /** -c: for a light or a dark background; "" for none. */
  color: "" | "light" | "dark";
  /** -N: numbers in place of names. */
  numeric: boolean;
  /** -t, -ts: each event with its time, in a line before it or short. */
  timestamp: "" | "long" | "short";
  /** How often -s was given: 1 counters, 2 error counters, 3 drops by cause. */
  stats: number;
  family: Family;
  otherFamily?: OtherFamily;
  /** -n: a name under /run/netns. Absent: the caller's own namespace. */
  netns?: string;
  /** -batch: a file of commands, "-" is standard input. */
  batch?: string;
  /** -force: a command that fails does not end the batch. */
  force: boolean;
  runDir?: string;
  /** The options as they were given, but for those of a batch and of the client alone. */
  readonly given: string[];
}

export type ClientObject = "link" | "tunnel" | "netns" | "monitor" | "xfrm";

/** The shortest beginning that ip(8) takes for the object: "n" is neighbour, "m" is maddress. */
const OBJECTS: readonly (readonly [ClientObject, number])[] = [
  ["link", 1],
  ["tunnel", 1],
  ["netns", 3],
  ["monitor", 2],
  ["xfrm", 1],
];

/** In ip(8)'s order, which decides what an abbreviation means: "-b" is -batch. Those without effect here are taken. */
const OPTIONS: readonly (readonly [string, (options: Options, words: Words) => void])[] = [
  ["-loops", (_, words) => void takeOr(usage, words)],
  ["-family", (options, words) => setFamily(options, takeOr(usage, words))],
  ["-human-readable", (options) => options.human = true],
  ["-iec", (options) => options.iec = true],
  ["-stats", (options) => options.stats++],
  ["-statistics", (options) => options.stats++],
  ["-details", (options) => options.details = true],
  ["-resolve", () => {}],
  ["-oneline", (options) => options.oneline = true],
  ["-timestamp", (options) => options.timestamp = "long"],
  ["-tshort", (options) => options.timestamp = "short"],
  ["-force", takeForce],
  ["-batch", takeBatch],
  ["-brief", (options) => options.brief = true],
  ["-json", (options) => options.json = true],
  ["-pretty", (options) => options.pretty = true],
  ["-rcvbuf", (_, words) => checkSize(takeOr(usage, words))],
  ["-color", (options, words) => options.color = colorOf(/=(.*)/.exec(words.last)?.[1] ?? "always")],
  ["-help", () => usage()],
  ["-netns", takeNetns],
  ["-Numeric", (options) => options.numeric = true],
  ["-all", () => {}],
];

/** What may follow -color. */
const COLOR = /^(-c\w*)=(?:auto|always|never)$/;

/** Options that have no abbreviation. */
const WHOLE: Readonly<Record<string, (options: Options) => void>> = {
  "-4": (options) => setFamily(options, "inet"),
  "-6": (options) => setFamily(options, "inet6"),
  "-0": (options) => setFamily(options, "link"),
  "-M": (options) => setFamily(options, "mpls"),
  "-B": (options) => setFamily(options, "bridge"),
  "-echo": () => {},
};

export const USAGE = `Usage: ip [ OPTIONS ] OBJECT { COMMAND | help }
       ip [ -force ] -batch FILE
where  OBJECT := { link | tunnel | xfrm | netns | monitor }
       OPTIONS := { -s[tatistics] | -d[etails] | -j[son] | -p[retty] | -o[neline] | -br[ief] |
                    -h[uman-readable] | -iec | -N[umeric] | -t[imestamp] | -ts[hort] |
                    -n[etns] NAME | -f[amily] { inet | inet6 } | -4 | -6 | --run-dir DIR }`;

/** Takes the options from the front of `words`. */
export function parseOptions(words: Words): Options {
  const options: Options = {
    details: false,
    json: false,
    pretty: false,
    brief: false,
    oneline: false,
    human: false,
    iec: false,
    color: "",
    numeric: false,
    timestamp: "",
    stats: 0,
    family: 0,
    force: false,
    given: [],
  };
  while (words.peek()?.startsWith("-") === true) {
    const start = words.position;
    const word = words.take();
    if (word === "--") break;
    if (word === "--run-dir") {
      options.runDir = words.take();
    } else if (word.startsWith("--run-dir=")) {
      options.runDir = word.slice("--run-dir=".length);
    } else {
      const name = (word.startsWith("--") ? word.slice(1) : word).replace(COLOR, "$1");
      const whole = Object.hasOwn(WHOLE, name) ? WHOLE[name] : undefined;
      const option = whole ?? OPTIONS.find(([full]) => matches(name, full))?.[1] ?? unknownOption(name);
      option(options, words);
      if (option !== takeForce && option !== takeBatch) options.given.push(...words.since(start));
    }
  }
  return options;
}

/** The object that `word` stands for; `ip link` and `ip l` are the same. */
export function findObject(word: string): ClientObject | undefined {
  if (word === "tunl") return "tunnel";
  return OBJECTS.find(([name, shortest]) => word.length >= shortest && matches(word, name))?.[0];
}

/** True when a command line is the client's: options it knows, then one of its objects; or a batch. */
export function isClientCommand(argv: readonly string[]): boolean {
  const words = new Words(argv);
  try {
    if (parseOptions(words).batch !== undefined) return true;
  } catch {
    return false;
  }
  return findObject(words.peek() ?? "") !== undefined;
}

export function unknownObject(word: string): Quit {
  return new Quit(EXIT_FAILURE, `Object "${word}" is unknown, try "ip help".`);
}

export function usage(): never {
  throw new Quit(EXIT_USAGE, USAGE);
}

function unknownOption(word: string): never {
  throw new Quit(EXIT_USAGE, `Option "${word}" is unknown, try "ip -help".`);
}

function takeNetns(options: Options, words: Words): void {
  options.netns = words.done ? "(null)" : words.take();
}

function takeForce(options: Options): void {
  options.force = true;
}

function takeBatch(options: Options, words: Words): void {
  options.batch = takeOr(usage, words);
}

function takeOr(missing: () => never, words: Words): string {
  return words.done ? missing() : words.take();
}

function checkSize(word: string): void {
  if (getU32(word) === null) throw new Quit(EXIT_USAGE, `Invalid rcvbuf size '${word}'`);
}

function setFamily(options: Options, word: string): void {
  if (word === "help") usage();
  const family = { inet: 4, inet6: 6, link: 0, mpls: 0, bridge: 0 }[word] as Family | undefined;
  if (family === undefined) throw invalidArgument("invalid protocol family", word);
  const other = { link: 17, mpls: 28, bridge: 7 }[word] as OtherFamily | undefined;
  options.family = family;
  if (other === undefined) delete options.otherFamily;
  else options.otherFamily = other;
}
