/**
 * Brings letters and parcels where they belong: into the queue of this worker, or through the channel to another.
 * Once the worker is abandoned nothing leaves it.
 */
import { type ActorId, KIND, MAIN, OWNER, type Parcel, TO, UNDELIVERED } from "./behaviour.ts";
import { Fifo } from "./fifo.ts";
import { Cell, type Link, type Stats, Stop } from "./mailbox.ts";
import type { Letter, ToMain } from "./protocol.ts";

/** Messages taken from one mailbox in a turn. */
export const MAILBOX_BATCH = 64;

/** A letter on its way to an actor of this worker, in line with the parcels. */
export class LocalLetter {
  constructor(readonly to: ActorId, readonly from: ActorId, readonly call: number, readonly body: unknown) {}
}

export interface RouterParts<P extends Parcel> {
  /** Number of this worker. */
  readonly slot: number;
  /** Cells of this worker's block. */
  readonly cells: Int32Array;
  /** Actor → slot + 1, 0 none; shared by all workers, written by the worker that has the actor. */
  readonly routes: Int32Array;
  readonly main: Link;
  readonly wrap: (buffer: ArrayBuffer) => P;
  readonly stats: Stats;
}

export class Router<P extends Parcel> {
  readonly #parts: RouterParts<P>;
  readonly #cells: Int32Array;
  readonly #routes: Int32Array;
  readonly #stats: Stats;
  /** This worker as `routes` has it. */
  readonly #here: number;
  /** By slot; null where no worker is up. */
  readonly #links: (Link | null)[] = [];
  /** What waits for actors of this worker. */
  readonly queue = new Fifo<P | LocalLetter>();

  constructor(parts: RouterParts<P>) {
    this.#parts = parts;
    this.#cells = parts.cells;
    this.#routes = parts.routes;
    this.#stats = parts.stats;
    this.#here = parts.slot + 1;
  }

  /** True once the supervisor has given this worker up: nothing may be called, sent or watched any more. */
  get abandoned(): boolean {
    return Atomics.load(this.#cells, Cell.stop) === Stop.abandoned;
  }

  /** Says to all workers that the actor is here. */
  arrive(actor: ActorId): void {
    Atomics.store(this.#routes, actor, this.#here);
  }

  leave(actor: ActorId): void {
    Atomics.store(this.#routes, actor, 0);
  }

  /** The worker `slot` is up, or up again. */
  link(slot: number, link: Link): void {
    while (this.#links.length <= slot) this.#links.push(null);
    this.#links[slot]?.close();
    this.#links[slot] = link;
  }

  /** The worker `slot` is gone, with what is in its channel. */
  unlink(slot: number): void {
    this.#links[slot]?.close();
    if (slot < this.#links.length) this.#links[slot] = null;
  }

  /** Closes the channels to the other workers. */
  close(): void {
    for (const link of this.#links) link?.close();
  }

  /** True when something waits in a mailbox. */
  mail(): boolean {
    if (this.#parts.main.pending()) return true;
    for (let slot = 0; slot < this.#links.length; slot++) if (this.#links[slot]?.pending()) return true;
    return false;
  }

  /** Moves what other workers sent to the queue, a bounded number from each. */
  collect(): void {
    for (let slot = 0; slot < this.#links.length; slot++) {
      for (let n = 0; n < MAILBOX_BATCH; n++) {
        const message = this.#links[slot]?.receive();
        if (message === undefined) break;
        if (message instanceof ArrayBuffer) this.queue.push(this.#parts.wrap(message));
        else this.enqueue(message as Letter);
      }
    }
  }

  /** Puts a letter for an actor of this worker in line. */
  enqueue(letter: Letter): void {
    this.queue.push(new LocalLetter(letter.to, letter.from, letter.call, letter.body));
  }

  send(from: ActorId, to: ActorId, body: unknown, transfer: Transferable[]): void {
    if (this.abandoned) return;
    const letter: Letter = { op: "letter", to, from, call: 0, body };
    const route = this.#routes[to];
    if (to === MAIN) this.#parts.main.post(letter, transfer);
    else if (route === this.#here) this.enqueue(letter);
    else this.#linkTo(route)?.post(letter, transfer);
  }

  tell(message: ToMain): void {
    if (!this.abandoned) this.#parts.main.post(message, []);
  }

  sendParcel(parcel: P): void {
    const route = this.#routes[parcel.i32[TO]];
    if (route === this.#here) {
      this.#stats.parcelsLocal++;
      this.queue.push(parcel);
      return;
    }
    if (this.abandoned) return;
    const link = this.#linkTo(route);
    if (link === null) this.undeliverable(parcel);
    else link.post(parcel.buffer, [parcel.buffer]);
  }

  /** Sends a parcel home that nobody can take, or drops it when its home is gone too. */
  undeliverable(parcel: P): void {
    const { i32 } = parcel;
    if (i32[KIND] < 0) {
      this.#stats.discarded++;
      return;
    }
    this.#stats.undelivered++;
    i32[TO] = i32[OWNER];
    i32[KIND] = UNDELIVERED;
    this.sendParcel(parcel);
  }

  #linkTo(route: number): Link | null {
    return this.#links[route - 1] ?? null;
  }
}
