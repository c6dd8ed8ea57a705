/**
 * The loop of a worker: one wait over descriptors and the doorbell, then every mailbox, then every actor to its end.
 *
 * A turn:
 *   1. wait: not at all when work is left, else until a descriptor, the doorbell or the next tick
 *   2. leave if told to
 *   3. descriptors that are ready
 *   4. mailboxes, a bounded number of messages each
 *   5. the local queue until it is empty, or the bound: a turn must end, or the heartbeat stops
 *   6. actors whose pool has buffers again, then ticks when due, then flush of the actors that were called
 * Calls never nest: what is for an actor of this worker waits in the local queue, in order.
 */
import {
  type ActorId,
  type Behaviour,
  BELL_EVENTS,
  type Context,
  KIND,
  MAIN,
  OWNER,
  type Parcel,
  type Poller,
  type Reply,
  RETURN,
  TICK_MS,
  TO,
  UNDELIVERED,
} from "./behaviour.ts";
import { BufferPool } from "./buffer_pool.ts";
import { Fifo } from "./fifo.ts";
import { Cell, type Link, STAT_NAMES, type Stats, Stop, type WorkerBlock } from "./mailbox.ts";
import { type Failure, failureOf, type Letter, type ToMain } from "./protocol.ts";
import { WatchList } from "./watch_list.ts";

/** Messages taken from one mailbox in a turn. */
const MAILBOX_BATCH = 64;
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

/** A letter on its way to an actor of this worker, in line with the parcels. */
class LocalLetter {
  constructor(readonly to: ActorId, readonly from: ActorId, readonly call: number, readonly body: unknown) {}
}

export interface ReactorParts<P extends Parcel> {
  /** Number of this worker. */
  readonly slot: number;
  /** Epoch in which it started. */
  readonly epoch: number;
  readonly block: WorkerBlock;
  /** Actor → slot + 1, 0 none; shared by all workers, written by the worker that has the actor. */
  readonly routes: Int32Array;
  readonly main: Link;
  /** Descriptor of this worker's doorbell. */
  readonly bell: number;
  readonly poller: Poller;
  readonly wrap: (buffer: ArrayBuffer) => P;
  /** Handles what the main thread says and is not a letter. */
  readonly control: (message: unknown) => void;
}

export class Reactor<P extends Parcel> {
  readonly #parts: ReactorParts<P>;
  readonly #cells: Int32Array;
  readonly #routes: Int32Array;
  /** This worker as `routes` has it. */
  readonly #here: number;
  readonly #residents = new Map<ActorId, Resident<P>>();
  /** By slot; null where no worker is up. */
  readonly #links: (Link | null)[] = [];
  readonly #queue = new Fifo<P | LocalLetter>();
  readonly #watches: WatchList<Resident<P>>;
  readonly #called: Resident<P>[] = [];
  readonly #relieved: Resident<P>[] = [];
  #epoch: number;
  #now = performance.now();
  #nextTick = 0;
  /** Actor whose call is on the stack, for the report when it throws. */
  #running: ActorId = MAIN;
  readonly #stats = Object.fromEntries(STAT_NAMES.map((name) => [name, 0])) as Stats;

  constructor(parts: ReactorParts<P>) {
    this.#parts = parts;
    this.#cells = parts.block.cells;
    this.#routes = parts.routes;
    this.#here = parts.slot + 1;
    this.#epoch = parts.epoch;
    this.#watches = new WatchList(parts.poller, BELL_TOKEN + 1);
    parts.poller.add(parts.bell, BELL_EVENTS, BELL_TOKEN);
  }

  /** True once the supervisor has given this worker up: nothing may be called, sent or watched any more. */
  get abandoned(): boolean {
    return Atomics.load(this.#cells, Cell.stop) === Stop.abandoned;
  }

  // ---- the loop ------------------------------------------------------------------------------------------------

  /** Runs until told to leave; returns what an actor threw, or null. */
  run(): Failure | null {
    try {
      while (this.turn());
      return this.abandoned ? null : this.#leave();
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
    if (this.#queue.length > 0 || this.#mail()) return poller.wait(0);
    Atomics.store(this.#cells, Cell.sleeping, 1);
    // Looked at after the flag is up: nobody rang for what was posted before.
    const timeout = this.#mail() || this.#told() ? 0 : this.#untilTick();
    if (timeout > 0) this.#stats.sleeps++;
    const events = poller.wait(timeout);
    Atomics.store(this.#cells, Cell.sleeping, 0);
    return events;
  }

  #untilTick(): number {
    return Math.max(0, Math.min(TICK_MS, Math.ceil(this.#nextTick - performance.now())));
  }

  #mail(): boolean {
    if (this.#parts.main.pending()) return true;
    for (let slot = 0; slot < this.#links.length; slot++) if (this.#links[slot]?.pending()) return true;
    return false;
  }

  #descriptors(events: number): void {
    const { poller } = this.#parts;
    for (let i = 0; i < events; i++) {
      const watch = this.#watches.find(poller.token(i));
      if (watch === undefined) continue;
      if (this.abandoned) return;
      this.#enter(watch.actor);
      watch.actor.behaviour.ready(watch.token, poller.events(i));
    }
  }

  #mailboxes(): void {
    const { main, control, wrap } = this.#parts;
    for (let n = 0; n < MAILBOX_BATCH; n++) {
      const message = main.receive();
      if (message === undefined || this.abandoned) break;
      // What the main thread asks for can be slow (an actor is made): each counts as a sign of life.
      Atomics.add(this.#cells, Cell.heartbeat, 1);
      if ((message as Letter).op === "letter") this.#letterIn(message as Letter);
      else control(message);
    }
    for (let slot = 0; slot < this.#links.length; slot++) {
      for (let n = 0; n < MAILBOX_BATCH; n++) {
        const message = this.#links[slot]?.receive();
        if (message === undefined) break;
        if (message instanceof ArrayBuffer) this.#queue.push(wrap(message));
        else this.#letterIn(message as Letter);
      }
    }
  }

  #letterIn(letter: Letter): void {
    this.#queue.push(new LocalLetter(letter.to, letter.from, letter.call, letter.body));
  }

  #localQueue(): void {
    for (let n = 0; n < QUEUE_BATCH; n++) {
      const item = this.#queue.shift();
      if (item === undefined || this.abandoned) return;
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
    if (actor === undefined) return this.#undeliverable(parcel);
    const kind = parcel.i32[KIND];
    if (kind < 0) return this.#home(actor, parcel, kind);
    this.#stats.parcels++;
    this.#enter(actor);
    actor.behaviour.parcel(parcel);
  }

  #relieve(): void {
    for (let i = 0; i < this.#relieved.length; i++) {
      if (this.abandoned) return;
      this.#enter(this.#relieved[i]);
      this.#relieved[i].behaviour.available();
    }
    this.#relieved.length = 0;
  }

  #tick(): void {
    this.#nextTick = this.#now + TICK_MS;
    for (const actor of this.#residents.values()) {
      if (this.abandoned) return;
      actor.pool?.tick(this.#now);
      this.#enter(actor);
      actor.behaviour.tick(this.#now);
    }
  }

  #flush(): void {
    for (let i = 0; i < this.#called.length; i++) {
      if (this.abandoned) return;
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
    Atomics.store(this.#routes, id, this.#here);
  }

  /** Ends an actor in order; what is still on its way to it goes home. */
  remove(id: ActorId): void {
    const actor = this.#residents.get(id);
    if (actor === undefined) return;
    Atomics.store(this.#routes, id, 0);
    this.#residents.delete(id);
    this.#watches.unwatchAll(actor);
    for (const list of [this.#called, this.#relieved]) {
      if (list.includes(actor)) list.splice(list.indexOf(actor), 1);
    }
    this.#running = id;
    actor.behaviour.stop();
  }

  /** A letter for every actor of this worker. */
  broadcast(body: unknown): void {
    for (const id of this.#residents.keys()) this.#queue.push(new LocalLetter(id, MAIN, 0, body));
  }

  /** The worker `slot` is up, or up again. */
  link(slot: number, link: Link): void {
    while (this.#links.length <= slot) this.#links.push(null);
    this.#links[slot]?.close();
    this.#links[slot] = link;
  }

  /** The worker `slot` died, and what it held is lost. */
  down(slot: number, epoch: number): void {
    this.#links[slot]?.close();
    if (slot < this.#links.length) this.#links[slot] = null;
    this.#epoch = epoch;
    for (const actor of this.#residents.values()) actor.pool?.newEpoch(epoch, this.#now);
  }

  /** Closes the channels to the peers. */
  close(): void {
    for (const link of this.#links) link?.close();
  }

  // ---- what a Context does -------------------------------------------------------------------------------------

  #contextOf(actor: Resident<P>): Context<P> {
    return {
      self: actor.id,
      now: () => this.#now,
      send: (to, message, transfer = []) => this.#send(actor.id, to, message, transfer),
      sendParcel: (parcel) => this.#sendParcel(parcel),
      give: (parcel) => this.#give(parcel),
      pool: (slabs, makeSlab, undelivered) => {
        const available = () => void this.#relieved.push(actor);
        actor.undelivered = undelivered ?? null;
        return actor.pool = new BufferPool(actor.id, slabs, makeSlab, this.#epoch, available);
      },
      watch: (fd, events, token) => {
        if (!this.abandoned) this.#watches.watch(actor, fd, events, token);
      },
      unwatch: (fd) => {
        if (!this.abandoned) this.#watches.unwatch(actor, fd);
      },
    };
  }

  #send(from: ActorId, to: ActorId, body: unknown, transfer: Transferable[]): void {
    if (this.abandoned) return;
    const letter: Letter = { op: "letter", to, from, call: 0, body };
    const route = this.#routes[to];
    if (to === MAIN) this.#parts.main.post(letter, transfer);
    else if (route === this.#here) this.#letterIn(letter);
    else this.#linkTo(route)?.post(letter, transfer);
  }

  #linkTo(route: number): Link | null {
    return this.#links[route - 1] ?? null;
  }

  #sendParcel(parcel: P): void {
    const route = this.#routes[parcel.i32[TO]];
    if (route === this.#here) {
      this.#stats.parcelsLocal++;
      this.#queue.push(parcel);
      return;
    }
    if (this.abandoned) return;
    const link = this.#linkTo(route);
    if (link === null) this.#undeliverable(parcel);
    else link.post(parcel.buffer, [parcel.buffer]);
  }

  /** Sends a parcel home that nobody can take, or drops it when its home is gone too. */
  #undeliverable(parcel: P): void {
    const { i32 } = parcel;
    const owner = i32[OWNER];
    const route = this.#routes[owner];
    const reachable = route === this.#here ? this.#residents.has(owner) : this.#linkTo(route) !== null;
    if (i32[KIND] < 0 || !reachable) {
      this.#stats.discarded++;
      return;
    }
    this.#stats.undelivered++;
    i32[TO] = owner;
    i32[KIND] = UNDELIVERED;
    this.#sendParcel(parcel);
  }

  #give(parcel: P): void {
    const { i32 } = parcel;
    const owner = this.#residents.get(i32[OWNER]);
    if (owner !== undefined) return this.#home(owner, parcel, RETURN);
    i32[TO] = i32[OWNER];
    i32[KIND] = RETURN;
    this.#sendParcel(parcel);
  }

  #home(owner: Resident<P>, parcel: P, kind: number): void {
    if (kind === UNDELIVERED && owner.undelivered !== null) {
      this.#enter(owner);
      owner.undelivered(parcel);
    }
    if (owner.pool === null || !owner.pool.home(parcel)) this.#stats.discarded++;
  }

  #tell(message: ToMain): void {
    if (!this.abandoned) this.#parts.main.post(message, []);
  }

  #replyTo(call: number): Reply {
    return (body) => this.#tell({ op: "answer", call, body });
  }

  #refuse(call: number, actor: ActorId): void {
    const message = `Cannot ask actor ${actor}: not in worker ${this.#parts.slot}`;
    this.#tell({ op: "refused", call, failure: { actor, message, stack: "" } });
  }
}

function ignoreAnswer(): void {}
