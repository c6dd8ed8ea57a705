/**
 * Bearer tokens, in two files that are read again when they have changed, so that a token is rotated by writing a file.
 *
 * `token` in the run directory is the daemon's own: it may all, and only its owner can read it. The file `tokens` in the
 * state directory has one line for each of the others, "NAME SCOPES SHA256", SCOPES with commas between, SHA256 in hex.
 * A token is 32 random bytes, so that a plain hash of it can't be searched.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { type Caller, type Scope, SCOPES } from "./caller.ts";

const TOKEN_BYTES = 32;
const TOKEN_MODE = 0o600;
/** Write by group or others: they could add a token of theirs. */
const FOREIGN_WRITE = 0o022;

/** What a token may; null for one that is not known. */
export type TokenLookup = (token: string) => Caller | null;

export interface TokenLine {
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** SHA-256 of the token. */
  readonly hash: Uint8Array;
}

/** Finds tokens in both files. `log` gets a line when a file can't be used; its tokens count no more then. */
export function tokenLookup(
  files: { readonly token: string; readonly tokens: string },
  log: (line: string) => void,
): TokenLookup {
  const own = new WatchedFile(
    files.token,
    (text) => [{ name: "token", scopes: SCOPES, hash: hash(text) }],
    log,
  );
  const others = new WatchedFile(files.tokens, parseTokens, log);
  return (token) => {
    const given = hash(token);
    // Each is compared, and in constant time: how long it takes says nothing of which one it was.
    const found = [...own.lines(), ...others.lines()].filter((line) => timingSafeEqual(line.hash, given));
    return found.length === 0 ? null : { name: found[0]!.name, scopes: new Set(found[0]!.scopes) };
  };
}

/** The lines of a tokens file; empty ones and those that begin with # are passed over. Throws with the line's number. */
export function parseTokens(text: string): TokenLine[] {
  return text.split("\n").flatMap((line, i) => {
    if (/^\s*(#|$)/.test(line)) return [];
    const [name = "", list = "", hex = "", ...more] = line.trim().split(/\s+/);
    const scopes = parseScopes(list);
    if (scopes === null || !/^[0-9a-f]{64}$/.test(hex) || more.length > 0) {
      throw new Error(`line ${i + 1} is not "NAME ${SCOPES.join(",")} SHA256"`);
    }
    return [{ name, scopes, hash: Uint8Array.fromHex(hex) }];
  });
}

/** "read,write" as scopes; null for other words. */
export function parseScopes(list: string): Scope[] | null {
  const words = list.split(",");
  return words.every((word) => (SCOPES as readonly string[]).includes(word)) ? words as Scope[] : null;
}

export function formatTokens(lines: readonly TokenLine[]): string {
  return lines.map(({ name, scopes, hash }) => `${name} ${scopes.join(",")} ${hash.toHex()}\n`).join("");
}

/** A new token, in letters that need no quotes. */
export function newToken(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(TOKEN_BYTES));
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/** SHA-256 of a token; space around it does not count. */
export function hash(token: string): Uint8Array {
  return new Uint8Array(createHash("sha256").update(token.trim()).digest());
}

/** Writes a file that only its owner reads, all of it or nothing; what had the name before keeps neither mode nor link. */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  const draft = `${path}.${crypto.randomUUID()}`;
  await Deno.writeTextFile(draft, text, { mode: TOKEN_MODE, createNew: true });
  await Deno.rename(draft, path);
}

/** The tokens of a file, as it is now. */
class WatchedFile {
  #seen = "";
  #lines: readonly TokenLine[] = [];

  constructor(
    readonly path: string,
    readonly parse: (text: string) => TokenLine[],
    readonly log: (line: string) => void,
  ) {}

  /** A stat for each request, 5 µs, so that a token that was taken away does not work once more. */
  lines(): readonly TokenLine[] {
    let info;
    try {
      info = Deno.statSync(this.path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) this.#refuse(error as Error);
      return this.#lines = [];
    }
    const { ino, size, mtime, ctime, mode } = info;
    const state = [ino, size, mtime?.getTime(), ctime?.getTime(), mode].join();
    if (state === this.#seen) return this.#lines;
    this.#seen = state;
    this.#lines = [];
    try {
      if ((mode! & FOREIGN_WRITE) !== 0) throw new Error("others than its owner can write it");
      this.#lines = this.parse(Deno.readTextFileSync(this.path));
    } catch (error) {
      this.#refuse(error as Error);
    }
    return this.#lines;
  }

  #refuse({ message }: Error): void {
    this.log(`Read tokens of ${this.path}: ${message}; none of them counts`);
  }
}
