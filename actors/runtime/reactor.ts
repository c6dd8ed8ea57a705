/**
 * The loop of a worker: one wait over descriptors and the doorbell, then every mailbox, then every actor to its end.
 *
 * A turn:
 *   1. wait: not at all when work is left, a fixed short time when an actor asked to linger, else until a descriptor,
 *      the doorbell or the next tick
 *   2. leave if told to
 *   3. descriptors that are ready
 *   4. mailboxes, a bounded number of messages each
 *   5. the local queue until it is empty, or the bound: a turn must end, or the heartbeat stops
 *   6. actors whose pool has buffers again, then ticks when due, then flush of the actors that were called
 * Calls never nest: what is for an actor of this worker waits in the local queue, in order.
 *
 * It does not spin before it sleeps. Spinning for 30 us halves the cost of a hop when every worker has a core to itself
 * (2.1 against 4.3 us), and doubles it when it has not (9.6 against 5.4 us), at three times the user time.
 */
import {
  type ActorId,
  type Behaviour,
  BELL_EVENTS,
  type Context,
  KIND,
  LINGER_US,
  MAIN,
  OWNER,
  type Parcel,
  type Poller,
  type Reply,
  RETURN,
  SLEEP_MS,
  TICK_MS,
  TO,
  UNDELIVERED,
} from "./behaviour.ts";
import { BufferPool } from "./buffer_pool.ts";
import { Cell, type Link, STAT_NAMES, type Stats, Stop, type WorkerBlock } from "./mailbox.ts";
import { type Failure, failureOf, type Letter } from "./protocol.ts";
import { LocalLetter, MAILBOX_BATCH, Router } from "./router.ts";
import { SlabTable, type SlabTableParts } from "./slab_table.ts";
import { WatchList } from "./watch_list.ts";

/** Calls from the local queue in a turn. */
const QUEUE_BATCH = 1024;
/** Token of the doorbell at the poller; watches have higher ones. */
const BELL_TOKEN = 0;

/** An actor as its worker keeps it. */
interface Resident<P extends Parcel> {
  readonly id: ActorId;
  behaviour: Behaviour<P>;
  pool: BufferPool<P> | null;
  undelivered: ((parcel: P) => void) | null;
  /** In the list of this turn's flushes. */
  called: boolean;
}

export interface ReactorParts<P extends Parcel> extends SlabTableParts<P> {
  readonly main: Link;
  readonly block: WorkerBlock;
  /** Descriptor of this worker's doorbell. */
  readonly bell: number;
  readonly poller: Poller;
  /** Handles what the main thread says and is not a letter. */
  readonly control: (message: unknown) => void;
}

export class Reactor<P extends Parcel> {
  readonly #parts: ReactorParts<P>;
  readonly #cells: Int32Array;
  readonly #residents = new Map<ActorId, Resident<P>>();
  readonly #watches: WatchList<Resident<P>>;
  readonly #called: Resident<P>[] = [];
  readonly #relieved: Resident<P>[] = [];
  #epoch: number;
  #now = performance.now();
  #nextTick = 0;
  /** A pool waits for buffers that may be lost. */
  #settling = false;
  /** An actor has asked to linger in this turn. */
  #linger = false;
  /** Actor whose call is on the stack, for the report when it throws. */
  #running: ActorId = MAIN;
  readonly #stats = Object.fromEntries(STAT_NAMES.map((name) => [name, 0])) as Stats;
  readonly #slabs: SlabTable<P>;
  readonly router: Router<P>;

  constructor(parts: ReactorParts<P>) {
    this.#parts = parts;
    this.#cells = parts.block.cells;
    this.#slabs = new SlabTable(parts);
    const { slot, directory, main } = parts;
    this.router = new Router({
      slot,
      directory,
      main,
      cells: this.#cells,
      slabs: this.#slabs,
      stats: this.#stats,
    });
    this.#epoch = parts.epoch;
    this.#watches = new WatchList(parts.poller, BELL_TOKEN + 1);
    parts.poller.add(parts.bell, BELL_EVENTS, BELL_TOKEN);
  }

  // ---- the loop ------------------------------------------------------------------------------------------------

  /** Runs until told to leave; returns what an actor threw, or null. */
  run(): Failure | null {
    try {
      while (this.turn());
      return this.router.abandoned ? null : this.#leave();
    } catch (error) {
      return failureOf(this.#running, error);
    }
  }

  /** One turn; false when the worker shall leave. */
  turn(): boolean {
    const events = this.#wait();
    if (this.#told()) return false;
    Atomics.add(this.#cells, Cell.heartbeat, 1);
    this.#now = performance.now();
    this.#stats.turns++;
    this.#descriptors(events);
    this.#mailboxes();
    this.#localQueue();
    this.#relieve();
    if (this.#now >= this.#nextTick) this.#tick();
    this.#flush();
    this.#publish();
    return !this.#told();
  }

  #told(): boolean {
    return Atomics.load(this.#cells, Cell.stop) !== Stop.run;
  }

  #wait(): number {
    const { poller } = this.#parts;
    const linger = this.#linger;
    this.#linger = false;
    if (this.router.queue.length > 0 || this.router.mail()) return poller.wait(0);
    if (linger) {
      poller.nap(LINGER_US);
      return poller.wait(0);
    }
    Atomics.store(this.#cells, Cell.sleeping, 1);
    // Looked at after the flag is up: nobody rang for what was posted before.
    const timeout = this.router.mail() || this.#told() ? 0 : this.#longestSleep();
    if (timeout > 0) this.#stats.sleeps++;
    const events = poller.wait(timeout);
    Atomics.store(this.#cells, Cell.sleeping, 0);
    return events;
  }

  /** To the next tick while a pool waits for what may be lost. Otherwise nothing is missed by a late one. */
  #longestSleep(): number {
    if (!this.#settling) return SLEEP_MS;
    return Math.max(0, Math.min(TICK_MS, Math.ceil(this.#nextTick - performance.now())));
  }

  #descriptors(events: number): void {
    const { poller } = this.#parts;
    for (let i = 0; i < events; i++) {
      const watch = this.#watches.find(poller.token(i));
      if (watch === undefined) continue;
      if (this.router.abandoned) return;
      this.#enter(watch.actor);
      watch.actor.behaviour.ready(watch.token, poller.events(i));
    }
  }

  #mailboxes(): void {
    const { main, control } = this.#parts;
    for (let n = 0; n < MAILBOX_BATCH; n++) {
      const message = main.receive();
      if (message === undefined || this.router.abandoned) break;
      // What the main thread asks for can be slow (an actor is made): each counts as a sign of life.
      Atomics.add(this.#cells, Cell.heartbeat, 1);
      if ((message as Letter).op === "letter") this.router.enqueue(message as Letter);
      else control(message);
    }
    this.router.collect();
  }

  #localQueue(): void {
    for (let n = 0; n < QUEUE_BATCH; n++) {
      const item = this.router.queue.shift();
      if (item === undefined || this.router.abandoned) return;
      if (item instanceof LocalLetter) this.#deliverLetter(item);
      else this.#deliverParcel(item);
    }
  }

  #deliverLetter(letter: LocalLetter): void {
    const { to, call } = letter;
    const actor = this.#residents.get(to);
    if (actor === undefined) {
      if (call !== 0) this.#refuse(call, to);
      return;
    }
    this.#stats.letters++;
    Atomics.add(this.#cells, Cell.heartbeat, 1);
    this.#enter(actor);
    actor.behaviour.receive(letter.body, letter.from, call === 0 ? ignoreAnswer : this.#replyTo(call));
  }

  #deliverParcel(parcel: P): void {
    const actor = this.#residents.get(parcel.i32[TO]);
    if (actor === undefined) return this.router.undeliverable(parcel);
    const kind = parcel.i32[KIND];
    if (kind < 0) return this.#home(actor, parcel, kind);
    this.#stats.parcels++;
    Atomics.add(this.#cells, Cell.heartbeat, 1);
    this.#enter(actor);
    actor.behaviour.parcel(parcel);
  }

  #relieve(): void {
    for (let i = 0; i < this.#relieved.length; i++) {
      if (this.router.abandoned) return;
      this.#enter(this.#relieved[i]);
      this.#relieved[i].behaviour.available();
    }
    this.#relieved.length = 0;
  }

  #tick(): void {
    this.#nextTick = this.#now + TICK_MS;
    this.#settling = false;
    for (const actor of this.#residents.values()) {
      if (this.router.abandoned) return;
      actor.pool?.tick(this.#now);
      this.#settling ||= actor.pool?.settling ?? false;
      this.#enter(actor);
      actor.behaviour.tick(this.#now);
    }
  }

  #flush(): void {
    for (let i = 0; i < this.#called.length; i++) {
      if (this.router.abandoned) return;
      const actor = this.#called[i];
      actor.called = false;
      this.#running = actor.id;
      actor.behaviour.flush();
    }
    this.#called.length = 0;
  }

  /** Notes who is called: for the report of a throw, and for the flush at the end of the turn. */
  #enter(actor: Resident<P>): void {
    this.#running = actor.id;
    if (actor.called) return;
    actor.called = true;
    this.#called.push(actor);
  }

  #publish(): void {
    const { stats } = this.#parts.block;
    for (let i = 0; i < STAT_NAMES.length; i++) stats[i] = this.#stats[STAT_NAMES[i]];
  }

  /** Stops every actor, also when one of them throws; returns the first throw. */
  #leave(): Failure | null {
    let failure: Failure | null = null;
    for (const actor of this.#residents.values()) {
      try {
        actor.behaviour.stop();
      } catch (error) {
        failure ??= failureOf(actor.id, error);
      }
    }
    this.#publish();
    return failure;
  }

  // ---- actors and peers ----------------------------------------------------------------------------------------

  /** Takes an actor in. What `make` throws is passed on, and then the worker has nothing of that actor. */
  spawn(id: ActorId, make: (context: Context<P>) => Behaviour<P>): void {
    const unborn = undefined as unknown as Behaviour<P>;
    const actor: Resident<P> = { id, behaviour: unborn, pool: null, undelivered: null, called: false };
    try {
      actor.behaviour = make(this.#contextOf(actor));
    } catch (error) {
      this.#watches.unwatchAll(actor);
      throw error;
    }
    this.#residents.set(id, actor);
    this.router.arrive(id);
  }

  /** Ends an actor in order; what is still on its way to it goes home. */
  remove(id: ActorId): void {
    const actor = this.#residents.get(id);
    if (actor === undefined) return;
    this.router.leave(id);
    this.#residents.delete(id);
    this.#watches.unwatchAll(actor);
    for (const list of [this.#called, this.#relieved]) {
      if (list.includes(actor)) list.splice(list.indexOf(actor), 1);
    }
    if (actor.pool !== null) this.router.giveUp(actor.pool.slabs());
    this.#running = id;
    actor.behaviour.stop();
  }

  /** A letter for every actor of this worker. */
  broadcast(body: unknown): void {
    for (const id of this.#residents.keys()) this.router.queue.push(new LocalLetter(id, MAIN, 0, body));
  }

  /** The worker `slot` died, and what it held is lost. */
  down(slot: number, epoch: number): void {
    this.router.unlink(slot);
    this.#epoch = epoch;
    this.#settling = true;
    for (const actor of this.#residents.values()) actor.pool?.newEpoch(epoch, this.#now);
  }

  // ---- what a Context does -------------------------------------------------------------------------------------

  #contextOf(actor: Resident<P>): Context<P> {
    return {
      self: actor.id,
      now: () => this.#now,
      send: (to, message, transfer = []) => this.router.send(actor.id, to, message, transfer),
      sendParcel: (parcel) => this.router.sendParcel(parcel),
      give: (parcel) => this.#give(parcel),
      pool: (slabs, undelivered) => {
        actor.undelivered = undelivered ?? null;
        return actor.pool = new BufferPool({
          owner: actor.id,
          slabs,
          epoch: this.#epoch,
          make: () => this.#slabs.make().wrap(),
          available: () => void this.#relieved.push(actor),
          lost: (ids) => this.router.giveUp(ids),
        });
      },
      watch: (fd, events, token) => {
        if (!this.router.abandoned) this.#watches.watch(actor, fd, events, token);
      },
      unwatch: (fd) => {
        if (!this.router.abandoned) this.#watches.unwatch(actor, fd);
      },
      linger: () => {
        this.#linger = true;
      },
    };
  }

  #give(parcel: P): void {
    const { i32 } = parcel;
    const owner = this.#residents.get(i32[OWNER]);
    if (owner !== undefined) return this.#home(owner, parcel, RETURN);
    i32[TO] = i32[OWNER];
    i32[KIND] = RETURN;
    this.router.sendParcel(parcel);
  }

  #home(owner: Resident<P>, parcel: P, kind: number): void {
    if (kind === UNDELIVERED && owner.undelivered !== null) {
      this.#enter(owner);
      owner.undelivered(parcel);
    }
    if (owner.pool === null || !owner.pool.home(parcel)) this.#stats.discarded++;
  }

  #replyTo(call: number): Reply {
    return (body) => this.router.tell({ op: "answer", call, body });
  }

  #refuse(call: number, actor: ActorId): void {
    const message = `Cannot ask actor ${actor}: not in worker ${this.#parts.slot}`;
    this.router.tell({ op: "refused", call, failure: { actor, message, stack: "" } });
  }
}

function ignoreAnswer(): void {}
