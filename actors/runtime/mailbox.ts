/**
 * Mailboxes between threads: a MessagePort for messages, rings for parcels, counters in shared memory, and a doorbell.
 *
 * A worker never returns to its event loop, so it takes messages by receiveMessageOnPort. The counters tell it when
 * there is one, because an empty look costs 50 ns. A sender posts first, then rings only if the receiver says that
 * it sleeps; the receiver says so, looks once more, then sleeps. Whoever rings takes the flag down, so a burst rings once.
 *
 * A parcel crosses as the number of its slab. At the sender its buffer is detached first, as a transfer would do, and
 * the receiver makes one of its own over the same memory: 0.3 us where a transferred message takes 3.6.
 */
import { type MessagePort as NodeMessagePort, receiveMessageOnPort } from "node:worker_threads";
import type { Ring } from "./behaviour.ts";
import { ParcelRing } from "./parcel_ring.ts";

/**
 * Cells of one worker's block, in 32-bit words; each of the first three has a cache line (128 bytes) to itself. `thread` is
 * the number of the worker's thread, and written once.
 */
export const Cell = { sleeping: 0, stop: 32, heartbeat: 64, thread: 33 } as const;
/** Values of Cell.stop. `leave`: stop the actors, say so, go. `abandoned`: go at once and touch nothing. */
export const Stop = { run: 0, leave: 1, abandoned: 2 } as const;
/** Counters behind the cells, as float64: exact up to 2^53. */
export const STAT_NAMES = [
  "turns",
  "sleeps",
  "letters",
  "parcels",
  "parcelsLocal",
  "undelivered",
  "discarded",
] as const;
export type StatName = (typeof STAT_NAMES)[number];
export type Stats = Record<StatName, number>;

const STATS_AT = 384;

/** What a worker shares with the main thread and its peers. One per start of a worker, so a dead one keeps its own. */
export interface WorkerBlock {
  readonly cells: Int32Array<SharedArrayBuffer>;
  readonly stats: Float64Array<SharedArrayBuffer>;
}

export function makeBlock(memory = new SharedArrayBuffer(STATS_AT + STAT_NAMES.length * 8)): WorkerBlock {
  return { cells: new Int32Array(memory, 0, STATS_AT >> 2), stats: new Float64Array(memory, STATS_AT) };
}

/** One end of a channel, as it is sent to the worker that shall hold it. */
export interface LinkEnd {
  readonly port: MessagePort;
  /** Two counters of posted messages, 64 words apart. */
  readonly posted: SharedArrayBuffer;
  /** Memory of the two rings (makeRings); null for a channel without parcels. */
  readonly rings: SharedArrayBuffer | null;
  /** Which of the two counters this end increments, and which ring it fills. */
  readonly side: 0 | 1;
  /** Memory of the receiver's WorkerBlock; null for the main thread, which has an event loop. */
  readonly peer: SharedArrayBuffer | null;
  /** Doorbell of the receiver. */
  readonly peerBell: number;
}

const SIDE_WORDS = 64;

/** Memory of the two counters of a channel. */
export function makePosted(): SharedArrayBuffer {
  return new SharedArrayBuffer(2 * SIDE_WORDS * 4);
}

/** Message with a parcel that found no room in the ring. */
export interface ParcelMessage {
  readonly op: "parcel";
  readonly slab: number;
}

/** One end of a channel between two threads. Messages and parcels arrive in the order they were sent. */
export class Link {
  readonly port: MessagePort;
  readonly #posted: Int32Array;
  readonly #out: number;
  readonly #in: number;
  readonly #peer: Int32Array | null;
  readonly #bell: number;
  readonly #ring: Ring;
  readonly #parcelsOut: ParcelRing | null = null;
  readonly #parcelsIn: ParcelRing | null = null;
  #seen = 0;

  constructor(end: LinkEnd, ring: Ring) {
    this.port = end.port;
    this.#posted = new Int32Array(end.posted);
    this.#out = end.side * SIDE_WORDS;
    this.#in = (1 - end.side) * SIDE_WORDS;
    this.#peer = end.peer === null ? null : makeBlock(end.peer).cells;
    this.#bell = end.peerBell;
    this.#ring = ring;
    if (end.rings !== null) {
      this.#parcelsOut = new ParcelRing(end.rings, end.side);
      this.#parcelsIn = new ParcelRing(end.rings, 1 - end.side);
    }
  }

  /** Posts a message; everything in `transfer` is detached here. */
  post(message: unknown, transfer: Transferable[]): void {
    this.port.postMessage(message, transfer);
    Atomics.add(this.#posted, this.#out, 1);
    this.wake();
  }

  /**
   * Sends a parcel in a slab that the receiver knows.
   *   1. detach its buffer, and with it every view of this worker
   *   2. put the number of the slab in the ring; when that is full, post it
   *   3. ring
   */
  sendParcel(slab: number, buffer: ArrayBuffer): void {
    buffer.transfer(0);
    const messages = Atomics.load(this.#posted, this.#out);
    if (this.#parcelsOut!.put(slab, messages)) this.wake();
    else this.post({ op: "parcel", slab } satisfies ParcelMessage, []);
  }

  /** Slab of the next parcel, 0 when there is none, or when a message comes before it. */
  nextParcel(): number {
    return this.#parcelsIn?.take(this.#seen) ?? 0;
  }

  /** Rings if the receiver sleeps. */
  wake(): void {
    const peer = this.#peer;
    if (peer === null || Atomics.load(peer, Cell.sleeping) === 0) return;
    if (Atomics.exchange(peer, Cell.sleeping, 0) === 1) this.#ring(this.#bell);
  }

  /** True when there is something at this end that `receive` and `nextParcel` have not returned. */
  pending(): boolean {
    return this.#hasMessage() || this.#parcelsIn?.empty === false;
  }

  #hasMessage(): boolean {
    return Atomics.load(this.#posted, this.#in) !== this.#seen;
  }

  /** Next message, undefined when there is none. */
  receive(): unknown {
    if (!this.#hasMessage()) return undefined;
    const got = receiveMessageOnPort(this.port as unknown as NodeMessagePort);
    if (got === undefined) return undefined;
    this.#seen = (this.#seen + 1) | 0;
    return got.message;
  }

  close(): void {
    this.port.close();
  }
}
