/** The options before the object, with ip(8)'s abbreviations, and the objects of this client. */
import type { Family } from "./address.ts";
import { EXIT_FAILURE, EXIT_USAGE, invalidArgument, Quit } from "./quit.ts";
import { matches, Words } from "./words.ts";

export const DEFAULT_RUN_DIR = "/run/vti-gateway";

export interface Options {
  /** -d: what only a look at the driver shows. */
  details: boolean;
  json: boolean;
  pretty: boolean;
  brief: boolean;
  oneline: boolean;
  /** How often -s was given: 1 counters, 2 error counters, 3 drops by cause. */
  stats: number;
  family: Family;
  /** -n: a name under /run/netns. Absent: the caller's own namespace. */
  netns?: string;
  runDir?: string;
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

/** In ip(8)'s order, which decides what an abbreviation means: "-b" is -batch, which a client of a daemon lacks. */
const OPTIONS: readonly (readonly [string, (options: Options, words: Words) => void])[] = [
  ["-family", (options, words) => options.family = parseFamily(words.take())],
  ["-4", (options) => options.family = 4],
  ["-6", (options) => options.family = 6],
  ["-stats", (options) => options.stats++],
  ["-statistics", (options) => options.stats++],
  ["-details", (options) => options.details = true],
  ["-oneline", (options) => options.oneline = true],
  ["-batch", (_, words) => unknownOption(words.last)],
  ["-brief", (options) => options.brief = true],
  ["-json", (options) => options.json = true],
  ["-color", () => {}],
  ["-netns", (options, words) => options.netns = words.take()],
  ["-pretty", (options) => options.pretty = true],
];

/** Takes the options from the front of `words`. */
export function parseOptions(words: Words): Options {
  const options: Options = {
    details: false,
    json: false,
    pretty: false,
    brief: false,
    oneline: false,
    stats: 0,
    family: 0,
  };
  while (words.peek()?.startsWith("-") === true) {
    const word = words.take();
    if (word === "--") break;
    if (word === "--run-dir") {
      options.runDir = words.take();
    } else if (word.startsWith("--run-dir=")) {
      options.runDir = word.slice("--run-dir=".length);
    } else {
      const name = (word.startsWith("--") ? word.slice(1) : word).replace(/^(-c\w*)=.*/, "$1");
      const option = OPTIONS.find(([full]) => matches(name, full)) ?? unknownOption(word);
      option[1](options, words);
    }
  }
  return options;
}

/** The object that `word` stands for; `ip link` and `ip l` are the same. */
export function findObject(word: string): ClientObject | undefined {
  if (word === "tunl") return "tunnel";
  return OBJECTS.find(([name, shortest]) => word.length >= shortest && matches(word, name))?.[0];
}

/** True when a command line is the client's: options it knows, then one of its objects. */
export function isClientCommand(argv: readonly string[]): boolean {
  const words = new Words(argv);
  try {
    parseOptions(words);
  } catch {
    return false;
  }
  return findObject(words.peek() ?? "") !== undefined;
}

export function unknownObject(word: string): Quit {
  return new Quit(EXIT_FAILURE, `Object "${word}" is unknown, try "ip help".`);
}

function unknownOption(word: string): never {
  throw new Quit(EXIT_USAGE, `Option "${word}" is unknown, try "ip -help".`);
}

function parseFamily(word: string): Family {
  if (word === "inet") return 4;
  if (word === "inet6") return 6;
  throw invalidArgument("invalid protocol family", word);
}
