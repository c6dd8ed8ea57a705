/**
 * The client: ip(8)'s words for vti devices, tunnels, SAs, policies and namespaces, answered by the daemon.
 *
 * Only the code of the object that is asked for is loaded, so that a command starts in a few milliseconds.
 */
import { ApiClient } from "./api_client.ts";
import type { LineResult } from "./batch.ts";
import {
  type ClientObject,
  DEFAULT_RUN_DIR,
  findObject,
  type Options,
  parseOptions,
  unknownObject,
  usage,
} from "./options.ts";
import { EXIT_USAGE, Quit } from "./quit.ts";
import { matches, Words } from "./words.ts";

export { isClientCommand } from "./options.ts";

/** What a shell shows of a program that SIGPIPE ended, as it ends ip(8) when `head` has read enough. */
const EXIT_SIGPIPE = 128 + 13;

/** What the client needs of the process that it runs in. */
export interface ClientEnv {
  /** Directory of the daemon's socket, where the command line names none. */
  readonly runDir: string;
  stdout(text: string): void;
  stderr(text: string): void;
  /** Path of bin/ip where that started the client. */
  readonly dropIn?: string;
}

/** What a command is given. */
export interface Command {
  readonly options: Options;
  readonly words: Words;
  readonly api: ApiClient;
  /** Path of the namespace that the command is about, without a slash at its end. */
  readonly netns: string;
  print(text: string): void;
  /** A line for standard error. */
  note(line: string): void;
  /** ip(8) ends here, even within a batch. */
  readonly exits?: () => void;
}

/** Runs one command, or a batch. Returns the exit code: 0, 1 found wrong here, 2 refused by the daemon, 255 words that cannot be read. */
export async function client(argv: readonly string[], env: ClientEnv = processEnv()): Promise<number> {
  try {
    const words = new Words(argv);
    const options = parseOptions(words);
    await checkNetns(options);
    using api = new ApiClient(options.runDir ?? env.runDir);
    const gateway: Gateway = {
      options,
      api,
      netns: `/v1/netns/${encodeURIComponent(options.netns ?? `pid:${Deno.pid}`)}`,
      print: (text) => env.stdout(text),
      note: (line) => env.stderr(`${line}\n`),
    };
    if (options.batch === undefined) return await runCommand(words, gateway);
    const { batch } = await import("./batch.ts");
    return await batch(options.batch, options.force, env, (line) => runLine(line, gateway, env));
  } catch (error) {
    return exitCodeOf(error, env);
  }
}

/** Prints why a command ended early. */
function exitCodeOf(error: unknown, env: ClientEnv): number {
  if (!(error instanceof Quit)) throw error;
  env.stderr(`${error.message}\n`);
  return error.exitCode;
}

type Gateway = Omit<Command, "words" | "exits">;

async function runCommand(words: Words, gateway: Gateway, exits?: () => void): Promise<number> {
  if (words.done) usage();
  const word = words.take();
  const object = findObject(word);
  if (object === undefined) {
    if (matches(word, "help")) usage();
    throw unknownObject(word);
  }
  const run = await loadObject(object);
  return await run({ ...gateway, words, ...(exits && { exits }) });
}

/** A line of a batch. Where ip(8) calls exit(3) the batch ends: for words that can't be read, and in `ip xfrm` always. */
async function runLine(line: readonly string[], gateway: Gateway, env: ClientEnv): Promise<LineResult> {
  // A line has no options of its own.
  if (env.dropIn !== undefined && !line[0]!.startsWith("-")) {
    const { isForClient, runDropIn } = await import("./drop_in.ts");
    if (!isForClient(line)) return await runDropIn(env.dropIn, gateway.options.given, line);
  }
  let ends = false;
  try {
    const exitCode = await runCommand(new Words(line), gateway, () => ends = true);
    return { exitCode, ends };
  } catch (error) {
    const exitCode = exitCodeOf(error, env);
    return { exitCode, ends: (error as Quit).exits || findObject(line[0]!) === "xfrm" };
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
  if (await hasNetns(netns)) return;
  throw new Quit(EXIT_USAGE, `Cannot open network namespace "${netns}": No such file or directory`);
}

/** True for the name of a namespace. */
export async function hasNetns(name: string): Promise<boolean> {
  if (name === "" || name.includes("/") || name === "." || name === "..") return false;
  return await Deno.stat(`/run/netns/${name}`).then(() => true, () => false);
}

export function processEnv(): ClientEnv {
  const dropIn = Deno.env.get("VTI_GATEWAY_DROP_IN");
  return {
    ...(dropIn === undefined ? {} : { dropIn }),
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
