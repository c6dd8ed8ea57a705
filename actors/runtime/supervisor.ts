/**
 * The main thread's side: starts workers, places actors, and replaces a worker that threw or hangs.
 *
 * What survives a worker is with the caller: `initOf` gives the current init record of an actor, from which it is made
 * again. A replaced worker keeps nothing: its block, its channels and its epoch are its own, so if it wakes late it
 * finds itself abandoned and leaves without a word.
 */
import { type ActorId, MAIN, MAX_ACTORS, type Ring } from "./behaviour.ts";
import { Directory } from "./directory.ts";
import { Incarnation, introduce, makeSeat, spawnMessage } from "./incarnation.ts";
import type { WorkerState } from "./life_cycle.ts";
import { STAT_NAMES, type Stats } from "./mailbox.ts";
import { loadOf, placeActor, type Placed, type Placement } from "./placement.ts";
import { type Failure, failureOf, type Letter } from "./protocol.ts";
import type { TimeOf } from "./pulse.ts";

/** Time between two looks at the heartbeats while a worker is awake, milliseconds. */
const CHECK_MS = 100;
/** The same while all sleep: a worker that hangs as soon as it wakes is still replaced within a second. */
const IDLE_CHECK_MS = 200;
/** Time to load the module and make the actors again. */
const START_MS = 5000;
/** Time to leave in order. */
const STOP_MS = 1000;
/** Replacements of one worker within RESTART_WINDOW_MS after which it is given up. */
const RESTARTS = 5;
const RESTART_WINDOW_MS = 10_000;
/** Time for an actor to answer. */
const ASK_MS = 5000;

export interface WorkerFailure extends Failure {
  readonly slot: number;
  readonly reason: "threw" | "hung" | "unloadable" | "slow start" | "refused";
}

export interface WorkerChange {
  readonly slot: number;
  readonly state: WorkerState;
  readonly reason: string;
}

export interface SupervisorOptions {
  /** Module of the workers; calls hostActors. */
  readonly module: URL;
  readonly placement: Placement;
  /** Makes a doorbell (eventfd, nonblocking); one per worker, kept when the worker is replaced. */
  readonly makeBell: () => number;
  readonly ring: Ring;
  readonly closeBell: (bell: number) => void;
  /** What a worker's thread, by its number, has had of the processors. */
  readonly timeOf: TimeOf;
  /** Lets a thread run only when nothing else wants a processor. */
  readonly runWhenIdle: (thread: number) => void;
  /** Current init record of an actor: when it is first made and each time it is made again. */
  readonly initOf: (actor: ActorId) => { readonly init: unknown; readonly transfer?: Transferable[] };
  /** A letter to MAIN. */
  readonly receive: (message: unknown, from: ActorId) => void;
  /** A worker changed its state. */
  readonly changed: (change: WorkerChange) => void;
  /**
   * A worker failed and is about to be replaced, or failed while stopping; or, "refused", an actor could not be made
   * again and is gone.
   */
  readonly failed: (failure: WorkerFailure) => void;
  /** A worker failed too often and stays down: the process should end, and be started anew. */
  readonly escalate: (failure: WorkerFailure) => void;
}

export interface WorkerStatus {
  readonly slot: number;
  readonly state: WorkerState;
  readonly actors: readonly ActorId[];
  readonly restarts: number;
  /** Sums since the system started. */
  readonly stats: Stats;
}

/** A place for a worker. */
interface Slot {
  readonly index: number;
  readonly bell: number;
  readonly actors: Map<ActorId, Placed>;
  current: Incarnation | null;
  load: number;
  /** When it was replaced, newest last, within RESTART_WINDOW_MS. */
  recent: number[];
  restarts: number;
  /** Sums over its former workers. */
  readonly past: number[];
  /** No worker of this slot was given up while it might still run. */
  orderly: boolean;
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #slots: Slot[] = [];
  readonly #slotOf = new Map<ActorId, Slot>();
  /** Where each group's first actor went, and how many it has. */
  readonly #homes = new Map<string, { readonly slot: number; actors: number }>();
  readonly #directory = new Directory();
  #timer: ReturnType<typeof setInterval> | undefined;
  /** Time between two looks at the heartbeats now. */
  #checkMs = 0;
  #epoch = 1;
  #checkedAt = performance.now();
  #stopping: Promise<boolean> | null = null;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    for (let index = 0; index < options.placement.workers; index++) {
      const past = STAT_NAMES.map(() => 0);
      const bell = options.makeBell();
      this.#slots.push({
        index,
        bell,
        actors: new Map(),
        current: null,
        load: 0,
        recent: [],
        restarts: 0,
        past,
        orderly: true,
      });
    }
    this.#checkEvery(CHECK_MS);
  }

  // ---- actors --------------------------------------------------------------------------------------------------

  /** Makes an actor in the worker that the placement says. Rejects with what makeBehaviour threw. */
  async spawn(actor: ActorId, placed: Placed): Promise<void> {
    if (actor <= MAIN || actor >= MAX_ACTORS) {
      throw new Error(`Cannot spawn actor ${actor}: not within 1 and ${MAX_ACTORS - 1}`);
    }
    if (this.#slotOf.has(actor)) throw new Error(`Cannot spawn actor ${actor}: it exists`);
    if (this.#stopping !== null) throw new Error(`Cannot spawn actor ${actor}: stopping`);
    const loads = this.#slots.map((slot) => slot.load);
    const home = this.#homes.get(placed.group);
    const slot = this.#slots[placeActor(this.#options.placement, loads, home?.slot)];
    if (home === undefined) this.#homes.set(placed.group, { slot: slot.index, actors: 1 });
    else home.actors++;
    slot.load += loadOf(placed);
    this.#slotOf.set(actor, slot);
    try {
      const worker = slot.current ?? this.#start(slot);
      await this.#spawnIn(worker, actor);
      slot.actors.set(actor, placed);
    } catch (error) {
      this.#forget(actor, placed);
      throw error;
    }
  }

  #spawnIn(worker: Incarnation, actor: ActorId): Promise<unknown> {
    if (!worker.live) return Promise.reject(new Error(`Cannot spawn actor ${actor}: worker ${worker.state}`));
    const { init, transfer } = this.#options.initOf(actor);
    return worker.call(spawnMessage(actor, init), transfer);
  }

  /** Stops an actor and forgets it. */
  async remove(actor: ActorId): Promise<void> {
    const slot = this.#slotOf.get(actor);
    const placed = slot?.actors.get(actor);
    if (slot === undefined || placed === undefined) return;
    // Forgotten first: a worker that fails now must not make it again.
    this.#forget(actor, placed);
    if (slot.current?.live) await slot.current.call((call) => ({ op: "remove", call, actor }));
  }

  #forget(actor: ActorId, placed: Placed): void {
    const slot = this.#slotOf.get(actor)!;
    this.#slotOf.delete(actor);
    slot.actors.delete(actor);
    slot.load -= loadOf(placed);
    const home = this.#homes.get(placed.group)!;
    if (--home.actors === 0) this.#homes.delete(placed.group);
  }

  /** Sends a letter from MAIN. Lost when the actor's worker is down. */
  send(actor: ActorId, body: unknown, transfer: Transferable[] = []): void {
    const worker = this.#slotOf.get(actor)?.current;
    if (worker?.live) worker.post({ op: "letter", to: actor, from: MAIN, call: 0, body }, transfer);
  }

  /** Sends a letter and waits for the answer. Rejects when the actor is gone, its worker fails, or time is up. */
  ask(actor: ActorId, body: unknown, timeoutMs = ASK_MS, transfer: Transferable[] = []): Promise<unknown> {
    const worker = this.#slotOf.get(actor)?.current;
    if (!worker?.live) {
      return Promise.reject(new Error(`Cannot ask actor ${actor}: ${worker?.state ?? "no such actor"}`));
    }
    const letter = (call: number): Letter => ({ op: "letter", to: actor, from: MAIN, call, body });
    return worker.call(letter, transfer, timeoutMs);
  }

  /** Sends a letter to every actor. */
  broadcast(body: unknown): void {
    for (const { current } of this.#slots) if (current?.live) current.post({ op: "broadcast", body });
  }

  // ---- workers -------------------------------------------------------------------------------------------------

  #start(slot: Slot): Incarnation {
    const { module, ring, timeOf } = this.#options;
    this.#directory.setEpoch(slot.index, this.#epoch);
    const worker = new Incarnation({
      slot: slot.index,
      epoch: this.#epoch,
      seat: makeSeat(module),
      directory: this.#directory.memory,
      bell: slot.bell,
      ring,
      timeOf,
      moved: (_, state, reason) => this.#options.changed({ slot: slot.index, state, reason }),
      letter: (letter) => this.#options.receive(letter.body, letter.from),
      failed: (worker, reason, failure) => this.#failed(slot, worker, reason, failure),
    });
    slot.current = worker;
    for (const peer of this.#slots) {
      if (peer !== slot && peer.current?.live) introduce(worker, slot.bell, peer.current, peer.bell);
    }
    this.#options.changed({ slot: slot.index, state: "starting", reason: "an actor needs it" });
    const again = [...slot.actors].map(([actor, placed]) => this.#spawnAgain(slot, worker, actor, placed));
    Promise.all([worker.started, ...again]).then(() => {
      if (worker.state !== "starting") return;
      worker.move("running", "its loop runs and its actors are made");
    });
    return worker;
  }

  /** Makes an actor again in a new worker. One that cannot be made any more is reported and forgotten. */
  async #spawnAgain(slot: Slot, worker: Incarnation, actor: ActorId, placed: Placed): Promise<void> {
    try {
      await this.#spawnIn(worker, actor);
    } catch (error) {
      // The worker failed: the next one will try again. Or the actor was removed meanwhile.
      if (!worker.live || !slot.actors.has(actor)) return;
      this.#forget(actor, placed);
      const failure = failureOf(actor, error);
      this.#options.failed({ ...failure, slot: slot.index, reason: "refused" });
    }
  }

  #checkEvery(ms: number): void {
    if (ms === this.#checkMs) return;
    clearInterval(this.#timer);
    this.#checkMs = ms;
    this.#timer = setInterval(() => this.#check(), ms);
  }

  #check(): void {
    const now = performance.now();
    // A check that comes late says that this thread did not run either: the silence of that time proves nothing.
    const elapsed = Math.min(now - this.#checkedAt, 1.5 * this.#checkMs);
    this.#checkedAt = now;
    this.#checkEvery(this.#slots.every(({ current }) => current?.asleep ?? true) ? IDLE_CHECK_MS : CHECK_MS);
    for (const slot of this.#slots) {
      const worker = slot.current;
      if (worker?.state === "starting" && worker.aged(elapsed) > START_MS) {
        this.#failed(slot, worker, "slow start", silence(`not there within ${START_MS} ms`));
      } else if (worker?.state === "running") {
        const why = worker.hangs(elapsed);
        if (why !== null) this.#failed(slot, worker, "hung", silence(why));
      }
    }
  }

  /**
   * Replaces a worker.
   *   1. abandon it: from now on it can neither send nor call; a thread that hangs can't be ended, and leaves the
   *      processors to its successor
   *   2. tell its peers: they drop what is for it, and what is in slabs of its pools; their pools write off what it held
   *   3. start another with the same actors, unless it failed too often
   */
  #failed(slot: Slot, worker: Incarnation, reason: WorkerFailure["reason"], cause: Failure): void {
    const failure: WorkerFailure = { ...cause, slot: slot.index, reason };
    if (worker.state === "stopping") this.#options.failed(failure);
    if (!worker.live) return;
    worker.move("failing", `${reason}: ${cause.message}`);
    worker.abandon(`${reason}, ${cause.message}`);
    if (reason === "hung") this.#options.runWhenIdle(worker.thread);
    worker.stats().forEach((value, i) => slot.past[i] += value);
    this.#directory.setEpoch(slot.index, 0);
    slot.orderly &&= reason === "threw" || reason === "unloadable";
    this.#epoch++;
    for (const { current } of this.#slots) {
      if (current?.live) current.post({ op: "down", slot: slot.index, epoch: this.#epoch });
    }
    const now = performance.now();
    slot.recent = slot.recent.filter((time) => now - time < RESTART_WINDOW_MS);
    if (slot.recent.length >= RESTARTS) {
      worker.move("stopped", `failed ${RESTARTS + 1} times within ${RESTART_WINDOW_MS} ms`);
      this.#options.escalate(failure);
      return;
    }
    this.#options.failed(failure);
    slot.recent.push(now);
    if (slot.actors.size === 0) {
      worker.move("stopped", "no actor needs it");
      slot.current = null;
      return;
    }
    slot.restarts++;
    worker.move("replaced", "another worker takes its place");
    this.#start(slot);
  }

  // ---- the whole -----------------------------------------------------------------------------------------------

  /** State of every worker that was ever started. */
  workers(): WorkerStatus[] {
    return this.#slots.filter((slot) => slot.current !== null).map((slot) => ({
      slot: slot.index,
      state: slot.current!.state,
      actors: [...slot.actors.keys()],
      restarts: slot.restarts,
      stats: this.#stats(slot),
    }));
  }

  #stats(slot: Slot): Stats {
    const now = slot.current!.live || slot.current!.state === "stopping" ? slot.current!.stats() : [];
    return Object.fromEntries(STAT_NAMES.map((name, i) => [name, slot.past[i] + (now[i] ?? 0)])) as Stats;
  }

  /**
   * Lets every worker stop its actors and leave, for at most STOP_MS. True: all threads are gone. False: one hangs,
   * and the process ends by Deno.exit only.
   */
  stop(): Promise<boolean> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #stopAll(): Promise<boolean> {
    clearInterval(this.#timer);
    const live = this.#slots.flatMap(({ current }) => current?.live ? [current] : []);
    for (const worker of live) {
      worker.move("stopping", "the system stops");
      worker.askToLeave();
    }
    const left = await within(STOP_MS, Promise.all(live.map((worker) => worker.left)));
    for (const worker of live) {
      worker.abandon("stopped");
      worker.move("stopped", left ? "left in order" : "its time to leave was up");
    }
    const orderly = left && this.#slots.every((slot) => slot.orderly);
    // A hung thread may still be about to ring: its bell must not become another file.
    if (orderly) this.#slots.forEach((slot) => this.#options.closeBell(slot.bell));
    return orderly;
  }
}

function silence(message: string): Failure {
  return { actor: MAIN, message, stack: "" };
}

/** True when `done` resolves within `ms`. */
async function within(ms: number, done: Promise<unknown>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<boolean>((resolve) => timer = setTimeout(() => resolve(false), ms));
  const result = await Promise.race([done.then(() => true), late]);
  clearTimeout(timer);
  return result;
}
