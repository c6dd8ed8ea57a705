/**
 * What configuration files made, kept beside the gateway's state: a thing that left the file while the daemon was down
 * is still removed, and an SA that met its limit is not made again.
 */
import { sha256 } from "@noble/hashes/sha2.js";

const FILE_MODE = 0o600;
const DIR_MODE = 0o700;
const SALT_BYTES = 16;

export class OwnedByConfig {
  readonly #path: string | null;
  readonly #log: (line: string) => void;
  #salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES)).toHex();
  #owned = new Map<string, string>();

  /**
   * `path` is read when it is there; a damaged one counts as none. null: the gateway itself forgets at its end, so there
   * is nothing to remember.
   */
  constructor(path: string | null, log: (line: string) => void) {
    this.#path = path;
    this.#log = log;
    if (path === null) return;
    try {
      const { salt, owned } = JSON.parse(Deno.readTextFileSync(path));
      this.#owned = new Map(Object.entries(owned as Record<string, string>));
      this.#salt = salt;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      log(`Read ${path}: ${(error as Error).name}; what an earlier configuration made stays`);
    }
  }

  get all(): ReadonlyMap<string, string> {
    return this.#owned;
  }

  /** Stands for a definition that may hold keys. */
  readonly fingerprint = (definition: string): string => {
    return sha256(new TextEncoder().encode(this.#salt + definition)).toHex();
  };

  set(identity: string, value: string): void {
    this.#owned.set(identity, value);
  }

  delete(identity: string): void {
    this.#owned.delete(identity);
  }

  async save(): Promise<void> {
    if (this.#path === null) return;
    const text = JSON.stringify({ salt: this.#salt, owned: Object.fromEntries(this.#owned) });
    const next = `${this.#path}.new`;
    try {
      await Deno.mkdir(this.#path.replace(/\/[^/]*$/, ""), { recursive: true, mode: DIR_MODE });
      await Deno.writeTextFile(next, text, { mode: FILE_MODE });
      await Deno.rename(next, this.#path);
    } catch (error) {
      this.#log(
        `Write ${this.#path}: ${(error as Error).message}; a restart will not know what the file made`,
      );
    }
  }
}
