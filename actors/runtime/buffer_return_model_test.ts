/**
 * The way of buffers and home, under every interleaving of a small model: an owner with the real pool, a worker that
 * holds its buffers, fails, wakes late and is replaced, channels between them, and time.
 */
import assert from "node:assert/strict";
import { EPOCH, type Parcel } from "./behaviour.ts";
import { BufferPool, WRITE_OFF_MS } from "./buffer_pool.ts";

const SLABS = 2;
/** How often each may happen in one history. */
const LIMITS = { take: 4, fail: 2, time: 2 } as const;

/** One start of the worker, and its channels from and to the owner. */
interface Incarnation {
  live: boolean;
  /** The owner has been told that it is down: its channels are closed. */
  down: boolean;
  readonly inbox: Parcel[];
  readonly hand: Parcel[];
  readonly outbox: Parcel[];
}

const EVENTS = ["take", "deliver", "give", "home", "fail", "down", "wake", "time"] as const;
type Event = (typeof EVENTS)[number];

class World {
  readonly #counts = { take: 0, fail: 0, time: 0 };
  readonly #incarnations: Incarnation[] = [begin()];
  #now = 0;
  #epoch = 1;
  /** When each epoch ended. */
  readonly #downs: number[] = [];
  #starved = false;
  readonly #lost = new Set<number>();
  readonly pool: BufferPool<Parcel> = new BufferPool({
    owner: 1,
    slabs: SLABS,
    epoch: 1,
    make: () => makeParcel(++this.#made),
    available: () => this.#starved = false,
    lost: (ids) => ids.forEach((id) => this.#lost.add(id)),
  });
  #made = 0;

  /** Plays a history again. */
  static after(history: readonly Event[]): World {
    const world = new World();
    for (const event of history) assert.ok(world.happens(event));
    return world;
  }

  get #current(): Incarnation {
    return this.#incarnations.at(-1)!;
  }

  /** Lets an event happen; false where it can't. */
  happens(event: Event): boolean {
    if (event in LIMITS) {
      const limited = event as keyof typeof LIMITS;
      if (this.#counts[limited]++ === LIMITS[limited]) return false;
    }
    const done = this.#happens(event);
    if (done) this.#check();
    return done;
  }

  #happens(event: Event): boolean {
    const current = this.#current;
    switch (event) {
      case "take":
        return this.#take();
      case "deliver":
        return current.live && move(current.inbox, current.hand);
      case "give":
        return current.live && move(current.hand, current.outbox);
      case "home": {
        const slab = this.#incarnations.find(({ outbox }) => outbox.length > 0)?.outbox.shift();
        if (slab !== undefined) this.pool.home(slab);
        return slab !== undefined;
      }
      case "fail":
        if (!current.live) return false;
        current.live = false;
        this.#incarnations.push(begin());
        return true;
      case "down":
        return this.#down();
      case "wake": {
        // It had looked whether it was abandoned just before it was; what it posts then is its last.
        const late = this.#incarnations.find(({ live, down, hand }) => !live && !down && hand.length > 0);
        return late !== undefined && move(late.hand, late.outbox);
      }
      case "time":
        this.#now += WRITE_OFF_MS;
        this.pool.tick(this.#now);
        return true;
    }
  }

  #take(): boolean {
    const out = this.#slabs();
    const slab = this.pool.take();
    if (slab === null) {
      this.#starved = true;
      return true;
    }
    assert.ok(!out.includes(slab), "a buffer was given out that is out");
    assert.ok(!this.#lost.has(slab.slab.id), "a buffer was given out that was written off");
    slab.i32[EPOCH] = this.#epoch;
    this.#current.inbox.push(slab);
    return true;
  }

  /** The owner hears that an incarnation failed: the channels are closed, and what is in them is lost. */
  #down(): boolean {
    const failed = this.#incarnations.find(({ live, down }) => !live && !down);
    if (failed === undefined) return false;
    failed.down = true;
    failed.inbox.length = failed.outbox.length = 0;
    this.pool.newEpoch(++this.#epoch, this.#now);
    this.#downs.push(this.#now);
    return true;
  }

  /** Those that are somewhere else than in the pool. */
  #slabs(): Parcel[] {
    return this.#incarnations.flatMap(({ inbox, hand, outbox }) => [...inbox, ...hand, ...outbox]);
  }

  #check(): void {
    assert.equal(this.pool.free + this.pool.outstanding, SLABS, "the bound");
    assert.ok(this.pool.free >= 0 && this.pool.outstanding >= 0);
    assert.ok(!this.#starved || this.pool.free === 0, "nobody was told that there is a buffer again");
  }

  /** Whatever has happened: once all that is under way has arrived, and time has passed, every buffer is there again. */
  settle(): void {
    for (const last of ["down", "deliver", "give", "home"] as const) while (this.#happens(last));
    for (let i = 0; i < LIMITS.fail; i++) this.#happens("time");
    this.#check();
    assert.deepEqual([this.pool.outstanding, this.pool.free], [0, SLABS], "a buffer is missing");
    for (let i = 0; i < SLABS; i++) assert.notEqual(this.pool.take(), null);
    assert.equal(this.pool.take(), null, "more buffers than there may be");
  }

  /** Two worlds that say the same go on alike. */
  get key(): string {
    const slabs = (list: readonly Parcel[]) => list.map(({ i32 }) => i32[EPOCH]).join("");
    const incarnations = this.#incarnations.map(({ live, down, inbox, hand, outbox }) =>
      [live ? "live" : down ? "down" : "failed", slabs(inbox), slabs(hand), slabs(outbox)].join()
    );
    const { free, outstanding, lost, late } = this.pool;
    return JSON.stringify([
      ...[incarnations, this.#counts, this.#downs, this.#now, this.#starved],
      ...[free, outstanding, lost, late],
    ]);
  }
}

function begin(): Incarnation {
  return { live: true, down: false, inbox: [], hand: [], outbox: [] };
}

function makeParcel(id: number): Parcel {
  const i32 = new Int32Array(8);
  const slab = { id, memory: new SharedArrayBuffer(0), wrap: () => parcel };
  const parcel: Parcel = { slab, buffer: i32.buffer, i32 };
  return parcel;
}

function move(from: Parcel[], to: Parcel[]): boolean {
  const slab = from.shift();
  if (slab !== undefined) to.push(slab);
  return slab !== undefined;
}

Deno.test("no interleaving of returns, failures and time loses a buffer, doubles one, or leaves a taker waiting", () => {
  const seen = new Set<string>();
  const open: Event[][] = [[]];
  for (let history = open.pop(); history !== undefined; history = open.pop()) {
    World.after(history).settle();
    for (const event of EVENTS) {
      const world = World.after(history);
      if (!world.happens(event) || seen.has(world.key)) continue;
      seen.add(world.key);
      open.push([...history, event]);
    }
  }
  assert.ok(seen.size > 10_000, `${seen.size} states`);
  console.log(`${seen.size} states`);
});
