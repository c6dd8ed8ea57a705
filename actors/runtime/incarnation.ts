/** One start of a worker, as the main thread sees it. */
import type { ActorId, Ring } from "./behaviour.ts";
import { mayMove, type WorkerState } from "./life_cycle.ts";
import {
  Cell,
  Link,
  type LinkEnd,
  makeBlock,
  makePosted,
  STAT_NAMES,
  Stop,
  type WorkerBlock,
} from "./mailbox.ts";
import { makeRings } from "./parcel_ring.ts";
import type { Failure, Init, Letter, ToMain, ToWorker } from "./protocol.ts";
import { Pulse, type TimeOf } from "./pulse.ts";

/** A thread whose module is loaded or being loaded, and that has no place yet. */
export interface Seat {
  readonly worker: Worker;
  /** Resolves when the module can take the first message; rejects with what it threw. */
  readonly loaded: Promise<void>;
}

export function makeSeat(module: URL): Seat {
  const worker = new Worker(module, { type: "module" });
  const loaded = new Promise<void>((resolve, reject) => {
    worker.onmessage = () => resolve();
    worker.onerror = (event) => {
      // Without this an error in a worker ends the process.
      event.preventDefault();
      reject(new Error(event.message));
    };
  });
  // Reported to whoever waits for the worker, and to nobody else.
  loaded.catch(() => {});
  return { worker, loaded };
}

export interface IncarnationParts {
  readonly slot: number;
  readonly epoch: number;
  readonly seat: Seat;
  /** Memory of the Directory. */
  readonly directory: SharedArrayBuffer;
  readonly bell: number;
  readonly ring: Ring;
  readonly timeOf: TimeOf;
  readonly moved: (incarnation: Incarnation, state: WorkerState, reason: string) => void;
  readonly letter: (letter: Letter) => void;
  readonly failed: (incarnation: Incarnation, reason: "threw" | "unloadable", failure: Failure) => void;
}

interface Call {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: ReturnType<typeof setTimeout> | undefined;
}

export class Incarnation {
  readonly slot: number;
  readonly block: WorkerBlock = makeBlock();
  state: WorkerState = "starting";
  #ageMs = 0;
  readonly #pulse: Pulse;
  /** Resolves when the loop runs. */
  readonly started: Promise<void>;
  /** Resolves when the worker left, in order or because an actor threw. */
  readonly left: Promise<void>;
  readonly #parts: IncarnationParts;
  readonly #link: Link;
  readonly #calls = new Map<number, Call>();
  #nextCall = 1;
  #start!: () => void;
  #leave!: () => void;

  constructor(parts: IncarnationParts) {
    this.#parts = parts;
    this.slot = parts.slot;
    this.#pulse = new Pulse(this.block.cells, parts.timeOf);
    this.started = new Promise((resolve) => this.#start = resolve);
    this.left = new Promise((resolve) => this.#leave = resolve);
    const channel = new MessageChannel();
    const posted = makePosted();
    this.#link = new Link(
      { port: channel.port1, posted, rings: null, side: 0, peer: this.memory, peerBell: parts.bell },
      parts.ring,
    );
    channel.port1.onmessage = (event) => this.#hear(event.data as ToMain);
    const main: LinkEnd = { port: channel.port2, posted, rings: null, side: 1, peer: null, peerBell: -1 };
    this.#begin(main);
  }

  get memory(): SharedArrayBuffer {
    return this.block.cells.buffer;
  }

  get live(): boolean {
    return this.state === "starting" || this.state === "running";
  }

  /** Waits for the module, then sends the first message. What is posted meanwhile waits in the channel. */
  #begin(main: LinkEnd): void {
    const { slot, epoch, seat, directory, bell } = this.#parts;
    const init: Init = { op: "init", slot, epoch, block: this.memory, directory, bell, main };
    const unloadable = (message: string) => {
      this.#parts.failed(this, "unloadable", { actor: 0, message, stack: "" });
    };
    seat.loaded.then(() => {
      if (!this.live) return;
      seat.worker.onerror = (event) => {
        event.preventDefault();
        unloadable(event.message);
      };
      seat.worker.postMessage(init, [main.port]);
    }, (error: Error) => unloadable(error.message));
  }

  #hear(message: ToMain): void {
    switch (message.op) {
      case "letter":
        this.#parts.letter(message);
        break;
      case "running":
        this.#start();
        break;
      case "answer":
        this.#settle(message.call)?.resolve(message.body);
        break;
      case "refused":
        this.#settle(message.call)?.reject(
          Object.assign(new Error(message.failure.message), message.failure),
        );
        break;
      case "failed":
        this.#leave();
        this.#parts.failed(this, "threw", message.failure);
        break;
      case "stopped":
        this.#leave();
        break;
    }
  }

  /** Changes the state; a move that the table does not have is a bug of the supervisor. */
  move(state: WorkerState, reason: string): void {
    if (!mayMove(this.state, state)) {
      throw new Error(`Cannot move worker ${this.slot} to ${state}: ${this.state}`);
    }
    this.state = state;
    this.#parts.moved(this, state, reason);
  }

  post(message: ToWorker | Letter, transfer: Transferable[] = []): void {
    this.#link.post(message, transfer);
  }

  /** Posts a message that is answered. Rejects when refused, when the worker fails, or after `timeoutMs`. */
  call(
    make: (call: number) => ToWorker | Letter,
    transfer: Transferable[] = [],
    timeoutMs?: number,
  ): Promise<unknown> {
    const id = this.#nextCall++;
    return new Promise((resolve, reject) => {
      const timer = timeoutMs === undefined ? undefined : setTimeout(() => {
        this.#calls.delete(id);
        reject(new Error(`Cannot ask worker ${this.slot}: no answer within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#calls.set(id, { resolve, reject, timer });
      this.post(make(id), transfer);
    });
  }

  #settle(id: number): Call | undefined {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    if (call?.timer !== undefined) clearTimeout(call.timer);
    return call;
  }

  /** Asks the worker to leave in order. */
  askToLeave(): void {
    Atomics.store(this.block.cells, Cell.stop, Stop.leave);
    this.#link.wake();
  }

  /** Gives the worker up: whatever it still does, it sends nothing from now on and leaves when it next looks. */
  abandon(why: string): void {
    Atomics.store(this.block.cells, Cell.stop, Stop.abandoned);
    this.#link.wake();
    this.#link.close();
    this.#parts.seat.worker.terminate();
    for (const id of [...this.#calls.keys()]) {
      this.#settle(id)!.reject(new Error(`Cannot ask worker ${this.slot}: ${why}`));
    }
  }

  /** Number of its thread, 0 before it runs. */
  get thread(): number {
    return Atomics.load(this.block.cells, Cell.thread);
  }

  /** Adds to the age, and returns it, milliseconds. */
  aged(elapsedMs: number): number {
    return this.#ageMs += elapsedMs;
  }

  /** Nothing has woken it: it will by itself within SLEEP_MS. */
  get asleep(): boolean {
    return Atomics.load(this.block.cells, Cell.sleeping) === 1;
  }

  /** Why it hangs, or null, when `elapsedMs` passed since the last call. */
  hangs(elapsedMs: number): string | null {
    return this.#pulse.look(elapsedMs);
  }

  /** Counters of the block, in the order of STAT_NAMES. */
  stats(): number[] {
    return STAT_NAMES.map((_, i) => this.block.stats[i]);
  }
}

/** Makes a channel between two workers and sends each its end. */
export function introduce(a: Incarnation, aBell: number, b: Incarnation, bBell: number): void {
  const channel = new MessageChannel();
  const posted = makePosted();
  const rings = makeRings();
  const toA: LinkEnd = { port: channel.port1, posted, rings, side: 0, peer: b.memory, peerBell: bBell };
  const toB: LinkEnd = { port: channel.port2, posted, rings, side: 1, peer: a.memory, peerBell: aBell };
  a.post({ op: "link", slot: b.slot, end: toA }, [channel.port1]);
  b.post({ op: "link", slot: a.slot, end: toB }, [channel.port2]);
}

export type SpawnMessage = Extract<ToWorker, { op: "spawn" }>;

export function spawnMessage(actor: ActorId, init: unknown): (call: number) => SpawnMessage {
  return (call) => ({ op: "spawn", call, actor, init });
}
