/**
 * A thread that writes to the store, so that nobody else waits for a disk that hangs: the main thread waits as long as
 * it likes, and no longer. One write at a time.
 */
import type { Changes } from "./database.ts";

/** What became of a write. */
export type Outcome = "under way" | "done" | Error;

/** Something that writes, one transaction at a time. */
export interface Disk {
  /** Begins to write. The write before must have an outcome. */
  begin(changes: Changes): void;
  /** What has become of the write, after at most `waitMs`. An Error when nothing of it is there. */
  outcome(waitMs: number): Outcome;
  /** Lets the store go; a write that is under way is left to itself. */
  close(): void;
}

/** Words shared with the thread: what it has come to, then the length of a message; then the message's bytes. */
export const WORD_ANSWER = 0;
export const WORD_LENGTH = 1;
export const MESSAGE_AT = 8;
export const MESSAGE_BYTES = 1024;
/** Values of WORD_ANSWER. */
export const WORKING = 0;
export const DONE = 1;
export const FAILED = 2;

/** Asked of the thread: to open the store, to write to it, to let it go. */
export type DiskRequest =
  | { readonly open: string; readonly shared: SharedArrayBuffer }
  | { readonly write: Changes }
  | { readonly close: true };

/** Milliseconds for the thread to open the store, and to let it go. */
const OPEN_MS = 10_000;
const CLOSE_MS = 1000;

export class DiskThread implements Disk {
  readonly #shared = new SharedArrayBuffer(MESSAGE_AT + MESSAGE_BYTES);
  readonly #words = new Int32Array(this.#shared);
  readonly #worker = new Worker(new URL("./disk_main.ts", import.meta.url), { type: "module" });

  /** Opens the store at `path`, which nobody else may have open. Throws an Error when it can't be opened. */
  constructor(path: string) {
    // A thread that fails answers no more, as a disk that hangs.
    this.#worker.onerror = (event) => event.preventDefault();
    this.#ask({ open: path, shared: this.#shared });
    const opened = this.outcome(OPEN_MS);
    if (opened === "done") return;
    this.#worker.terminate();
    throw opened === "under way" ? new Error(`Open ${path}: the disk does not answer`) : opened;
  }

  begin(changes: Changes): void {
    this.#ask({ write: changes });
  }

  #ask(request: DiskRequest): void {
    this.#words[WORD_ANSWER] = WORKING;
    this.#worker.postMessage(request);
  }

  outcome(waitMs: number): Outcome {
    Atomics.wait(this.#words, WORD_ANSWER, WORKING, waitMs);
    const answer = Atomics.load(this.#words, WORD_ANSWER);
    if (answer === WORKING) return "under way";
    if (answer === DONE) return "done";
    const bytes = new Uint8Array(this.#shared, MESSAGE_AT, this.#words[WORD_LENGTH]).slice();
    return new Error(new TextDecoder().decode(bytes));
  }

  close(): void {
    if (this.outcome(0) !== "under way") {
      this.#ask({ close: true });
      this.outcome(CLOSE_MS);
    }
    this.#worker.terminate();
  }
}
