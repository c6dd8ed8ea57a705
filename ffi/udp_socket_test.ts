import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Batch,
  BATCH_PACKETS,
  COUNT,
  DATA,
  INFO,
  INGRESS,
  LENGTH,
  NEXT_SLOT,
  OFFSET,
  OUTER_DF,
  OUTER_DST,
  OUTER_PROTO,
  OUTER_SRC,
  OUTER_TOS,
  REASON,
  SLAB_BYTES,
  SLOT_BYTES,
  slotsFor,
  UDP_PORTS,
} from "../datapath/batch.ts";
import { DropReason } from "../datapath/drop_reason.ts";
import { Epoll, EPOLLET, EPOLLIN } from "./epoll.ts";
import { EADDRINUSE, EMSGSIZE, SyscallError } from "./errno.ts";
import { close } from "./io.ts";
import {
  awaitPackets,
  ifindexOf,
  inside,
  openPacketSocket,
  readPackets,
  type Side,
  withVethPair,
} from "./netns_fixture.ts";
import { newBatch } from "./slab_pointers.ts";
import { openUdpSocket, UdpReceiver, UdpSender, type UdpSocketOptions } from "./udp_socket.ts";

const PORT = 4500;
/** Bytes before a received packet: its inner packet, 8 bytes on at the least, needs a vnet header of 10 before it. */
const ROOM_BEFORE = 2;

interface Setup {
  readonly a: Side;
  readonly b: Side;
  readonly sender: UdpSender;
  readonly receiver: UdpReceiver;
  readonly out: Batch;
  readonly into: Batch;
}

async function withSockets(mtu: number, options: UdpSocketOptions, fn: (s: Setup) => void): Promise<void> {
  await withVethPair(mtu, (a, b) => {
    const sendFd = inside(a, () => openUdpSocket(PORT, options));
    const receiveFd = inside(b, () => openUdpSocket(PORT, options));
    try {
      const sender = new UdpSender(sendFd, PORT);
      const receiver = new UdpReceiver(receiveFd, PORT);
      fn({ a, b, sender, receiver, out: newBatch(), into: newBatch() });
    } finally {
      close(sendFd);
      close(receiveFd);
    }
  });
}

/** Appends an outer packet with room for its headers: `payload` bytes that begin with `number` and count up. */
function appendUdp(batch: Batch, from: Side, to: Side, payload: number, number: number, tos = 0): number {
  const i = batch.append(28 + payload);
  if (i < 0) throw new Error("the batch is full");
  const { i32, view } = batch;
  const at = i32[OFFSET + i] + 28;
  for (let k = 0; k < payload; k++) view.setUint8(at + k, number + k);
  i32[OUTER_SRC + i] = from.u32;
  i32[OUTER_DST + i] = to.u32;
  i32[OUTER_DF + i] = 1;
  i32[OUTER_TOS + i] = tos;
  i32[UDP_PORTS + i] = (PORT << 16) | PORT;
  return i;
}

/** Sends the whole batch and empties it. */
function flush({ sender, out }: Setup): void {
  assert.equal(sender.send(out, 0), out.i32[COUNT]);
  out.clear();
}

/** Receives until `want` packets came; checks that packet n begins with n and has lengths[n] bytes. */
function receiveAll(
  s: Setup,
  lengths: readonly number[],
  each?: (batch: Batch, i: number, n: number) => void,
): void {
  const epoll = new Epoll();
  epoll.add(s.receiver.fd, EPOLLIN, 1);
  try {
    let n = 0;
    while (n < lengths.length) {
      if (s.receiver.pending === 0 && epoll.wait(5000) === 0) {
        throw new Error(`${n} of ${lengths.length} packets arrived`);
      }
      const received = s.receiver.receive(s.into);
      assert.ok(received > 0, `receive answered ${received}`);
      for (let i = 0; i < received; i++, n++) {
        const { i32, u8 } = s.into;
        const at = i32[OFFSET + i];
        assert.ok(at >= DATA + ROOM_BEFORE && at + lengths[n] <= SLAB_BYTES);
        assert.equal(i32[LENGTH + i], lengths[n], `packet ${n}`);
        for (let k = 0; k < lengths[n]; k++) {
          if (u8[at + k] !== ((n + k) & 0xff)) assert.fail(`packet ${n} differs at byte ${k}`);
        }
        each?.(s.into, i, n);
      }
    }
    assert.equal(s.receiver.receive(s.into), 0);
  } finally {
    epoll.close();
  }
}

/** Tells of each message that comes into a socket: on a busy machine it does so some time after it was sent. */
class Arrivals implements Disposable {
  readonly #epoll = new Epoll();

  constructor(fd: number) {
    this.#epoll.add(fd, EPOLLIN | EPOLLET, 1);
  }

  next(): void {
    if (this.#epoll.wait(5000) === 0) throw new Error("nothing arrived");
  }

  [Symbol.dispose](): void {
    this.#epoll.close();
  }
}

for (const zeroChecksum of [false, true]) {
  Deno.test(`UdpSender and UdpReceiver carry a full batch with all its fields, zeroChecksum ${zeroChecksum}`, async () => {
    await withSockets(1500, { zeroChecksum }, (s) => {
      const { a, b } = s;
      const watcher = inside(b, () => openPacketSocket());
      try {
        const ifindex = ifindexOf(b);
        const lengths = Array.from({ length: BATCH_PACKETS }, (_, n) => n < 40 ? 1400 : 1000 + 7 * n);
        for (const [n, length] of lengths.entries()) appendUdp(s.out, a, b, length, n, n < 50 ? 0x28 : 0x48);
        assert.equal(s.sender.send(s.out, 0), BATCH_PACKETS);
        receiveAll(s, lengths, ({ i32 }, i, n) => {
          assert.equal(i32[OUTER_SRC + i], a.u32);
          assert.equal(i32[OUTER_DST + i], b.u32);
          assert.equal(i32[UDP_PORTS + i], (PORT << 16) | PORT);
          assert.equal(i32[OUTER_PROTO + i], 50);
          assert.equal(i32[OUTER_TOS + i], n < 50 ? 0x28 : 0x48);
          assert.equal(i32[INGRESS + i], ifindex);
          assert.equal(i32[REASON + i], 0);
        });
        const seen = readPackets(watcher);
        assert.ok(seen.length > 0);
        for (const { view } of seen) {
          assert.equal(view.getUint16(6), 0x4000, "DF set");
          assert.equal(view.getUint32(12), a.u32);
          assert.equal(view.getUint16(26) === 0, zeroChecksum, "UDP checksum");
        }
        // Forty packets of one length are one message where the kernel segments.
        assert.equal(seen.length < BATCH_PACKETS - 30, !zeroChecksum, `${seen.length} messages`);
      } finally {
        close(watcher);
      }
    });
  });
}

Deno.test("UdpSender shares out what one message can't hold, UdpReceiver keeps a message in one batch", async () => {
  await withSockets(1500, {}, (s) => {
    const watcher = inside(s.b, () => openPacketSocket());
    try {
      const lengths = new Array<number>(90).fill(1460);
      for (const [n, length] of lengths.entries()) {
        appendUdp(s.out, s.a, s.b, length, n);
        if (n % 45 === 44) flush(s);
      }
      const messages = awaitPackets(watcher, 4);
      assert.deepEqual(messages.map(({ length }) => (length - 28) / 1460), [23, 22, 23, 22]);
      const batches: number[] = [];
      receiveAll(s, lengths, ({ i32 }, i) => i === 0 && batches.push(i32[COUNT]));
      assert.deepEqual(batches, [45, 45]);
    } finally {
      close(watcher);
    }
  });
});

Deno.test("UdpReceiver keeps the order of super-packets, single packets and what waits", async () => {
  await withSockets(1500, {}, (s) => {
    const lengths: number[] = [];
    for (let round = 0; round < 6; round++) {
      s.out.clear();
      for (let k = 0; k < BATCH_PACKETS; k++) {
        const length = k < 50 ? 1300 : 100 + k;
        appendUdp(s.out, s.a, s.b, length, lengths.length);
        lengths.push(length);
      }
      assert.equal(s.sender.send(s.out, 0), BATCH_PACKETS);
    }
    receiveAll(s, lengths);
  });
});

Deno.test("UdpReceiver leaves the packets of long messages where they came in", async () => {
  await withSockets(1500, {}, (s) => {
    using arrivals = new Arrivals(s.receiver.fd);
    const send = (packets: number, bytes: number) => {
      s.out.clear();
      for (let n = 0; n < packets; n++) appendUdp(s.out, s.a, s.b, bytes, n);
      assert.equal(s.sender.send(s.out, 0), packets);
      arrivals.next();
    };
    const places = () => {
      assert.ok(s.receiver.receive(s.into) > 0);
      const { i32 } = s.into;
      return Array.from({ length: i32[COUNT] }, (_, i) => i32[OFFSET + i] - i32[OFFSET]);
    };
    const packed = (packets: number, bytes: number) => Array.from({ length: packets }, (_, n) => n * bytes);
    const half = (SLAB_BYTES - DATA) / 2;
    send(30, 1460);
    assert.equal(places()[1], SLOT_BYTES, "nothing told of a long message");
    send(30, 1460);
    send(30, 1460);
    assert.deepEqual(places(), [...packed(30, 1460), ...packed(30, 1460).map((at) => at + half)]);
    send(40, 1460);
    send(40, 1460);
    assert.deepEqual(places(), packed(40, 1460), "the second finds no room");
    assert.equal(places()[1], SLOT_BYTES, "it waited");
    send(44, 1460);
    assert.deepEqual(places(), packed(44, 1460));
    send(2, 100);
    assert.deepEqual(places(), packed(2, 100));
    send(2, 100);
    assert.equal(places()[1], SLOT_BYTES, "the last one was short");
  });
});

Deno.test("UdpReceiver keeps the order of any mixture of lengths", async () => {
  await withSockets(65535, {}, (s) => {
    const run = fc.tuple(
      fc.oneof(
        { weight: 6, arbitrary: fc.integer({ min: 1, max: 1984 }) },
        fc.integer({ min: 1985, max: 40_000 }),
      ),
      fc.integer({ min: 1, max: 70 }),
    );
    fc.assert(
      fc.property(fc.array(run, { minLength: 1, maxLength: 12 }), (runs) => {
        const lengths = runs.flatMap(([length, times]) =>
          new Array<number>(length > 1984 ? 1 : times).fill(length)
        );
        s.out.clear();
        for (const [n, length] of lengths.entries()) {
          const { i32 } = s.out;
          if (i32[COUNT] === BATCH_PACKETS || i32[NEXT_SLOT] + slotsFor(28 + length) > BATCH_PACKETS) {
            flush(s);
          }
          appendUdp(s.out, s.a, s.b, length, n);
        }
        flush(s);
        receiveAll(s, lengths);
      }),
      { numRuns: 60 },
    );
  });
});

Deno.test("UdpReceiver takes payloads longer than a slot", async () => {
  await withSockets(65535, {}, (s) => {
    const lengths = [1984, 1985, 9000, 65507, 1];
    for (const [n, length] of lengths.entries()) {
      s.out.clear();
      appendUdp(s.out, s.a, s.b, length, n);
      assert.equal(s.sender.send(s.out, 0), 1);
      assert.equal(s.out.i32[REASON], 0, `errno ${s.out.i32[INFO]}`);
    }
    receiveAll(s, lengths);
  });
});

Deno.test("UdpSender sends a refused message's packets one by one and marks those that are too long", async () => {
  await withSockets(1500, {}, (s) => {
    for (let n = 0; n < 3; n++) appendUdp(s.out, s.a, s.b, 1000, n);
    for (let n = 0; n < 3; n++) appendUdp(s.out, s.a, s.b, 1900, 99);
    for (let n = 3; n < 6; n++) appendUdp(s.out, s.a, s.b, 1000, n);
    assert.equal(s.sender.send(s.out, 0), 9);
    const { OutError } = DropReason;
    assert.deepEqual(Array.from(s.out.i32.subarray(REASON, REASON + 9)), [
      0,
      0,
      0,
      OutError,
      OutError,
      OutError,
      0,
      0,
      0,
    ]);
    assert.equal(s.out.i32[INFO + 3], EMSGSIZE);
    receiveAll(s, [1000, 1000, 1000, 1000, 1000, 1000]);
    // Segmenting goes on with the next batch.
    s.out.clear();
    for (let n = 0; n < 10; n++) appendUdp(s.out, s.a, s.b, 1000, n);
    const watcher = inside(s.b, () => openPacketSocket());
    try {
      assert.equal(s.sender.send(s.out, 0), 10);
      receiveAll(s, new Array(10).fill(1000));
      assert.equal(readPackets(watcher).length, 1);
    } finally {
      close(watcher);
    }
  });
});

Deno.test("UdpSender leaves alone what is refused, not in UDP, from another port or may be fragmented", async () => {
  await withSockets(1500, {}, (s) => {
    for (let n = 0; n < 5; n++) appendUdp(s.out, s.a, s.b, 500, n === 4 ? 0 : 99);
    s.out.i32[REASON] = DropReason.OutPolBlock;
    s.out.i32[UDP_PORTS + 1] = 0;
    s.out.i32[UDP_PORTS + 2] = (500 << 16) | PORT;
    s.out.i32[OUTER_DF + 3] = 0;
    assert.equal(s.sender.send(s.out, 0), s.out.i32[COUNT]);
    receiveAll(s, [500]);
  });
});

Deno.test("openUdpSocket() says who has the port", async () => {
  await withVethPair(1500, (a) => {
    const fd = inside(a, () => openUdpSocket(PORT));
    try {
      assert.throws(
        () => inside(a, () => openUdpSocket(PORT)),
        (error: unknown) =>
          error instanceof SyscallError && error.errno === EADDRINUSE &&
          /another program/.test(error.message),
      );
    } finally {
      close(fd);
    }
  });
});
