/**
 * Brings letters and parcels where they belong: into the queue of this worker, or through the channel to another.
 * Once the worker is abandoned nothing leaves it.
 */
import { type ActorId, KIND, MAIN, OWNER, type Parcel, TO, UNDELIVERED } from "./behaviour.ts";
import type { Directory } from "./directory.ts";
import { Fifo } from "./fifo.ts";
import { Cell, type Link, type ParcelMessage, type Stats, Stop } from "./mailbox.ts";
import type { Letter, ToMain } from "./protocol.ts";
import type { Introduction, SlabTable } from "./slab_table.ts";

/** Messages and parcels taken from one mailbox in a turn. */
export const MAILBOX_BATCH = 64;

/** A letter on its way to an actor of this worker, in line with the parcels. */
export class LocalLetter {
  constructor(readonly to: ActorId, readonly from: ActorId, readonly call: number, readonly body: unknown) {}
}

/** What one worker says to another, beside what is in the rings. */
type PeerMessage = Letter | Introduction | ParcelMessage | { readonly op: "sweep" };

export interface RouterParts<P extends Parcel> {
  /** Number of this worker. */
  readonly slot: number;
  /** Cells of this worker's block. */
  readonly cells: Int32Array;
  readonly directory: Directory;
  readonly slabs: SlabTable<P>;
  readonly main: Link;
  readonly stats: Stats;
}

export class Router<P extends Parcel> {
  readonly #parts: RouterParts<P>;
  readonly #cells: Int32Array;
  readonly #directory: Directory;
  readonly #slabs: SlabTable<P>;
  readonly #stats: Stats;
  /** Slot of this worker. */
  readonly #here: number;
  /** By slot; null where no worker is up. */
  readonly #links: (Link | null)[] = [];
  /** What waits for actors of this worker. */
  readonly queue = new Fifo<P | LocalLetter>();

  constructor(parts: RouterParts<P>) {
    this.#parts = parts;
    this.#cells = parts.cells;
    this.#directory = parts.directory;
    this.#slabs = parts.slabs;
    this.#stats = parts.stats;
    this.#here = parts.slot;
  }

  /** True once the supervisor has given this worker up: nothing may be called, sent or watched any more. */
  get abandoned(): boolean {
    return Atomics.load(this.#cells, Cell.stop) === Stop.abandoned;
  }

  /** Says to all workers that the actor is here. */
  arrive(actor: ActorId): void {
    this.#directory.place(actor, this.#here);
  }

  leave(actor: ActorId): void {
    this.#directory.place(actor, -1);
  }

  /** The worker `slot` is up, or up again. */
  link(slot: number, link: Link): void {
    while (this.#links.length <= slot) this.#links.push(null);
    this.#links[slot]?.close();
    this.#links[slot] = link;
    this.#slabs.untold(slot);
  }

  /** The worker `slot` is gone, with what is in its channel. */
  unlink(slot: number): void {
    this.#links[slot]?.close();
    if (slot < this.#links.length) this.#links[slot] = null;
    this.#slabs.sweep();
  }

  /** Pools of this worker have given slabs up: no worker shall keep their memory. */
  giveUp(slabs: Iterable<number>): void {
    this.#slabs.giveUp(slabs);
    this.#slabs.sweep();
    if (this.abandoned) return;
    for (const link of this.#links) link?.post({ op: "sweep" }, []);
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
      const link = this.#links[slot];
      if (link === null) continue;
      for (let n = 0; n < MAILBOX_BATCH && this.#collectFrom(link, slot); n++);
    }
  }

  /** Takes one parcel or message; false when there is none. */
  #collectFrom(link: Link, slot: number): boolean {
    const slab = link.nextParcel();
    if (slab !== 0) {
      this.#arrived(slab);
      return true;
    }
    const message = link.receive() as PeerMessage | undefined;
    if (message === undefined) return false;
    if (message.op === "letter") this.enqueue(message);
    else if (message.op === "slab") this.#slabs.learn(message, slot);
    else if (message.op === "parcel") this.#arrived(message.slab);
    else this.#slabs.sweep();
    return true;
  }

  #arrived(slab: number): void {
    const parcel = this.#slabs.wrap(slab);
    if (parcel === null) this.#stats.discarded++;
    else this.queue.push(parcel);
  }

  /** Puts a letter for an actor of this worker in line. */
  enqueue(letter: Letter): void {
    this.queue.push(new LocalLetter(letter.to, letter.from, letter.call, letter.body));
  }

  send(from: ActorId, to: ActorId, body: unknown, transfer: Transferable[]): void {
    if (this.abandoned) return;
    const letter: Letter = { op: "letter", to, from, call: 0, body };
    const slot = this.#directory.slotOf(to);
    if (to === MAIN) this.#parts.main.post(letter, transfer);
    else if (slot === this.#here) this.enqueue(letter);
    else this.#links[slot]?.post(letter, transfer);
  }

  tell(message: ToMain): void {
    if (!this.abandoned) this.#parts.main.post(message, []);
  }

  sendParcel(parcel: P): void {
    const slot = this.#directory.slotOf(parcel.i32[TO]);
    if (slot === this.#here) {
      this.#stats.parcelsLocal++;
      this.queue.push(parcel);
      return;
    }
    if (this.abandoned) return;
    const link = this.#links[slot] ?? null;
    if (link === null) this.undeliverable(parcel);
    else this.#pass(parcel, slot, link);
  }

  /** To another worker, which is told of the slab first. One that is nobody's any more goes nowhere. */
  #pass({ slab, buffer }: P, slot: number, link: Link): void {
    if (!this.#slabs.maySend(slab.id)) {
      this.#stats.discarded++;
      return;
    }
    const introduction = this.#slabs.introduction(slab.id, slot);
    if (introduction !== null) link.post(introduction, []);
    link.sendParcel(slab.id, buffer);
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
}
