import assert from "node:assert/strict";
import { EPOCH, type Parcel, type Slab } from "./behaviour.ts";
import { Directory } from "./directory.ts";
import { SlabTable } from "./slab_table.ts";

/** Workers in slots 0, 1, 2 with their tables; each started in epoch slot + 1. */
function workers(): { directory: Directory; tables: SlabTable<Parcel>[] } {
  const directory = new Directory();
  const tables = [0, 1, 2].map((slot) => {
    directory.setEpoch(slot, slot + 1);
    const makeMemory = () => new SharedArrayBuffer(64);
    return new SlabTable<Parcel>({ slot, epoch: slot + 1, directory, makeMemory, makeSlab });
  });
  return { directory, tables };
}

function makeSlab(id: number, memory: SharedArrayBuffer): Slab<Parcel> {
  const slab: Slab<Parcel> = {
    id,
    memory,
    wrap: () => ({ slab, buffer: new ArrayBuffer(64), i32: new Int32Array(memory) }),
  };
  return slab;
}

Deno.test("introduction() tells each worker once, and again the one that took its place", () => {
  const { tables: [home, other] } = workers();
  const { id, memory } = home.make();
  const introduction = home.introduction(id, 1)!;
  assert.deepEqual(introduction, { op: "slab", id, memory, home: 0 });
  assert.equal(home.introduction(id, 1), null);
  assert.notEqual(home.introduction(id, 2), null);
  home.untold(1);
  assert.notEqual(home.introduction(id, 1), null);
  assert.equal(home.introduction(id, 2), null);
  other.learn(introduction, 0);
  assert.equal(other.wrap(id)!.slab.memory, memory);
  assert.deepEqual([other.maySend(id), other.introduction(id, 0)], [true, null]);
  assert.equal(other.introduction(id, 2)!.home, 0);
});

Deno.test("learn() keeps what it knows of a slab that several workers tell of", () => {
  const { tables: [home, other, third] } = workers();
  const { id } = home.make();
  third.learn(home.introduction(id, 2)!, 0);
  const { slab } = third.wrap(id)!;
  other.learn(home.introduction(id, 1)!, 0);
  third.learn(other.introduction(id, 2)!, 1);
  assert.equal(third.wrap(id)!.slab, slab);
});

Deno.test("a slab that was given up is nobody's at once, in every worker, and is forgotten by sweep()", () => {
  const { tables } = workers();
  const [home, other, third] = tables;
  const [lost, kept] = [home.make(), home.make()];
  for (const { id } of [lost, kept]) other.learn(home.introduction(id, 1)!, 0);
  const late = other.introduction(lost.id, 2)!;
  home.giveUp([lost.id]);
  assert.deepEqual([home.maySend(lost.id), other.maySend(lost.id), other.maySend(kept.id)], [
    false,
    false,
    true,
  ]);
  third.learn(late, 1);
  assert.equal(third.wrap(lost.id), null, "told of too late");
  home.sweep();
  other.sweep();
  assert.deepEqual(tables.map(({ size }) => size), [1, 1, 0]);
});

Deno.test("slabs of a worker that died are nobody's, also when another has its slot", () => {
  const { directory, tables: [home, other, third] } = workers();
  const { id, memory } = home.make();
  other.learn(home.introduction(id, 1)!, 0);
  for (const epoch of [0, 4]) {
    directory.setEpoch(0, epoch);
    assert.equal(other.maySend(id), false);
    third.learn({ op: "slab", id, memory, home: 0 }, 1);
    assert.equal(third.size, 0);
  }
  other.sweep();
  assert.equal(other.size, 0);
});

Deno.test("make() gives no number twice, and writes whose the slab is", () => {
  const { tables: [home, other] } = workers();
  const slabs = [home.make(), other.make(), home.make()];
  assert.equal(new Set(slabs.map(({ id }) => id)).size, 3);
  assert.ok(slabs.every(({ id }) => id > 0));
  assert.deepEqual(slabs.map(({ memory }) => new Int32Array(memory)[EPOCH]), [1, 2, 1]);
});
