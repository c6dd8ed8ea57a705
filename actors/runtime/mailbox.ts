/**
 * Mailboxes between threads: a MessagePort for letters, a ring in shared memory for parcels, and a doorbell.
 *
 * A worker never returns to its event loop, so it takes letters by receiveMessageOnPort. A counter tells it when
 * there is one, because an empty look costs 50 ns. A sender posts first, then rings only if the receiver says that
 * it sleeps; the receiver says so, looks once more, then sleeps. Whoever rings takes the flag down, so a burst rings once.
 *
 * A parcel's buffer is shared memory, which the port brings to the other side once; from then on its number in the
 * ring is enough. A parcel sent after a letter arrives after it.
 */
import { type MessagePort as NodeMessagePort, receiveMessageOnPort } from "node:worker_threads";
import type { Parcel, Ring } from "./behaviour.ts";

/** Cells of one worker's block, in 32-bit words; each of the first three has a cache line (128 bytes) to itself. */
export const Cell = { sleeping: 0, stop: 32, heartbeat: 64 } as const;
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
  /** Which of the two counters this end increments, and which ring it fills. */
  readonly side: 0 | 1;
  /** Memory of the two rings (makeRings); null for a channel without parcels. */
  readonly rings: SharedArrayBuffer | null;
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

/** Parcels in one direction at the most: more than any but thousands of tunnels have. A power of two. */
const RING_PARCELS = 8192;
/** Words of a ring: parcels ever put in, parcels ever taken out, then two words a parcel. Counts wrap. */
const PUT = 0;
const TAKEN = 32;
const ENTRIES = 64;
/** Of an entry: number of the slab, and letters posted before it. */
const ENTRY_WORDS = 2;
const RING_WORDS = ENTRIES + RING_PARCELS * ENTRY_WORDS;

/** Memory of the rings of a channel, one for each direction. */
export function makeRings(): SharedArrayBuffer {
  return new SharedArrayBuffer(2 * RING_WORDS * 4);
}

/** By the port, before the first parcel in this buffer. */
export interface Introduction {
  readonly op: "slab";
  readonly slab: number;
  readonly buffer: SharedArrayBuffer;
}

/** By the port: these buffers were written off. A parcel in one that still comes is nobody's. */
export interface Forget {
  readonly op: "forget";
  readonly slabs: readonly number[];
}

/** One end of a channel between two threads. */
export class Link {
  readonly port: MessagePort;
  readonly #posted: Int32Array;
  readonly #out: number;
  readonly #in: number;
  readonly #peer: Int32Array | null;
  readonly #bell: number;
  readonly #ring: Ring;
  readonly #ringOut: Int32Array | null = null;
  readonly #ringIn: Int32Array | null = null;
  /** Buffers that the other side knows. */
  readonly #introduced = new Set<number>();
  #seen = 0;
  #put = 0;
  #taken = 0;

  constructor(end: LinkEnd, ring: Ring) {
    this.port = end.port;
    this.#posted = new Int32Array(end.posted);
    this.#out = end.side * SIDE_WORDS;
    this.#in = (1 - end.side) * SIDE_WORDS;
    this.#peer = end.peer === null ? null : makeBlock(end.peer).cells;
    this.#bell = end.peerBell;
    this.#ring = ring;
    if (end.rings !== null) {
      this.#ringOut = new Int32Array(end.rings, end.side * RING_WORDS * 4, RING_WORDS);
      this.#ringIn = new Int32Array(end.rings, (1 - end.side) * RING_WORDS * 4, RING_WORDS);
    }
  }

  /** Posts a message; everything in `transfer` is detached here. */
  post(message: unknown, transfer: Transferable[]): void {
    this.port.postMessage(message, transfer);
    Atomics.add(this.#posted, this.#out, 1);
    this.wake();
  }

  /** Sends a parcel. False when there is no room, or its buffer is not shared memory. */
  sendParcel(parcel: Parcel): boolean {
    const ring = this.#ringOut;
    if (ring === null || (this.#put - Atomics.load(ring, TAKEN) | 0) >= RING_PARCELS) return false;
    if (!this.#introduced.has(parcel.slab) && !this.#introduce(parcel)) return false;
    const at = ENTRIES + (this.#put & RING_PARCELS - 1) * ENTRY_WORDS;
    ring[at] = parcel.slab;
    ring[at + 1] = Atomics.load(this.#posted, this.#out);
    this.#put = this.#put + 1 | 0;
    Atomics.store(ring, PUT, this.#put);
    this.wake();
    return true;
  }

  #introduce({ slab, buffer }: Parcel): boolean {
    if (!(buffer instanceof SharedArrayBuffer)) return false;
    const introduction: Introduction = { op: "slab", slab, buffer };
    this.post(introduction, []);
    this.#introduced.add(slab);
    return true;
  }

  /** Tells the other side that it need not know these buffers any longer. */
  forget(slabs: readonly number[]): void {
    for (const slab of slabs) this.#introduced.delete(slab);
    const message: Forget = { op: "forget", slabs };
    this.post(message, []);
  }

  /** Slab of the next parcel, 0 when there is none, or when letters before it have not been received. */
  nextSlab(): number {
    const ring = this.#ringIn;
    if (ring === null || Atomics.load(ring, PUT) === this.#taken) return 0;
    const at = ENTRIES + (this.#taken & RING_PARCELS - 1) * ENTRY_WORDS;
    if ((ring[at + 1] - this.#seen | 0) > 0) return 0;
    const slab = ring[at];
    this.#taken = this.#taken + 1 | 0;
    Atomics.store(ring, TAKEN, this.#taken);
    return slab;
  }

  /** Rings if the receiver sleeps. */
  wake(): void {
    const peer = this.#peer;
    if (peer === null || Atomics.load(peer, Cell.sleeping) === 0) return;
    if (Atomics.exchange(peer, Cell.sleeping, 0) === 1) this.#ring(this.#bell);
  }

  /** True when there is something at this end that `receive` and `nextSlab` have not returned. */
  pending(): boolean {
    return this.#hasLetter() || (this.#ringIn !== null && Atomics.load(this.#ringIn, PUT) !== this.#taken);
  }

  #hasLetter(): boolean {
    return Atomics.load(this.#posted, this.#in) !== this.#seen;
  }

  /** Next letter or introduction, undefined when there is none. */
  receive(): unknown {
    if (!this.#hasLetter()) return undefined;
    const got = receiveMessageOnPort(this.port as unknown as NodeMessagePort);
    if (got === undefined) return undefined;
    this.#seen = (this.#seen + 1) | 0;
    return got.message;
  }

  close(): void {
    this.port.close();
  }
}
