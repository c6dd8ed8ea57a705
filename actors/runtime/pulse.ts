/**
 * Tells a worker that hangs from one that gets no processor: by its heartbeat, and by what its thread has had of the
 * processors meanwhile. Time in which it waited for one proves nothing.
 */
import { Cell } from "./mailbox.ts";

/** What a thread has had of the processors (ffi/thread_time.ts). */
export interface ThreadTime {
  /** Time that it has run, milliseconds. */
  readonly ranMs: number;
  /** It runs, or waits for a processor; otherwise it sleeps in a call. */
  readonly runnable: boolean;
}

/** Null when nothing is known of the thread. */
export type TimeOf = (thread: number) => ThreadTime | null;

/** Silence of a worker that is awake after which it may hang, milliseconds. */
const SILENT_MS = 350;
/**
 * It does when it has run for as long meanwhile, milliseconds: a batch takes 6 in pure JavaScript, the slowest there is, and
 * a collection of garbage 40. More would be slow to come by beside others.
 */
const RAN_MS = 60;
/** Or when it slept in a call for as long. With the replacement either must stay below 1 s in all. */
const SLEPT_MS = 450;

export class Pulse {
  readonly #cells: Int32Array;
  readonly #timeOf: TimeOf;
  #beat = 0;
  /** At the last look; null when it had nothing to do then. */
  #time: ThreadTime | null = null;
  // Since the heartbeat was first seen.
  #silentMs = 0;
  #ranMs = 0;
  #sleptMs = 0;

  /** `cells` are of the worker's block. */
  constructor(cells: Int32Array, timeOf: TimeOf) {
    this.#cells = cells;
    this.#timeOf = timeOf;
  }

  /** Why the worker hangs, or null, when `elapsedMs` passed since the last look. */
  look(elapsedMs: number): string | null {
    const before = this.#time;
    const beat = Atomics.load(this.#cells, Cell.heartbeat);
    const asleep = Atomics.load(this.#cells, Cell.sleeping) === 1;
    this.#time = asleep ? null : this.#timeOf(Atomics.load(this.#cells, Cell.thread));
    if (asleep || beat !== this.#beat) this.#silentMs = this.#ranMs = this.#sleptMs = 0;
    else this.#count(elapsedMs, before, this.#time);
    this.#beat = beat;
    if (this.#silentMs > SILENT_MS && this.#ranMs > RAN_MS) {
      return `no heartbeat for ${SILENT_MS} ms, in which it ran`;
    }
    if (this.#sleptMs > SLEPT_MS) return `no heartbeat for ${SLEPT_MS} ms, in which it slept in a call`;
    return null;
  }

  /** Another look at the same heartbeat. */
  #count(elapsedMs: number, before: ThreadTime | null, now: ThreadTime | null): void {
    this.#silentMs += elapsedMs;
    if (now === null || !now.runnable) this.#sleptMs += elapsedMs;
    else if (before !== null) this.#ranMs += now.ranMs - before.ranMs;
  }
}
