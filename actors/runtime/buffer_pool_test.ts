import assert from "node:assert/strict";
import fc from "fast-check";
import { OWNER, type Parcel } from "./behaviour.ts";
import { BufferPool, WRITE_OFF_MS } from "./buffer_pool.ts";

let lastSlab = 0;

/** A parcel in a new slab. */
function makeParcel(): Parcel {
  const i32 = new Int32Array(8);
  const slab = { id: ++lastSlab, memory: new SharedArrayBuffer(0), wrap: () => parcel };
  const parcel: Parcel = { slab, buffer: i32.buffer, i32 };
  return parcel;
}

function poolOf(
  slabs: number,
  available = () => {},
  lost: (ids: readonly number[]) => void = () => {},
): BufferPool<Parcel> {
  return new BufferPool({ owner: 1, slabs, epoch: 1, make: makeParcel, available, lost });
}

Deno.test("take() makes buffers when first needed, at most as many as allowed", () => {
  let made = 0;
  const make = () => (made++, makeParcel());
  const pool = new BufferPool({ owner: 7, slabs: 2, epoch: 3, make, available: () => {}, lost: () => {} });
  assert.equal(made, 0);
  const first = pool.take()!;
  assert.equal(first.i32[OWNER], 7);
  assert.equal(pool.home(first), true);
  assert.equal(pool.take(), first);
  assert.equal(made, 1);
  assert.notEqual(pool.take(), null);
  assert.equal(pool.take(), null);
  assert.equal(made, 2);
});

Deno.test("home() calls available once after a failed take, and not otherwise", () => {
  let calls = 0;
  const pool = poolOf(2, () => calls++);
  const [a, b] = [pool.take()!, pool.take()!];
  pool.home(a);
  assert.equal(calls, 0);
  pool.take();
  assert.equal(pool.take(), null);
  assert.equal(pool.take(), null);
  pool.home(a);
  pool.home(b);
  assert.equal(calls, 1);
});

Deno.test("home() refuses another pool's slab and a second return of one", () => {
  const pool = poolOf(2);
  const a = pool.take()!;
  pool.take();
  assert.equal(pool.home(a), true);
  assert.equal(pool.home(a), false);
  assert.equal(pool.home(poolOf(1).take()!), false);
  assert.deepEqual([pool.free, pool.outstanding, pool.late], [1, 1, 2]);
});

Deno.test("tick() writes off what a dead worker held, once its time is up, and a late return is discarded", () => {
  let calls = 0;
  const lost: number[] = [];
  const pool = poolOf(2, () => calls++, (ids) => lost.push(...ids));
  const [survivor, dead] = [pool.take()!, pool.take()!];
  assert.equal(pool.take(), null);
  pool.newEpoch(2, 1000);
  pool.tick(1000 + WRITE_OFF_MS - 1);
  assert.deepEqual([pool.outstanding, pool.lost], [2, 0]);
  assert.equal(pool.home(survivor), true);
  assert.equal(pool.take(), survivor);
  assert.equal(pool.take(), null);
  pool.tick(1000 + WRITE_OFF_MS);
  assert.deepEqual([pool.outstanding, pool.lost, pool.free, calls], [1, 1, 1, 2]);
  assert.deepEqual([lost, [...pool.slabs()]], [[dead.slab.id], [survivor.slab.id]]);
  assert.equal(pool.home(dead), false);
  assert.deepEqual([pool.free, pool.late], [1, 1]);
  const fresh = pool.take()!;
  assert.ok(![survivor.slab.id, dead.slab.id].includes(fresh.slab.id));
  assert.equal(pool.take(), null);
});

/**
 * A world around one pool: buffers are with a peer, in a message, home, or gone with a dead peer. Each step is one
 * thing that can happen; what must hold is checked after each.
 */
class World {
  static readonly STEPS = ["take", "return", "die", "write off", "late"] as const;
  readonly #slabs: number;
  readonly #pool: BufferPool<Parcel>;
  #out: Parcel[] = [];
  #dead: Parcel[] = [];
  #epoch = 1;
  #now = 0;
  #starved = false;

  constructor(slabs: number) {
    this.#slabs = slabs;
    this.#pool = poolOf(slabs, () => {
      assert.ok(this.#starved, "available without a failed take");
      this.#starved = false;
    });
  }

  step(step: (typeof World.STEPS)[number]): void {
    const pool = this.#pool;
    switch (step) {
      case "take": {
        const free = pool.free;
        const parcel = pool.take();
        assert.equal(parcel === null, free === 0);
        if (parcel === null) this.#starved = true;
        else {
          assert.ok(!this.#out.includes(parcel) && !this.#dead.includes(parcel), "handed out twice");
          this.#out.push(parcel);
        }
        break;
      }
      case "return": {
        const parcel = this.#out.shift();
        if (parcel !== undefined) pool.home(parcel);
        break;
      }
      case "die":
        // The peer dies with the older half of what is out.
        this.#dead.push(...this.#out.splice(0, (this.#out.length + 1) >> 1));
        pool.newEpoch(++this.#epoch, this.#now);
        break;
      case "write off":
        this.#now += WRITE_OFF_MS;
        pool.tick(this.#now);
        break;
      case "late": {
        // A hung peer was given up and sends after all.
        const parcel = this.#dead.shift();
        if (parcel !== undefined) pool.home(parcel);
        break;
      }
    }
    assert.ok(pool.outstanding >= 0);
    assert.equal(pool.free + pool.outstanding, this.#slabs, "the pool shrank or grew");
    assert.ok(!this.#starved || pool.free === 0, "a starved owner was not told");
  }

  /** Everything alive comes home and the grace ends: the pool is whole. */
  settle(): void {
    while (this.#out.length > 0) this.step("return");
    this.step("die");
    this.step("write off");
    assert.equal(this.#pool.free, this.#slabs);
    assert.equal(this.#pool.outstanding, 0);
  }
}

Deno.test("BufferPool keeps its invariants in every order of up to 7 events", () => {
  let sequences = 0;
  const walk = (trace: number[], depth: number): void => {
    const world = new World(2);
    for (const step of trace) world.step(World.STEPS[step]);
    world.settle();
    sequences++;
    if (depth > 0) World.STEPS.forEach((_, step) => walk([...trace, step], depth - 1));
  };
  walk([], 7);
  assert.equal(sequences, (5 ** 8 - 1) / 4);
});

Deno.test("BufferPool keeps its invariants in long random histories", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 8 }),
      fc.array(fc.constantFrom(...World.STEPS), { maxLength: 300, size: "max" }),
      (slabs, steps) => {
        const world = new World(slabs);
        for (const step of steps) world.step(step);
        world.settle();
      },
    ),
  );
});
