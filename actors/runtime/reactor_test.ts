import assert from "node:assert/strict";
import {
  BELL_EVENTS,
  type Context,
  EPOCH,
  KIND,
  LINGER_US,
  type Parcel,
  SLEEP_MS,
  TICK_MS,
  TO,
  UNDELIVERED,
} from "./behaviour.ts";
import { Cell, Stop } from "./mailbox.ts";
import type { Introduction } from "./slab_table.ts";
import { BELL, parcelTo, SLOT, test } from "./reactor_fixture.ts";

test("turn() delivers letters and parcels of one worker in the order they were sent, never nested", (bench) => {
  let depth = 0;
  const nested = (call: () => void) => {
    assert.equal(depth++, 0, "nested call");
    call();
    depth--;
  };
  bench.spawn(2, {
    receive: (message) => nested(() => bench.log.push(`2 letter ${message}`)),
    parcel: (parcel) => nested(() => bench.log.push(`2 parcel ${parcel.i32[KIND]}`)),
  });
  const context = bench.spawn(1, {
    receive: () =>
      nested(() => {
        context.send(2, "a");
        context.sendParcel(parcelTo(2, 1));
        context.send(2, "b");
        context.sendParcel(parcelTo(2, 2));
      }),
  });
  bench.letter(1, "go");
  bench.reactor.turn();
  assert.deepEqual(bench.calls(), ["2 letter a", "2 parcel 1", "2 letter b", "2 parcel 2"]);
});

test("turn() flushes only actors that were called, once", (bench) => {
  bench.spawn(1);
  bench.spawn(2);
  bench.reactor.turn();
  bench.calls();
  bench.letter(2, "a");
  bench.letter(2, "b");
  bench.reactor.turn();
  assert.deepEqual(bench.calls(true), ["2 letter a", "2 letter b", "2 flush"]);
});

test("turn() sleeps only when nothing is left to do, and says so before it looks a last time", (bench) => {
  bench.spawn(1);
  bench.reactor.turn();
  let asleep = -1;
  bench.poller.duringWait = () => asleep = Atomics.load(bench.block.cells, Cell.sleeping);
  bench.reactor.turn();
  assert.equal(asleep, 1);
  assert.equal(bench.poller.timeouts.at(-1), SLEEP_MS);
  assert.equal(Atomics.load(bench.block.cells, Cell.sleeping), 0);
  bench.letter(1, "a");
  bench.reactor.turn();
  assert.equal(bench.poller.timeouts.at(-1), 0);
  assert.equal(asleep, 0);
});

test("turn() sleeps no longer than to the next tick while buffers may be lost", (bench) => {
  const context = bench.spawn(1);
  context.pool(1);
  bench.reactor.turn();
  bench.reactor.down(SLOT + 1, 2);
  bench.reactor.turn();
  const timeout = bench.poller.timeouts.at(-1)!;
  assert.ok(timeout >= 0 && timeout <= TICK_MS, `slept ${timeout} ms`);
});

test("turn() lingers once when asked to, without being woken, and not while work is left", (bench) => {
  const context = bench.spawn(1, { receive: () => context.linger() });
  bench.letter(1, "a");
  bench.reactor.turn();
  bench.poller.log.length = 0;
  bench.reactor.turn();
  assert.deepEqual(bench.poller.log, [`nap ${LINGER_US}`]);
  assert.equal(bench.poller.timeouts.at(-1), 0);
  bench.reactor.turn();
  assert.ok(bench.poller.timeouts.at(-1)! > 0);
  bench.letter(1, "b");
  bench.reactor.turn();
  bench.letter(1, "c");
  bench.reactor.turn();
  assert.deepEqual(bench.poller.log, [`nap ${LINGER_US}`]);
});

test("turn() is a heartbeat, also while an actor never runs out of work", (bench) => {
  const context = bench.spawn(1, { parcel: (parcel) => context.sendParcel(parcel) });
  context.sendParcel(parcelTo(1, 0));
  const before = Atomics.load(bench.block.cells, Cell.heartbeat);
  bench.reactor.turn();
  bench.reactor.turn();
  assert.ok(Atomics.load(bench.block.cells, Cell.heartbeat) >= before + 2);
  assert.deepEqual(bench.poller.timeouts.slice(1), [0]);
});

test("watch() brings events to the actor under its own token until unwatch()", (bench) => {
  const context = bench.spawn(1);
  context.watch(7, 1, 70);
  context.watch(7, 5, 71);
  const token = bench.poller.tokenOf.get(7)!;
  bench.poller.next = [[token, 5]];
  bench.reactor.turn();
  assert.deepEqual(bench.calls(), ["1 ready 71 5"]);
  context.unwatch(7);
  bench.poller.next = [[token, 5]];
  bench.reactor.turn();
  assert.deepEqual(bench.calls(), []);
  assert.deepEqual(bench.poller.log, [`add ${BELL} ${BELL_EVENTS}`, "add 7 1", "modify 7 5", "remove 7"]);
});

test("an event that is older than an unwatch in the same turn finds nothing", (bench) => {
  const second = bench.spawn(2);
  bench.spawn(1, { ready: () => second.unwatch(8) });
  bench.contexts[1].watch(7, 1, 0);
  second.watch(8, 1, 0);
  const [seven, eight] = [bench.poller.tokenOf.get(7)!, bench.poller.tokenOf.get(8)!];
  bench.poller.next = [[seven, 1], [eight, 1]];
  bench.reactor.turn();
  assert.deepEqual(bench.calls(), []);
});

test("spawn() that throws leaves nothing watched and no route", (bench) => {
  const make = (context: Context<Parcel>) => {
    context.watch(9, 1, 0);
    throw new Error("EBUSY");
  };
  assert.throws(() => bench.reactor.spawn(3, make), /EBUSY/);
  assert.equal(bench.poller.log.at(-1), "remove 9");
  assert.equal(bench.directory.slotOf(3), -1);
});

test("remove() stops the actor, and what is on its way to it goes home", (bench) => {
  let undelivered = 0;
  const context = bench.spawn(1);
  const pool = context.pool(1, () => undelivered++);
  bench.spawn(2);
  bench.contexts[2].watch(5, 1, 0);
  const parcel = pool.take()!;
  parcel.i32[TO] = 2;
  context.sendParcel(parcel);
  bench.reactor.remove(2);
  assert.deepEqual(bench.calls(), ["2 stop"]);
  assert.equal(bench.poller.log.at(-1), "remove 5");
  bench.reactor.turn();
  assert.deepEqual([undelivered, pool.free, bench.directory.slotOf(2)], [1, 1, -1]);
});

test("a parcel from a peer for an actor that is gone goes back to the peer", (bench) => {
  const peer = bench.peer(1, 20);
  const i32 = bench.arrive(peer, 7, 1);
  i32.set([5, 3, 20]);
  bench.reactor.turn();
  assert.equal(peer.nextParcel(), 7);
  assert.deepEqual([i32[TO], i32[KIND]], [20, UNDELIVERED]);
});

test("a parcel whose receiver and owner are both gone is counted and dropped", (bench) => {
  const context = bench.spawn(1);
  context.sendParcel(parcelTo(77, 1));
  bench.reactor.turn();
  assert.equal(bench.block.stats[6], 1);
});

test("down() drops the channel, and the pools write off what the peer held", (bench) => {
  const peer = bench.peer(1, 20);
  const context = bench.spawn(1);
  const pool = context.pool(2);
  const parcel = pool.take()!;
  parcel.i32[TO] = 20;
  context.sendParcel(parcel);
  const { op, id, home } = peer.receive() as Introduction;
  assert.deepEqual([op, id, home, peer.nextParcel()], ["slab", parcel.slab.id, SLOT, id]);
  assert.ok(parcel.buffer.detached);
  bench.reactor.down(1, 2);
  const other = pool.take()!;
  other.i32[TO] = 20;
  context.sendParcel(other);
  bench.reactor.turn();
  assert.deepEqual([pool.free, pool.outstanding], [1, 1]);
});

test("a parcel in a slab of a worker that died goes nowhere, and its memory is forgotten", (bench) => {
  const peer = bench.peer(1, 20);
  bench.peer(2, 30);
  const held: Parcel[] = [];
  const context = bench.spawn(1, { parcel: (parcel) => void held.push(parcel) });
  bench.arrive(peer, 7, 2).set([1, 3, 30]);
  bench.reactor.turn();
  bench.directory.setEpoch(2, 0);
  bench.reactor.down(2, 2);
  bench.arrive(peer, 8, 2).set([1, 3, 30]);
  bench.reactor.turn();
  held[0].i32[TO] = 20;
  context.sendParcel(held[0]);
  bench.reactor.turn();
  assert.deepEqual([held.length, peer.nextParcel(), bench.block.stats[6]], [1, 0, 2]);
});

test("what a pool wrote off is forgotten by all, and is discarded when it comes after all", (bench) => {
  const peer = bench.peer(1, 20);
  const context = bench.spawn(1);
  const pool = context.pool(1);
  const parcel = pool.take()!;
  const { i32, slab: { id } } = parcel;
  i32[TO] = 20;
  context.sendParcel(parcel);
  assert.equal((peer.receive() as Introduction).id, id);
  assert.equal(peer.nextParcel(), id);
  bench.reactor.remove(1);
  assert.deepEqual([i32[EPOCH], peer.receive()], [0, { op: "sweep" }]);
  peer.sendParcel(id, new ArrayBuffer(64));
  bench.reactor.turn();
  assert.equal(bench.block.stats[6], 1);
});

test("available() follows a failed take once a buffer is home", (bench) => {
  const context = bench.spawn(1);
  const pool = context.pool(1);
  const parcel = pool.take()!;
  assert.equal(pool.take(), null);
  context.give(parcel);
  bench.reactor.turn();
  assert.deepEqual(bench.calls(), ["1 available"]);
});

test("run() reports the actor that threw", (bench) => {
  bench.spawn(1);
  bench.spawn(2, {
    parcel: () => {
      throw new TypeError("bad");
    },
  });
  bench.contexts[1].sendParcel(parcelTo(2, 0));
  const failure = bench.reactor.run()!;
  assert.deepEqual([failure.actor, failure.message], [2, "bad"]);
});

test("run() stops every actor when told to leave, also after one that throws", (bench) => {
  bench.spawn(1, {
    stop: () => {
      throw new Error("stuck");
    },
  });
  bench.spawn(2);
  Atomics.store(bench.block.cells, Cell.stop, Stop.leave);
  assert.equal(bench.reactor.run()!.message, "stuck");
  assert.deepEqual(bench.calls(), ["2 stop"]);
});

test("an abandoned worker that wakes from its wait calls nobody and touches no descriptor", (bench) => {
  const context = bench.spawn(1);
  context.watch(7, 1, 0);
  bench.letter(1, "a");
  bench.poller.next = [[bench.poller.tokenOf.get(7)!, 1]];
  bench.poller.duringWait = () => bench.abandon();
  const calls = bench.poller.log.length;
  assert.equal(bench.reactor.run(), null);
  assert.deepEqual(bench.calls(true), []);
  assert.equal(bench.poller.log.length, calls);
});

test("an abandoned worker that wakes inside a call sends nothing and calls nobody after it", (bench) => {
  const peer = bench.peer(1, 20);
  bench.spawn(2);
  const context: Context<Parcel> = bench.spawn(1, {
    receive: (_message, _from, reply) => {
      bench.abandon();
      context.sendParcel(parcelTo(20, 1));
      context.sendParcel(parcelTo(2, 1));
      context.send(20, "a");
      context.send(2, "a");
      context.send(0, "a");
      context.watch(9, 1, 0);
      context.unwatch(7);
      reply("a");
    },
  });
  context.watch(7, 1, 0);
  const calls = bench.poller.log.length;
  bench.letter(1, "go", 1);
  assert.equal(bench.reactor.run(), null);
  assert.deepEqual(bench.calls(true), []);
  assert.deepEqual([peer.receive(), peer.nextParcel()], [undefined, 0]);
  assert.equal(bench.main.receive(), undefined);
  assert.equal(bench.poller.log.length, calls);
});
