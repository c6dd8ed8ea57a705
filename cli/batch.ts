/** Commands of a file, one a line, as `ip -batch` reads them (iproute2 lib/utils.c do_batch(), getcmdline(), makeargs()). */
import type { ClientEnv } from "./main.ts";
import { EXIT_FAILURE, Quit } from "./quit.ts";

/** Words of a line, and one (MAX_ARGS). */
const MAX_WORDS = 512;

/** What came of a line: its exit code, and whether ip(8) itself ends there, whatever follows. */
export interface LineResult {
  readonly exitCode: number;
  readonly ends: boolean;
}

/** Runs the lines of `file` ("-": standard input). Returns the exit code: 1 when a line has failed. */
export async function batch(
  file: string,
  force: boolean,
  env: ClientEnv,
  run: (words: readonly string[]) => Promise<LineResult>,
): Promise<number> {
  let exitCode = 0;
  for await (const { text, number } of commandLines(await openLines(file), env)) {
    const words = makeargs(text);
    if (words.length === 0) continue;
    const result = await run(words);
    if (result.ends) return result.exitCode;
    if (result.exitCode === 0) continue;
    env.stderr(`Command failed ${file}:${number}\n`);
    exitCode = EXIT_FAILURE;
    if (!force) break;
  }
  return exitCode;
}

/** Words between blanks; one that begins with a quote goes to the next such quote. */
export function makeargs(line: string): string[] {
  const words: string[] = [];
  let rest = line;
  for (;;) {
    rest = rest.replace(/^[ \t\r\n]+/, "");
    if (rest === "") return words;
    if (words.length >= MAX_WORDS - 1) throw new Quit(EXIT_FAILURE, "Too many arguments to command");
    const quote = rest[0] === "'" || rest[0] === '"' ? rest[0] : "";
    const found = quote === "" ? /[ \t\r\n]/.exec(rest)?.index ?? rest.length : rest.indexOf(quote, 1);
    if (found < 0) throw new Quit(EXIT_FAILURE, "Unterminated quoted string");
    words.push(rest.slice(quote.length, found));
    rest = rest.slice(found + 1);
  }
}

/** Lines without what follows "#", joined where they end in a backslash; each with the number of its last part. */
async function* commandLines(
  lines: AsyncIterable<string>,
  env: ClientEnv,
): AsyncIterable<{ readonly text: string; readonly number: number }> {
  let number = 0;
  let pending: string | null = null;
  for await (const line of lines) {
    number++;
    const text: string = (pending ?? "") + line.replace(/#[^]*/, "");
    pending = text.endsWith("\\\n") ? text.slice(0, -2) : null;
    if (pending === null) yield { text, number };
  }
  if (pending !== null) env.stderr("Missing continuation line\n");
}

async function openLines(file: string): Promise<AsyncIterable<string>> {
  if (file === "-") return lines(Deno.stdin.readable);
  try {
    return lines((await Deno.open(file)).readable);
  } catch (error) {
    const reason = error instanceof Deno.errors.NotFound ? "No such file or directory" : "Permission denied";
    throw new Quit(EXIT_FAILURE, `Cannot open file "${file}" for reading: ${reason}`);
  }
}

/** Each with its newline; the last may have none. */
async function* lines(bytes: ReadableStream<Uint8Array>): AsyncIterable<string> {
  let pending = "";
  for await (const text of bytes.pipeThrough(new TextDecoderStream())) {
    const parts = (pending + text).split("\n");
    pending = parts.pop()!;
    for (const part of parts) yield `${part}\n`;
  }
  if (pending !== "") yield pending;
}
