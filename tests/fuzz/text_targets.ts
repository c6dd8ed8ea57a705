/** The words of the client, and the configuration file. */
import { ConfigError, readConfigFile } from "../../daemon/config_file.ts";
import { parseDaemonOptions } from "../../daemon/options.ts";
import { type ApiRequest, ApiServer, refusal } from "../doubles/api_server.ts";
import { runAgainst } from "../doubles/run_client.ts";
import { readTranscript } from "../doubles/transcript.ts";
import { check, type Target, timedAsync } from "./fuzz.ts";
import { mutate, type Random } from "./random.ts";

const EDGES = [
  ...[
    "",
    "0",
    "-1",
    "4294967295",
    "4294967296",
    "0x",
    "0xffffffff",
    "1e3",
    "/",
    "::/0",
    "0/0",
    "any",
    "all",
    "help",
  ],
  ...[
    "default",
    "-",
    "--",
    "-j",
    "-d",
    "mark",
    "mask",
    "mode",
    "tmpl",
    "sel",
    "x".repeat(300),
    "\u0000",
    "é",
  ],
];

/** `server` answers what a daemon does not know. */
function wordsTarget(server: ApiServer, corpus: readonly (readonly string[])[]): Target {
  return {
    name: "words of the client",
    unit: "commands",
    setUp: (random) => async () => {
      const words = someWords(random, corpus);
      server.requests.length = 0;
      await timedAsync(`ip ${words.join(" ")}`, async () => {
        const { exitCode, stderr } = await runAgainst(server, words);
        const what = `ip ${JSON.stringify(words)}: exit code ${exitCode}, ${stderr.slice(0, 200)}`;
        check([0, 1, 2, 255].includes(exitCode), what);
        check(exitCode === 0 || stderr !== "", what);
        check(!/\n +at /.test(stderr), what);
      });
      parseDaemonOptions(words);
      return 1;
    },
  };
}

/** Commands of iproute2's transcripts; the API behind them refuses or answers at random. */
export async function makeWordsTarget(random: Random): Promise<Target & AsyncDisposable> {
  const names = ["errors.txt", "link_show.txt", "xfrm_show.txt", "usage_errors.txt", "policies.txt"];
  const entries = (await Promise.all(names.map(readTranscript))).flat();
  const corpus = entries.flatMap(({ words }) => words === null ? [] : [words]);
  check(corpus.length > 400, `only ${corpus.length} commands in the transcripts`);
  const server = await ApiServer.start((request) => someAnswer(random, request));
  return { ...wordsTarget(server, corpus), [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

/** Lists are empty; a thing by itself is never there. */
function someAnswer(random: Random, { method, path }: ApiRequest) {
  if (path.startsWith("/v1/events")) return { status: 200, body: "data: {}\n\n" };
  const isList = /^\/v1\/netns(\/[^/]+\/(links|xfrm\/states|xfrm\/policies))?(\?|$)/.test(path);
  if (isList && method === "GET") return { status: 200, body: [] };
  if (method === "GET" || path.includes("allocspi") || random.once(3)) {
    return refusal("ESRCH", "No such process");
  }
  return { status: 204, body: null };
}

function someWords(random: Random, corpus: readonly (readonly string[])[]): string[] {
  const words = [...random.pick(corpus)];
  for (let times = 1 + random.below(3); times > 0; times--) {
    const at = random.below(words.length + 1);
    switch (random.below(6)) {
      case 0:
        words.splice(at, 1);
        break;
      case 1:
        words.splice(at, 0, random.pick(EDGES));
        break;
      case 2:
        words[at] = random.pick(EDGES);
        break;
      case 3: // The end of another command.
        words.splice(at, words.length, ...random.pick(corpus).slice(at));
        break;
      case 4:
        words.splice(at, 0, ...words.slice(random.below(words.length + 1)));
        break;
      default:
        if (at < words.length) words[at] = damaged(random, words[at]!);
    }
  }
  return words;
}

function damaged(random: Random, text: string): string {
  const bytes = new TextEncoder().encode(text);
  const buffer = new Uint8Array(bytes.length + 32);
  buffer.set(bytes);
  return new TextDecoder().decode(buffer.subarray(0, mutate(random, buffer, bytes.length)));
}

const EXAMPLE = new URL("../../examples/gateway.toml", import.meta.url);
/** What TOML has to say that the example does not. */
const PIECES = [
  ...[
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ".",
    ",",
    '"',
    '"""',
    "'",
    "'''",
    "#",
    "\\u0000",
    "\\",
    "\r",
    "\n\n",
    "\ufeff",
  ],
  ...[
    "inf",
    "-nan",
    "0x",
    "1_0",
    "1e999",
    "1979-05-27T07:32:00Z",
    "[state]",
    "[[state]]",
    "state.a.b = 1",
    "[".repeat(2000),
  ],
  ...["9223372036854775808", '"\\ud800"', "netns = { }", "mark = { value = -1, mask = 1.5 }"],
];

/** `directory` is for the file that is read. */
export async function makeConfigTarget(directory: string): Promise<Target> {
  const example = await Deno.readTextFile(EXAMPLE);
  // Keys in the file itself, where they are checked.
  const text = example.replace(/key_file = "[^"]*"/g, `key = "0x${"11".repeat(20)}"`).replace(
    /^ *#.*$/gm,
    "",
  );
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const path = `${directory}/fuzz.toml`;
  return {
    name: "configuration files",
    unit: "files",
    setUp: (random) => async () => {
      await Deno.writeTextFile(path, someToml(random, lines));
      await timedAsync("a configuration file", async () => {
        try {
          await readConfigFile(path);
        } catch (error) {
          if (!(error instanceof ConfigError)) throw error;
          check(!error.message.includes("\n"), error.message);
        }
      });
      return 1;
    },
  };
}

function someToml(random: Random, lines: readonly string[]): string {
  const from = random.below(lines.length);
  const some = lines.slice(from, from + 1 + random.below(40));
  for (let times = random.below(4); times > 0; times--) {
    const at = random.below(some.length);
    const line = some[at]!;
    const cut = random.below(line.length + 1);
    some[at] = random.once(2)
      ? damaged(random, line)
      : line.slice(0, cut) + random.pick(PIECES) + line.slice(random.once(2) ? cut : line.length);
  }
  if (random.once(5)) some.splice(random.below(some.length), 0, random.pick(lines));
  return some.join("\n");
}
