import assert from "node:assert/strict";
import { Cell, Link, makeBlock, makePosted } from "./mailbox.ts";
import { makeRings, RING_PARCELS } from "./parcel_ring.ts";

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

Deno.test("sendParcel() detaches the buffer and all its views, then says the slab's number", () => {
  const { toA, toB, close } = makeChannel();
  const view = new Uint8Array([1, 2, 3]);
  toB.sendParcel(7, view.buffer);
  assert.deepEqual([view.buffer.detached, view.length, toA.pending()], [true, 0, true]);
  assert.deepEqual([toA.nextParcel(), toA.nextParcel(), toA.pending()], [7, 0, false]);
  close();
});

Deno.test("nextParcel() lets messages pass that were posted before the parcel", () => {
  const { toA, toB, close } = makeChannel();
  toB.sendParcel(1, new ArrayBuffer(1));
  toB.post("between", []);
  toB.sendParcel(2, new ArrayBuffer(1));
  assert.deepEqual([toA.nextParcel(), toA.nextParcel()], [1, 0]);
  assert.equal(toA.pending(), true);
  assert.deepEqual([toA.receive(), toA.nextParcel()], ["between", 2]);
  close();
});

Deno.test("sendParcel() posts what finds no room in the ring, and the order is kept", () => {
  const { toA, toB, close } = makeChannel();
  for (let slab = 1; slab <= RING_PARCELS + 1; slab++) toB.sendParcel(slab, new ArrayBuffer(1));
  for (let slab = 1; slab <= RING_PARCELS; slab++) assert.equal(toA.nextParcel(), slab);
  toB.sendParcel(RING_PARCELS + 2, new ArrayBuffer(1));
  assert.equal(toA.nextParcel(), 0);
  assert.deepEqual(toA.receive(), { op: "parcel", slab: RING_PARCELS + 1 });
  assert.equal(toA.nextParcel(), RING_PARCELS + 2);
  close();
});

Deno.test("Link rings once for a burst, and only a receiver that sleeps", () => {
  const { b, rings, toB, close } = makeChannel();
  toB.post("awake", []);
  assert.deepEqual(rings, []);
  Atomics.store(b.cells, Cell.sleeping, 1);
  toB.sendParcel(1, new ArrayBuffer(1));
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
