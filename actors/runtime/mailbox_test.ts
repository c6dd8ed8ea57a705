import assert from "node:assert/strict";
import type { Parcel } from "./behaviour.ts";
import { Cell, type Introduction, Link, makeBlock, makePosted, makeRings } from "./mailbox.ts";

/** Both ends of a channel whose receivers have the blocks `a` and `b` and the bells 1 and 2. */
function makeChannel() {
  const [a, b] = [makeBlock(), makeBlock()];
  const rings: number[] = [];
  const { port1, port2 } = new MessageChannel();
  const posted = makePosted();
  const memory = makeRings();
  const ring = (bell: number) => void rings.push(bell);
  const toB = new Link(
    { port: port1, posted, rings: memory, side: 0, peer: b.cells.buffer, peerBell: 2 },
    ring,
  );
  const toA = new Link(
    { port: port2, posted, rings: memory, side: 1, peer: a.cells.buffer, peerBell: 1 },
    ring,
  );
  return { a, b, rings, toA, toB, close: () => [toA, toB].forEach((link) => link.close()) };
}

Deno.test("Link delivers in order, and knows without looking whether something is there", () => {
  const { toA, toB, close } = makeChannel();
  assert.equal(toA.pending(), false);
  assert.equal(toA.receive(), undefined);
  for (let i = 0; i < 3; i++) toB.post(i, []);
  assert.deepEqual([toA.pending(), toB.pending()], [true, false]);
  assert.deepEqual([toA.receive(), toA.receive(), toA.receive()], [0, 1, 2]);
  assert.equal(toA.pending(), false);
  close();
});

function parcelOf(slab: number, buffer: ArrayBufferLike = new SharedArrayBuffer(16)): Parcel {
  return { buffer, i32: new Int32Array(buffer), slab };
}

Deno.test("Link introduces a buffer once, and shares its bytes", () => {
  const { toA, toB, close } = makeChannel();
  const parcel = parcelOf(7);
  assert.ok(toB.sendParcel(parcel));
  assert.deepEqual([toA.pending(), toA.nextSlab()], [true, 0], "the introduction comes first");
  const { op, slab, buffer } = toA.receive() as Introduction;
  assert.deepEqual([op, slab, toA.nextSlab()], ["slab", 7, 7]);
  parcel.i32[2] = 42;
  assert.equal(new Int32Array(buffer)[2], 42);
  assert.equal(toA.pending(), false);
  assert.ok(toB.sendParcel(parcel));
  assert.deepEqual([toA.receive(), toA.nextSlab(), toA.nextSlab()], [undefined, 7, 0]);
  toB.forget([7]);
  assert.deepEqual(toA.receive(), { op: "forget", slabs: [7] });
  assert.ok(toB.sendParcel(parcel));
  assert.equal((toA.receive() as Introduction).op, "slab");
  close();
});

Deno.test("Link keeps the order of a letter and the parcels behind it", () => {
  const { toA, toB, close } = makeChannel();
  toB.sendParcel(parcelOf(1));
  toA.receive();
  toB.sendParcel(parcelOf(1));
  toB.post("letter", []);
  toB.sendParcel(parcelOf(1));
  assert.deepEqual([toA.nextSlab(), toA.nextSlab(), toA.nextSlab()], [1, 1, 0]);
  assert.deepEqual([toA.receive(), toA.nextSlab(), toA.pending()], ["letter", 1, false]);
  close();
});

Deno.test("Link refuses a parcel when its ring is full or the buffer is not shared, and none before", () => {
  const { toA, toB, close } = makeChannel();
  assert.equal(toB.sendParcel(parcelOf(9, new ArrayBuffer(16))), false);
  let sent = 0;
  while (toB.sendParcel(parcelOf(1))) sent++;
  assert.equal(sent, 8192);
  toA.receive();
  for (let round = 0; round < 20_000; round++) {
    assert.equal(toA.nextSlab(), 1);
    assert.ok(toB.sendParcel(parcelOf(1)));
  }
  assert.equal(toB.sendParcel(parcelOf(1)), false);
  close();
});

Deno.test("Link rings once for a burst, and only a receiver that sleeps", () => {
  const { b, rings, toB, close } = makeChannel();
  toB.post("awake", []);
  assert.deepEqual(rings, []);
  Atomics.store(b.cells, Cell.sleeping, 1);
  toB.post("asleep", []);
  toB.post("about to wake", []);
  assert.deepEqual(rings, [2]);
  close();
});

/**
 * The doorbell protocol with every interleaving of one sender and one receiver, step by step as Link.post and
 * Reactor.turn do it: no message may stay unread while the receiver sleeps and its bell is silent.
 */
Deno.test("doorbell: no interleaving lets the receiver sleep over a message", () => {
  interface State {
    posted: number;
    seen: number;
    sleeping: number;
    bell: number;
    /** Next step of each: sender 0 post, 1 look at the flag, 2 ring; receiver 0 flag up, 1 look, 2 wait, 3 read. */
    sender: number;
    receiver: number;
    left: number;
  }
  const senderSteps: ((s: State) => void)[] = [
    (s) => (s.posted++, s.sender = 1),
    (s) => {
      s.sender = s.sleeping === 1 ? 2 : 0;
      if (s.sleeping === 1) s.sleeping = 0;
      if (s.sender === 0) s.left--;
    },
    (s) => (s.bell = 1, s.sender = 0, s.left--),
  ];
  const receiverSteps: ((s: State) => boolean)[] = [
    (s) => (s.sleeping = 1, s.receiver = 1, true),
    (s) => (s.receiver = s.posted !== s.seen ? 3 : 2, true),
    // Blocked for as long as the bell is silent; an edge is reported once.
    (s) => s.bell === 1 && (s.bell = 0, s.receiver = 3, true),
    (s) => (s.sleeping = 0, s.seen = s.posted, s.receiver = 0, true),
  ];
  const known = new Set<string>();
  const walk = (s: State): void => {
    const key = JSON.stringify(s);
    if (known.has(key)) return;
    known.add(key);
    const forSender = { ...s };
    if (s.left > 0) {
      senderSteps[s.sender](forSender);
      walk(forSender);
    }
    const forReceiver = { ...s };
    if (receiverSteps[s.receiver](forReceiver)) walk(forReceiver);
    else if (s.left === 0) assert.equal(s.posted, s.seen, `asleep over a message: ${key}`);
  };
  walk({ posted: 0, seen: 0, sleeping: 0, bell: 0, sender: 0, receiver: 0, left: 4 });
  assert.ok(known.size > 100);
});
