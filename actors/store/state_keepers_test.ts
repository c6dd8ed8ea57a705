/** The store over kills, clean ends and losses of power, each made by copying what would be left. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { CELL_OSEQ, CELL_PACKETS, viewXfrmCells, WORD_SEQ } from "../../datapath/xfrm/xfrm_cells.ts";
import { lastSequence, LEASE_PACKETS, takeLease } from "../../datapath/xfrm/xfrm_lease.ts";
import type { Kept, Slot } from "../control/keeper.ts";
import type { NetnsKeeper, StoredThing } from "./netns_keeper.ts";
import { StateKeepers } from "./state_keepers.ts";

const KEY = Uint8Array.from({ length: 32 }, (_, i) => i);
const SECRET = new TextEncoder().encode("canary: a key that must not be seen");
const LAST = lastSequence(false);

/** Directories of one host; what is copied from them is what another start finds. */
class Disk {
  readonly root = Deno.makeTempDirSync();
  readonly lines: string[] = [];
  #copies = 0;
  dir = `${this.root}/state`;
  memoryDir = `${this.root}/memory`;
  boot = "boot-1";

  constructor() {
    Deno.mkdirSync(this.memoryDir);
  }

  open(key: Uint8Array | null = null): StateKeepers {
    const { dir, memoryDir, boot } = this;
    return new StateKeepers({ dir, key }, (line) => this.lines.push(line), { memoryDir, boot });
  }

  /** From here on the directories are copies of what they are now: the process that has them open counts as killed. */
  kill(): void {
    const root = `${this.root}/copy${++this.#copies}`;
    copy(this.dir, `${root}/state`);
    copy(this.memoryDir, `${root}/memory`);
    [this.dir, this.memoryDir] = [`${root}/state`, `${root}/memory`];
  }

  /** The same with the memory gone. */
  losePower(): void {
    this.kill();
    for (const { name } of Deno.readDirSync(this.memoryDir)) Deno.removeSync(`${this.memoryDir}/${name}`);
    this.boot += "'";
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.root, { recursive: true });
  }
}

function copy(from: string, to: string): void {
  Deno.mkdirSync(to, { recursive: true });
  for (const { name } of Deno.readDirSync(from)) Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
}

function state(slot: Slot, body: unknown = { number: 1 }): Kept {
  return { kind: "state", slot, body, secret: SECRET.slice() };
}

function addState(keeper: NetnsKeeper, body?: unknown): Slot {
  const slot = keeper.allocate();
  assert.ok(slot.ok);
  const added = keeper.add(state(slot.value, body));
  assert.ok(added.ok);
  return slot.value;
}

function only(keepers: StateKeepers): StoredThing {
  const things = keepers.of("a").stored();
  assert.equal(things.length, 1);
  return things[0]!;
}

/** Takes leases and counts packets, as an actor would. */
function use(slot: Slot, leases: number): number[] {
  const cells = viewXfrmCells(slot.memory);
  const taken = Array.from({ length: leases }, () => takeLease(cells, LAST));
  cells.f64[CELL_OSEQ] = taken.at(-1)! * LEASE_PACKETS + 5;
  cells.f64[CELL_PACKETS] = 5;
  cells.i32[WORD_SEQ] = 77;
  return taken;
}

Deno.test("after a kill everything is as it was, to the number", () => {
  using disk = new Disk();
  const keepers = disk.open();
  const slot = addState(keepers.of("a"));
  assert.deepEqual(use(slot, 3), [0, 1, 2]);
  disk.kill();
  const { slot: again, body, secret } = only(disk.open());
  assert.deepEqual([body, secret, again.lost], [{ number: 1 }, SECRET, false]);
  const { f64, i32 } = viewXfrmCells(again.memory);
  assert.deepEqual([f64[CELL_OSEQ], f64[CELL_PACKETS], i32[WORD_SEQ]], [2 * LEASE_PACKETS + 5, 5, 77]);
  assert.deepEqual(use(again, 1), [3]);
});

Deno.test("after a clean end everything is as it was, though the memory is gone", () => {
  using disk = new Disk();
  const keepers = disk.open();
  use(addState(keepers.of("a")), 3);
  keepers.close(true);
  assert.deepEqual([...Deno.readDirSync(disk.memoryDir)], []);
  disk.losePower();
  const again = disk.open();
  const { slot } = only(again);
  assert.deepEqual([slot.lost, viewXfrmCells(slot.memory).i32[WORD_SEQ]], [false, 77]);
  assert.deepEqual(use(slot, 1), [3]);
  // The clean end counts once: what it saved is stale from now on.
  disk.losePower();
  assert.equal(only(disk.open()).slot.lost, true);
});

Deno.test("after a loss of power numbers go on behind all that may have been used, and the window counts as lost", () => {
  using disk = new Disk();
  const keepers = disk.open();
  const slot = addState(keepers.of("a"));
  const taken = use(slot, 40);
  disk.losePower();
  const { slot: again } = only(disk.open());
  assert.equal(again.lost, true);
  const next = use(again, 1)[0]!;
  assert.ok(next > taken.at(-1)!, `${next} after ${taken.at(-1)}`);
  // It stays lost, also for those who know nothing of the power.
  disk.kill();
  const killed = disk.open();
  assert.equal(only(killed).slot.lost, true);
  killed.close(true);
  assert.equal(only(disk.open()).slot.lost, true);
});

Deno.test("a torn or missing last write repeats no number", () => {
  for (const missing of [0, 1, 100, 4000]) {
    using disk = new Disk();
    const keepers = disk.open();
    const slot = addState(keepers.of("a"));
    addState(keepers.of("a"), { number: 2 });
    const before = Deno.statSync(`${disk.dir}/state.db-wal`).size;
    addState(keepers.of("a"), { number: 3 });
    const size = Deno.statSync(`${disk.dir}/state.db-wal`).size;
    const taken = use(slot, 40);
    disk.losePower();
    Deno.truncateSync(`${disk.dir}/state.db-wal`, missing === 0 ? before : size - missing);
    const stored = disk.open().of("a").stored();
    assert.equal(stored.length, 2);
    const again = stored.find(({ body }) => (body as { number: number }).number === 1)!;
    assert.ok(use(again.slot, 1)[0]! > taken.at(-1)!);
  }
});

Deno.test("an SA that comes back has leases to take at once", () => {
  using disk = new Disk();
  const slot = addState(disk.open().of("a"));
  use(slot, 60);
  for (const end of [() => disk.kill(), () => disk.losePower()]) {
    end();
    const { slot } = only(disk.open());
    assert.equal(use(slot, 20).length, 20);
    assert.ok(use(slot, 1)[0]! > 0);
  }
});

Deno.test("what was removed does not come back, what was changed is as it was changed to", () => {
  using disk = new Disk();
  const keepers = disk.open();
  const keeper = keepers.of("a");
  keeper.describe(4026531840, true);
  const [gone, stays] = [addState(keeper, { number: 1 }), addState(keeper, { number: 2 })];
  keeper.remove(gone);
  keeper.change(state(stays, { number: 2, dying: true }));
  keeper.commit();
  disk.kill();
  const again = disk.open();
  assert.deepEqual(again.namespaces(), [{ name: "a", made: true, inode: 4026531840, things: 1 }]);
  assert.deepEqual(only(again).body, { number: 2, dying: true });
  again.forget("a");
  disk.losePower();
  assert.deepEqual(disk.open().namespaces(), []);
});

Deno.test("the clock goes on over a restart, and begins anew with the host", () => {
  using disk = new Disk();
  const real = Date.now;
  try {
    const { clockOffset } = disk.open();
    disk.kill();
    Date.now = () => real() + 1e9;
    assert.equal(disk.open().clockOffset, clockOffset);
    disk.losePower();
    assert.ok(Math.abs(disk.open().clockOffset - clockOffset - 1e6) < 1);
  } finally {
    Date.now = real;
  }
});

Deno.test("an inode says nothing after the host was started again", () => {
  using disk = new Disk();
  disk.open().of("a").describe(4026531840, false);
  disk.losePower();
  assert.deepEqual(disk.open().namespaces(), [{ name: "a", made: false, inode: null, things: 0 }]);
});

Deno.test("a copy of the directory from an earlier time is not taken for exact", () => {
  using disk = new Disk();
  const keepers = disk.open();
  use(addState(keepers.of("a")), 3);
  keepers.close(true);
  const saved = `${disk.root}/backup`;
  copy(disk.dir, saved);
  // The store runs again, and is then killed. Its cells are of another beginning than those that the copy knows.
  const again = disk.open();
  use(only(again).slot, 10);
  disk.kill();
  Deno.removeSync(disk.dir, { recursive: true });
  copy(saved, disk.dir);
  const { slot } = only(disk.open());
  assert.equal(slot.lost, true);
  assert.ok(use(slot, 1)[0]! > 12);
});

Deno.test("keys are sealed with the key that is given, and only that opens them", () => {
  using disk = new Disk();
  const keepers = disk.open();
  addState(keepers.of("a"));
  keepers.close(true);
  const warnings = () => disk.lines.filter((line) => /unsealed/.test(line)).length;
  assert.equal(warnings(), 1);
  assert.ok(contains(disk.dir, SECRET));

  const sealing = disk.open(KEY);
  assert.deepEqual(only(sealing).secret, SECRET);
  addState(sealing.of("a"), { number: 2 });
  assert.ok(!contains(disk.dir, SECRET), "a key in plain bytes");
  disk.kill();
  assert.throws(() => disk.open(), /they are sealed, and no key to open them is given/);
  assert.throws(() => disk.open(KEY.toReversed()), /sealed with another key/);
  const again = disk.open(KEY);
  assert.deepEqual(again.of("a").stored().map(({ secret }) => secret), [SECRET, SECRET]);
  assert.equal(warnings(), 1);
});

function contains(dir: string, bytes: Uint8Array): boolean {
  const text = new TextDecoder("latin1");
  const wanted = text.decode(bytes);
  return [...Deno.readDirSync(dir)].some(({ name }) =>
    text.decode(Deno.readFileSync(`${dir}/${name}`)).includes(wanted)
  );
}

Deno.test("an SA whose bound or keys are damaged is not used, and the log says so", () => {
  using disk = new Disk();
  const keepers = disk.open();
  addState(keepers.of("a"));
  const spoiled = addState(keepers.of("a"), { number: 2 });
  keepers.close(true);
  const raw = new DatabaseSync(`${disk.dir}/state.db`);
  raw.prepare("UPDATE grants SET leases = 0 WHERE identity = ?").run(spoiled.identity);
  raw.close();
  assert.deepEqual(only(disk.open()).body, { number: 1 });
  assert.match(disk.lines.join("\n"), /row grants [0-9a-f]+ is damaged[^]*an SA of a is without bound/);
});
