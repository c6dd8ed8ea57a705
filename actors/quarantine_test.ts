import assert from "node:assert/strict";
import { Batch, COUNT, CURSOR, OFFSET, REASON, SLAB_BYTES } from "../datapath/batch.ts";
import { DropReason } from "../datapath/drop_reason.ts";
import type { PoisonLetter } from "./messages.ts";
import { Stage } from "./poison_mark.ts";
import { PoisonWatch } from "./poison_watch.ts";
import { Quarantine } from "./quarantine.ts";
import type { Context } from "./runtime/behaviour.ts";

const ACTOR = 5;
const IPV4_ID = 4;

/** An actor's quarantine with a clock to turn, and a stage that does what the packets' first byte behind IP says. */
function setUp(watch = new PoisonWatch(() => 0)) {
  const clock = { now: 0 };
  const letters: PoisonLetter[] = [];
  const dropped: number[] = [];
  const seen: number[] = [];
  const said: string[] = [];
  const context = {
    now: () => clock.now,
    send: (_to: number, letter: unknown) => letters.push(letter as PoisonLetter),
  } as unknown as Context<Batch>;
  const quarantine = new Quarantine(context, watch.initOf(ACTOR), (reason) => dropped.push(reason));
  const work = (batch: Batch) => {
    const { i32, u8 } = batch;
    for (let i = i32[CURSOR]!; i < i32[COUNT]!; i++) {
      if (i32[REASON + i] !== 0) continue;
      i32[CURSOR] = i;
      const deed = u8[i32[OFFSET + i]! + 20]!;
      if (deed === THROWS) throw new Error("told to throw");
      // The main thread looks while the worker is in the stage.
      if (deed === HANGS) said.push(watch.hung([3, ACTOR], NAME)!);
      else seen.push(deed);
    }
    i32[CURSOR] = 0;
  };
  const run = (batch: Batch) => quarantine.run(Stage.transmit, batch, work);
  // Handles two packets at a time, as a sender does that gives them to the kernel together.
  const pairs = (batch: Batch) => {
    const { i32, u8 } = batch;
    while (i32[CURSOR]! < i32[COUNT]!) {
      const first = i32[CURSOR]!;
      const deeds: number[] = [];
      for (let i = first; i < Math.min(first + 2, i32[COUNT]!); i++) {
        if (i32[REASON + i] === 0) deeds.push(u8[i32[OFFSET + i]! + 20]!);
      }
      if (deeds.includes(THROWS)) throw new Error("told to throw");
      seen.push(...deeds);
      i32[CURSOR] = first + 2;
    }
  };
  const runTogether = (batch: Batch) => quarantine.runTogether(Stage.send, batch, pairs);
  return { watch, clock, letters, dropped, seen, said, quarantine, run, runTogether };
}

const THROWS = 66;
const HANGS = 77;
const NAME = () => "a/SA table";

/** A batch with an IPv4 packet for each number, which is its first byte behind the header. */
function batchOf(...numbers: number[]): Batch {
  const batch = new Batch(new ArrayBuffer(SLAB_BYTES));
  for (const [i, number] of numbers.entries()) {
    assert.equal(batch.append(40), i);
    const at = batch.i32[OFFSET + i]!;
    batch.u8[at] = 0x45;
    batch.u8[at + IPV4_ID] = Math.random() * 256;
    batch.u8[at + 20] = number;
  }
  return batch;
}

function reasons(batch: Batch): number[] {
  return Array.from({ length: batch.count }, (_, i) => batch.i32[REASON + i]!);
}

Deno.test("Quarantine drops what a stage throws at and goes on behind it", () => {
  const t = setUp();
  const batch = batchOf(1, THROWS, 2, THROWS, THROWS);
  t.run(batch);
  assert.deepEqual(t.seen, [1, 2]);
  const poison = DropReason.OutPoison;
  assert.deepEqual(reasons(batch), [0, poison, 0, poison, poison]);
  assert.deepEqual(t.dropped, [poison, poison, poison]);
  assert.equal(batch.i32[CURSOR], 0);
});

Deno.test("Quarantine.runTogether() finds the packet that a stage throws at, and shows none twice", () => {
  const t = setUp();
  const batch = batchOf(1, 2, 3, THROWS, 4, THROWS, 5);
  t.runTogether(batch);
  assert.deepEqual(t.seen, [1, 2, 3, 4, 5]);
  const poison = DropReason.OutPoison;
  assert.deepEqual(reasons(batch), [0, 0, 0, poison, 0, poison, 0]);
  assert.deepEqual(t.dropped, [poison, poison]);
  assert.deepEqual([batch.count, t.letters[0]!.stage], [7, Stage.send]);
});

Deno.test("Quarantine.runTogether() lets an old worker end when nothing but throws is left", () => {
  const t = setUp();
  const all = () => batchOf(...new Array<number>(64).fill(THROWS));
  for (let n = 0; n < 20; n++) t.runTogether(all());
  t.clock.now = 60_001;
  assert.throws(() => t.runTogether(all()), /told to throw/);
});

Deno.test("Quarantine reports once a second, without the packet's bytes", () => {
  const t = setUp();
  t.run(batchOf(THROWS, THROWS, THROWS));
  t.clock.now = 1000;
  t.run(batchOf(THROWS));
  assert.deepEqual(t.letters.map((letter) => letter.packets), [1, 3]);
  const { op, stage, length, message, sha256 } = t.letters[0]!;
  assert.deepEqual([op, stage, length, message], ["poison", Stage.transmit, 40, "told to throw"]);
  assert.match(sha256, /^[0-9a-f]{64}$/);
  assert.equal(sha256, t.letters[1]!.sha256, "the ID of the IPv4 header counts");
});

Deno.test("Quarantine lets an old worker end when nothing but throws is left", () => {
  const t = setUp();
  const all = () => batchOf(...new Array<number>(64).fill(THROWS));
  for (let n = 0; n < 20; n++) t.run(all());
  t.clock.now = 60_001;
  assert.throws(() => t.run(all()), /told to throw/);
});

Deno.test("Quarantine keeps an old worker while other packets pass", () => {
  const t = setUp();
  t.clock.now = 60_001;
  for (let n = 0; n < 500; n++) t.run(batchOf(THROWS, 1));
  assert.equal(t.dropped.length, 500);
});

Deno.test("Quarantine throws on what is no packet's fault", () => {
  const t = setUp();
  const broken = () => {
    throw new Error("broken");
  };
  assert.throws(() => t.quarantine.run(Stage.transmit, batchOf(), broken), /broken/);
});

Deno.test("PoisonWatch.hung() makes the successor careful, then names the packet, which is dropped", () => {
  const first = setUp();
  assert.equal(first.watch.hung([ACTOR], NAME), null);
  first.run(batchOf(1, HANGS));
  assert.match(first.said[0]!, /^in a\/SA table, encryption: packets are processed one at a time/);

  const second = setUp(first.watch);
  second.run(batchOf(1, HANGS));
  assert.deepEqual(second.seen, [1]);
  assert.match(
    second.said[0]!,
    /^in a\/SA table, encryption: packets like this .* 40 bytes, SHA-256 [0-9a-f]+$/,
  );

  const third = setUp(first.watch);
  const batch = batchOf(HANGS, 1, HANGS, 2);
  third.run(batch);
  const poison = DropReason.OutPoison;
  assert.deepEqual(reasons(batch), [poison, 0, poison, 0]);
  assert.deepEqual([third.seen, third.said, batch.count], [[1, 2], [], 4]);
});

Deno.test("Quarantine ends its care when the time is over", () => {
  const first = setUp();
  first.run(batchOf(HANGS));
  const { watch } = first;
  assert.equal(watch.initOf(ACTOR).carefulMs, 60_000);
  const t = setUp(watch);
  t.clock.now = 60_000;
  t.run(batchOf(1));
  t.run(batchOf(HANGS));
  assert.match(t.said[0]!, /one at a time/, "it still knew the packet");
});

Deno.test("PoisonWatch.initOf() forgets what lies back long enough", () => {
  const clock = { now: 0 };
  const watch = new PoisonWatch(() => clock.now);
  setUp(watch).run(batchOf(HANGS));
  clock.now = 59_000;
  assert.equal(watch.initOf(ACTOR).carefulMs, 1000);
  clock.now = 60_000;
  assert.equal(watch.initOf(ACTOR).carefulMs, 0);
});
