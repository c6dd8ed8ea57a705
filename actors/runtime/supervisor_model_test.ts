/**
 * The real supervisor under every interleaving of a small world: workers that load, answer, throw or fall silent,
 * messages that are under way, actors that come and go, the end. Threads, channels and time are the test's.
 */
import assert from "node:assert/strict";
import { Cell, Stop } from "./mailbox.ts";
import type { Init, Letter, ToMain, ToWorker } from "./protocol.ts";
import { Supervisor } from "./supervisor.ts";

/** Events of one history. */
const DEPTH = 5;
const CHECK_MS = 100;
/** Looks at the heartbeats that are enough to find a silent worker, and one that does not start. */
const SILENCE_CHECKS = 7;
const START_CHECKS = 52;

/** A worker runs, with one actor. */
const RUNNING = ["spawn", "load", "tell", "hear", "tell"] as const;
const EVENTS = ["load", "hear", "tell", "throw", "silence", "slow", "spawn", "remove", "stop"] as const;
type Event = (typeof EVENTS)[number];

/** A port whose messages wait until the test has them arrive. */
class Port {
  peer!: Port;
  closed = false;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  readonly waiting: unknown[] = [];

  postMessage(message: unknown): void {
    if (!this.closed && !this.peer.closed) this.peer.waiting.push(message);
  }

  /** Has the next message arrive; false when there is none. */
  arrive(): boolean {
    if (this.closed || this.waiting.length === 0) return false;
    this.onmessage!({ data: this.waiting.shift() });
    return true;
  }

  close(): void {
    this.closed = true;
  }
}

class Channel {
  readonly port1 = new Port();
  readonly port2 = new Port();
  constructor() {
    [this.port1.peer, this.port2.peer] = [this.port2, this.port1];
  }
}

/** A thread, as its module would be. */
class Thread {
  static all: Thread[] = [];
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onerror: unknown = null;
  loaded = false;
  terminated = false;
  ended = false;
  port: Port | null = null;
  readonly actors: number[] = [];
  #cells!: Int32Array;

  constructor() {
    Thread.all.push(this);
  }

  /** The first message. */
  postMessage(init: Init): void {
    this.port = init.main.port as unknown as Port;
    this.port.onmessage = ({ data }) => this.#hear(data as ToWorker | Letter);
    this.#cells = new Int32Array(init.block);
    this.tell({ op: "running" });
  }

  terminate(): void {
    this.terminated = true;
  }

  /** Nothing leaves a worker that finds itself abandoned. */
  tell(message: ToMain): void {
    if (Atomics.load(this.#cells, Cell.stop) !== Stop.abandoned) this.port!.postMessage(message);
  }

  #hear(message: ToWorker | Letter): void {
    if (message.op === "spawn") {
      assert.ok(!this.actors.includes(message.actor), "an actor was made twice in one worker");
      this.actors.push(message.actor);
    } else if (message.op === "remove") this.actors.splice(this.actors.indexOf(message.actor), 1);
    if ("call" in message) this.tell({ op: "answer", call: message.call, body: null });
  }

  get isAskedToLeave(): boolean {
    return this.port !== null && Atomics.load(this.#cells, Cell.stop) === Stop.leave;
  }

  end(message: ToMain): void {
    this.tell(message);
    this.ended = true;
  }
}

/** The supervisor, and what is the test's around it. */
class World {
  readonly supervisor: Supervisor;
  check!: () => void;
  clock = 0;
  readonly timers = new Set<() => void>();
  escalated = 0;
  stopped: Promise<boolean> | null = null;
  /** Actors that are to be there. */
  readonly wanted = new Set<number>();
  #lastActor = 0;
  #waiting = 0;

  constructor() {
    Thread.all = [];
    this.supervisor = new Supervisor({
      module: new URL("file:///worker.ts"),
      placement: { mode: "packed", workers: 1 },
      makeBell: () => 1,
      ring: () => {},
      closeBell: () => {},
      timeOf: () => null,
      runWhenIdle: () => {},
      initOf: () => ({ init: null }),
      receive: () => assert.fail("nobody sends letters"),
      changed: () => {},
      failed: () => {},
      escalate: () => this.escalated++,
    });
  }

  get #live(): Thread[] {
    return Thread.all.filter((thread) => !thread.terminated);
  }

  /** Lets an event happen; false where it can't. */
  async happens(event: Event): Promise<boolean> {
    const done = this.#happens(event);
    if (done) await this.#turn();
    assert.ok(this.#live.length <= 1, "two workers have the same actors");
    return done;
  }

  /** Everything that follows at once. */
  async #turn(): Promise<void> {
    for (let i = 0; i < 20; i++) await Promise.resolve();
  }

  #happens(event: Event): boolean {
    const thread = this.#live.at(-1);
    switch (event) {
      case "load":
        if (thread === undefined || thread.loaded) return false;
        thread.loaded = true;
        thread.onmessage!({ data: "loaded" });
        return true;
      case "hear":
        return thread !== undefined && !thread.ended && (thread.port?.arrive() ?? false);
      case "tell":
        return thread?.port?.peer.arrive() ?? false;
      case "throw":
        if (thread === undefined || thread.port === null || thread.ended) return false;
        thread.end({ op: "failed", failure: { actor: 0, message: "thrown", stack: "" } });
        return true;
      case "silence":
      case "slow":
        for (let i = 0; i < (event === "slow" ? START_CHECKS : SILENCE_CHECKS); i++) this.#look();
        return true;
      case "spawn":
        if (this.stopped !== null || this.escalated > 0) return false;
        this.#spawn(++this.#lastActor);
        return true;
      case "remove":
        return this.#remove();
      case "stop":
        if (this.stopped !== null) return false;
        this.stopped = this.supervisor.stop();
        return true;
    }
  }

  #look(): void {
    this.clock += CHECK_MS;
    this.check();
  }

  #spawn(actor: number): void {
    this.#waits(
      this.supervisor.spawn(actor, { group: "a", work: "alone" }).then(() => this.wanted.add(actor)),
    );
  }

  #remove(): boolean {
    const [actor] = this.wanted;
    if (actor === undefined || this.stopped !== null) return false;
    this.wanted.delete(actor);
    this.#waits(this.supervisor.remove(actor));
    return true;
  }

  #waits(promise: Promise<unknown>): void {
    this.#waiting++;
    promise.catch(() => {}).finally(() => this.#waiting--);
  }

  /** Whatever has happened: once all that is under way has arrived, every actor is there once, or all is over. */
  async settle(): Promise<void> {
    let any = true;
    while (any) {
      any = false;
      for (const event of ["load", "hear", "tell"] as const) {
        while (await this.happens(event)) any = true;
      }
      const thread = this.#live.at(-1);
      if (thread?.isAskedToLeave && !thread.ended) {
        thread.end({ op: "stopped" });
        any = true;
      }
    }
    for (const timer of [...this.timers]) timer();
    await this.#turn();
    assert.equal(this.#waiting, 0, "somebody waits for ever");
    if (this.stopped !== null) {
      await this.stopped;
      assert.equal(this.#live.length, 0, "a worker is left behind");
      return;
    }
    assert.equal(this.escalated, 0, "given up, though it failed seldom");
    const [worker] = this.supervisor.workers();
    if (this.wanted.size > 0) assert.equal(worker?.state, "running");
    const there = this.#live.flatMap(({ actors }) => actors);
    assert.deepEqual(
      there.toSorted(),
      [...this.wanted].toSorted(),
      "actors that should not be there, or are not",
    );
  }
}

/** A world that has gone through a history, and its clock and channels in place of the real ones; null: it can't. */
async function inWorld(history: readonly Event[], then: (world: World) => Promise<void>): Promise<boolean> {
  const real = { Worker, MessageChannel, setInterval, clearInterval, setTimeout, clearTimeout };
  const now = performance.now;
  let world: World;
  const intervals: (() => void)[] = [];
  Object.assign(globalThis, {
    Worker: Thread,
    MessageChannel: Channel,
    setInterval: (look: () => void) => intervals.push(look),
    clearInterval: () => {},
    setTimeout: (run: () => void) => {
      const timer = () => {
        world.timers.delete(timer);
        run();
      };
      world.timers.add(timer);
      return timer;
    },
    clearTimeout: (timer: () => void) => world.timers.delete(timer),
  });
  performance.now = () => world?.clock ?? 0;
  try {
    world = new World();
    world.check = intervals[0]!;
    for (const event of history) if (!await world.happens(event)) return false;
    await then(world);
    return true;
  } finally {
    Object.assign(globalThis, real);
    performance.now = now;
  }
}

Deno.test("a worker that falls silent is replaced within a second", async () => {
  const there = await inWorld([...RUNNING, "silence"], (world) => {
    assert.deepEqual(Thread.all.map(({ terminated }) => terminated), [true, false]);
    assert.ok(world.clock < 1000, `${world.clock} ms`);
    return world.settle();
  });
  assert.ok(there);
});

for (const [name, start] of [["nothing", []], ["a worker that runs", RUNNING]] as const) {
  Deno.test(`from ${name} on, no interleaving of ${DEPTH} events leaves two workers, a lost actor, or who waits for ever`, async () => {
    let histories = 0;
    async function goOn(history: readonly Event[], left: number): Promise<void> {
      for (const event of EVENTS) {
        const longer = [...history, event];
        if (!await inWorld(longer, (world) => world.settle())) continue;
        histories++;
        if (left > 1) await goOn(longer, left - 1);
      }
    }
    await goOn(start, DEPTH);
    assert.ok(histories > 1000, `${histories} histories`);
  });
}
