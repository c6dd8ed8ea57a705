/**
 * The client: ip(8)'s words for vti devices, tunnels, SAs, policies and namespaces, answered by the daemon.
 *
 * Only the code of the object that is asked for is loaded, so that a command starts in a few milliseconds.
 */
import { ApiClient } from "./api_client.ts";
import {
  type ClientObject,
  DEFAULT_RUN_DIR,
  findObject,
  type Options,
  parseOptions,
  unknownObject,
} from "./options.ts";
import { EXIT_USAGE, Quit } from "./quit.ts";
import { Words } from "./words.ts";

export { isClientCommand } from "./options.ts";

/** What a shell shows of a program that SIGPIPE ended, as it ends ip(8) when `head` has read enough. */
const EXIT_SIGPIPE = 128 + 13;

/** What the client needs of the process that it runs in. */
export interface ClientEnv {
  /** Directory of the daemon's socket, where the command line names none. */
  readonly runDir: string;
  stdout(text: string): void;
  stderr(text: string): void;
}

/** What a command is given. */
export interface Command {
  readonly options: Options;
  readonly words: Words;
  readonly api: ApiClient;
  /** Path of the namespace that the command is about, without a slash at its end. */
  readonly netns: string;
  print(text: string): void;
}

const USAGE = `Usage: ip [ OPTIONS ] OBJECT { COMMAND | help }
where  OBJECT := { link | tunnel | xfrm | netns | monitor }
       OPTIONS := { -s[tatistics] | -d[etails] | -j[son] | -p[retty] | -o[neline] |
                    -br[ief] | -n[etns] NAME | -f[amily] { inet | inet6 } | -4 | -6 |
                    --run-dir DIR }`;

/** Runs one command. Returns the exit code: 0, 1 found wrong here, 2 refused by the daemon, 255 words that cannot be read. */
export async function client(argv: readonly string[], env: ClientEnv = processEnv()): Promise<number> {
  try {
    const words = new Words(argv);
    const options = parseOptions(words);
    if (words.done || words.peek() === "help") throw new Quit(EXIT_USAGE, USAGE);
    const word = words.take();
    const object = findObject(word);
    if (object === undefined) throw unknownObject(word);
    await checkNetns(options);
    using api = new ApiClient(options.runDir ?? env.runDir);
    const netns = `/v1/netns/${encodeURIComponent(options.netns ?? `pid:${Deno.pid}`)}`;
    const run = await loadObject(object);
    return await run({ options, words, api, netns, print: (text) => env.stdout(text) });
  } catch (error) {
    if (!(error instanceof Quit)) throw error;
    env.stderr(`${error.message}\n`);
    return error.exitCode;
  }
}

async function loadObject(object: ClientObject): Promise<(command: Command) => Promise<number>> {
  switch (object) {
    case "link":
      return (await import("./iplink.ts")).doIplink;
    case "tunnel":
      return (await import("./iptunnel.ts")).doIptunnel;
    case "netns":
      return (await import("./ipnetns.ts")).doNetns;
    case "monitor":
      return (await import("./ipmonitor.ts")).doIpmonitor;
    case "xfrm":
      return (await import("./xfrm/ipxfrm.ts")).doXfrm;
  }
}

/** A namespace that is not there is told apart from a refusal before the daemon is asked. */
async function checkNetns(options: Options): Promise<void> {
  const { netns } = options;
  if (netns === undefined) return;
  const isName = !netns.includes("/") && netns !== "." && netns !== "..";
  if (isName && await Deno.stat(`/run/netns/${netns}`).then(() => true, () => false)) return;
  throw new Quit(EXIT_USAGE, `Cannot open network namespace "${netns}": No such file or directory`);
}

export function processEnv(): ClientEnv {
  return {
    runDir: Deno.env.get("VTI_GATEWAY_RUN_DIR") || DEFAULT_RUN_DIR,
    stdout: (text) => writeAll(Deno.stdout, text),
    stderr: (text) => writeAll(Deno.stderr, text),
  };
}

function writeAll(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  try {
    let bytes = new TextEncoder().encode(text);
    while (bytes.length > 0) bytes = bytes.subarray(stream.writeSync(bytes));
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) Deno.exit(EXIT_SIGPIPE);
    throw error;
  }
}

if (import.meta.main) Deno.exit(await client(Deno.args));
