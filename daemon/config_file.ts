/**
 * The configuration file: TOML, checked as a whole, with the keys that stand in files of their own. What is wrong is
 * told as `FILE:LINE: key "…": got …, expected …`; values of secret keys are never repeated.
 */
import { dirname, resolve } from "node:path";
import { parse, TomlError } from "smol-toml";
import type { z } from "zod";
import {
  configSchema,
  type LinkEntry,
  type NetnsEntry,
  type PolicyEntry,
  type StateEntry,
} from "./config_schema.ts";
import { fileErrorReason } from "./file_error.ts";
import { TomlLines, type TomlPath } from "./toml_lines.ts";

/** An entry of the file, and where it stands. */
export interface Placed<T> {
  readonly entry: T;
  /** "FILE:LINE" of the entry, or of one of its keys ("aead.key"). */
  at(key?: string): string;
}

/** `aead.key`, `enc.key` and `auth.key` are there, wherever they came from. */
export type KeyedStateEntry = Omit<StateEntry, "aead" | "enc" | "auth"> & {
  readonly aead?: { readonly name: string; readonly key: string; readonly icv_bits: number };
  readonly enc?: { readonly name: string; readonly key: string };
  readonly auth?: { readonly name: string; readonly key: string; readonly trunc_bits?: number };
};

export interface ConfigFile {
  readonly netns: readonly Placed<NetnsEntry>[];
  readonly links: readonly Placed<LinkEntry>[];
  readonly states: readonly Placed<KeyedStateEntry>[];
  readonly policies: readonly Placed<PolicyEntry>[];
  /** What the operator should know, a line each. */
  readonly warnings: readonly string[];
}

/** What is wrong with a file, in one line. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** Reads and checks a file. Throws ConfigError for the first thing that is wrong. */
export async function readConfigFile(path: string): Promise<ConfigFile> {
  const text = await readText(path, (reason) => `Cannot read config file ${path}: ${reason}`);
  const document = parseToml(path, text);
  const lines = new TomlLines(text);
  const parsed = configSchema.safeParse(document);
  if (!parsed.success) throw new ConfigError(complaint(path, lines, document, parsed.error.issues[0]!));
  const config = parsed.data;
  function place<T>(table: string, entries: readonly T[]): Placed<T>[] {
    return entries.map((entry, i) => ({
      entry,
      at: (key) => `${path}:${lines.of([table, i, ...pathOf(key)])}`,
    }));
  }
  const warnings: string[] = [];
  const states = place("state", config.state);
  const keyed = await Promise.all(states.map((state) => withKeys(state, path, warnings)));
  if (config.state.some(({ aead, enc, auth }) => aead?.key ?? enc?.key ?? auth?.key)) {
    await warnIfOthersRead(path, warnings);
  }
  return {
    netns: place("netns", config.netns),
    links: place("link", config.link),
    states: keyed,
    policies: place("policy", config.policy),
    warnings,
  };
}

function parseToml(path: string, text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // The rest of the message shows lines of the file, and with them keys.
    const [first] = error.message.split("\n");
    throw new ConfigError(`${path}:${error.line}: ${first!.replace("Invalid TOML document", "not TOML")}`);
  }
}

// ---- what is wrong -----------------------------------------------------------------------------------------------

function complaint(file: string, lines: TomlLines, document: unknown, issue: z.core.$ZodIssue): string {
  const own = issue.path as (string | number)[];
  const path = issue.code === "unrecognized_keys" ? [...own, issue.keys[0]!] : own;
  return wrong(`${file}:${lines.of(path)}`, path, valueAt(document, path), expectation(issue));
}

function wrong(at: string, path: TomlPath, got: unknown, expected: string): string {
  return `${at}: key "${keyName(path)}": got ${shown(path, got)}, expected ${expected}`;
}

/** The key within its entry: `aead.key`, `addresses[0]`; of the document itself, its table. */
function keyName(path: TomlPath): string {
  const within = path.length > 2 ? path.slice(2) : path.slice(0, 1);
  return within.map((part, i) => typeof part === "number" ? `[${part}]` : i === 0 ? part : `.${part}`).join(
    "",
  );
}

/** Members of an algorithm that are no secret. */
const OPEN_MEMBERS: readonly unknown[] = ["name", "icv_bits", "trunc_bits", "key_file"];

function shown(path: TomlPath, value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (value instanceof Date) return "a date";
  if (typeof value === "object") return "a table";
  if (typeof value !== "string") return String(value);
  const inAlgorithm = path[0] === "state" && ALGORITHMS.some((kind) => path[2] === kind);
  if (inAlgorithm && !(path.length > 3 && OPEN_MEMBERS.includes(path.at(-1)))) return HIDDEN;
  return shownText(value);
}

const HIDDEN = "a value that is not shown";

/** A key may also stand where it does not belong. */
function shownText(text: string): string {
  return /0x[0-9a-f]{9}/i.test(text) ? HIDDEN : JSON.stringify(text);
}

/** This folder's checks say what was expected; zod's own say it after that word. */
function expectation({ message }: z.core.$ZodIssue): string {
  return /expected (.*?)(?:, received .*)?$/.exec(message)?.[1] ?? message;
}

function valueAt(value: unknown, path: TomlPath): unknown {
  return path.reduce<unknown>(
    (inner, key) => (inner as Record<string | number, unknown> | undefined)?.[key],
    value,
  );
}

function pathOf(key: string | undefined): (string | number)[] {
  if (key === undefined) return [];
  return key.split(".").map((part) => /^\d+$/.test(part) ? Number(part) : part);
}

// ---- keys --------------------------------------------------------------------------------------------------------

const ALGORITHMS = ["aead", "enc", "auth"] as const;

async function withKeys(
  { entry, at }: Placed<StateEntry>,
  config: string,
  warnings: string[],
): Promise<Placed<KeyedStateEntry>> {
  const keyed: Record<string, unknown> = { ...entry };
  for (const kind of ALGORITHMS) {
    const algorithm = entry[kind];
    if (algorithm?.key_file === undefined) continue;
    const { key_file: name, ...others } = algorithm;
    const place = `${at(`${kind}.key_file`)}: key "${kind}.key_file": got ${shownText(name)}`;
    const path = resolve(dirname(config), name);
    const key = (await readText(path, (reason) => `${place}, expected a file: ${reason}`)).trim();
    if (!/^0x(?:[0-9a-fA-F]{2})+$/.test(key)) {
      throw new ConfigError(`${place}, expected a file with 0x and an even number of hex digits`);
    }
    await warnIfOthersRead(path, warnings);
    keyed[kind] = { ...others, key };
  }
  return { entry: keyed as KeyedStateEntry, at };
}

const OTHERS_READ = 0o044;

async function warnIfOthersRead(path: string, warnings: string[]): Promise<void> {
  const { mode } = await Deno.stat(path);
  if (((mode ?? 0) & OTHERS_READ) === 0) return;
  warnings.push(`${path}: holds keys that others may read; chmod 600 ${path}`);
}

async function readText(path: string, complain: (reason: string) => string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    throw new ConfigError(complain(fileErrorReason(error)));
  }
}
