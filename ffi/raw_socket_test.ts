import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Batch,
  BATCH_PACKETS,
  COUNT,
  DATA,
  ESP_AT,
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
  PATH_MTU,
  REASON,
  SLOT_BYTES,
  UDP_PORTS,
} from "../datapath/batch.ts";
import { DropReason } from "../datapath/drop_reason.ts";
import { Epoll, EPOLLIN } from "./epoll.ts";
import { EMSGSIZE, ENETUNREACH } from "./errno.ts";
import { close } from "./io.ts";
import {
  ifindexOf,
  inside,
  ip,
  openPacketSocket,
  readPackets,
  type Side,
  withVethPair,
} from "./netns_fixture.ts";
import { MmsgReceiver, MmsgSender, openRawSocket } from "./raw_socket.ts";
import { newBatch } from "./slab_pointers.ts";

/** Appends an outer packet: IP header with `tos` and protocol 50, then `payload` bytes that count up from `seed`. */
function appendOuter(
  batch: Batch,
  from: Side,
  to: Side,
  payload: number,
  seed: number,
  tos = 0,
  df = true,
): number {
  const i = batch.append(20 + payload);
  if (i < 0) throw new Error("the batch is full");
  const { i32, view } = batch;
  const at = i32[OFFSET + i];
  view.setUint16(at, 0x4500 | tos);
  view.setUint16(at + 2, 20 + payload);
  view.setUint16(at + 4, 0);
  view.setUint16(at + 6, df ? 0x4000 : 0);
  view.setUint16(at + 8, (64 << 8) | 50);
  view.setInt32(at + 12, from.u32);
  view.setInt32(at + 16, to.u32);
  for (let k = 0; k < payload; k++) view.setUint8(at + 20 + k, seed + k);
  i32[OUTER_SRC + i] = from.u32;
  i32[OUTER_DST + i] = to.u32;
  i32[OUTER_DF + i] = df ? 1 : 0;
  i32[OUTER_PROTO + i] = 50;
  return i;
}

/** Receives until `want` packets came, waiting by epoll. Calls `each` for every batch. */
function receiveAll(receiver: MmsgReceiver, batch: Batch, want: number, each: (batch: Batch) => void): void {
  const epoll = new Epoll();
  epoll.add(receiver.fd, EPOLLIN, 1);
  try {
    let got = 0;
    while (got < want) {
      if (receiver.pending === 0 && epoll.wait(5000) === 0) {
        throw new Error(`${got} of ${want} packets arrived`);
      }
      const n = receiver.receive(batch);
      assert.ok(n > 0, `receive answered ${n}`);
      assert.equal(n, batch.i32[COUNT]);
      got += n;
      each(batch);
    }
    assert.equal(got, want);
  } finally {
    epoll.close();
  }
}

function checkPayload(batch: Batch, i: number, payload: number, seed: number): void {
  assert.equal(batch.i32[LENGTH + i], payload);
  const at = batch.i32[OFFSET + i];
  for (let k = 0; k < payload; k++) {
    if (batch.u8[at + k] !== ((seed + k) & 0xff)) assert.fail(`packet ${i} differs at byte ${k}`);
  }
}

/** A sender in `a` and a receiver in `b`. */
async function withSockets(
  mtu: number,
  fn: (s: { a: Side; b: Side; sender: MmsgSender; receiver: MmsgReceiver; out: Batch; into: Batch }) => void,
): Promise<void> {
  await withVethPair(mtu, (a, b) => {
    const sendFd = inside(a, () => openRawSocket(255));
    const receiveFd = inside(b, () => openRawSocket(50));
    const [sender, receiver, out, into] = [
      new MmsgSender(sendFd),
      new MmsgReceiver(receiveFd),
      newBatch(),
      newBatch(),
    ];
    try {
      // The kernel drops what is more than 200 KB while it looks for the neighbour.
      appendOuter(out, a, b, 40, 0);
      assert.equal(sender.send(out, 0), 1);
      receiveAll(receiver, into, 1, () => {});
      out.clear();
      fn({ a, b, sender, receiver, out, into });
    } finally {
      close(sendFd);
      close(receiveFd);
    }
  });
}

Deno.test("MmsgSender and MmsgReceiver carry a full batch with all its fields", async () => {
  await withSockets(1500, ({ a, b, sender, receiver, out, into }) => {
    for (let i = 0; i < BATCH_PACKETS; i++) appendOuter(out, a, b, 1400 + i, i, i << 2);
    assert.equal(sender.send(out, 0), BATCH_PACKETS);
    const ifindex = ifindexOf(b);
    let seen = 0;
    receiveAll(receiver, into, BATCH_PACKETS, (batch) => {
      for (let i = 0; i < batch.i32[COUNT]; i++, seen++) {
        checkPayload(batch, i, 1400 + seen, seen);
        assert.equal(batch.i32[OFFSET + i], DATA + i * SLOT_BYTES + ESP_AT);
        assert.equal(batch.i32[OUTER_SRC + i], a.u32);
        assert.equal(batch.i32[OUTER_DST + i], b.u32);
        assert.equal(batch.i32[OUTER_TOS + i], (seen << 2) & 0xff);
        assert.equal(batch.i32[OUTER_PROTO + i], 50);
        assert.equal(batch.i32[UDP_PORTS + i], 0);
        assert.equal(batch.i32[INGRESS + i], ifindex);
        assert.equal(batch.i32[REASON + i], 0);
      }
      assert.equal(batch.i32[NEXT_SLOT], batch.i32[COUNT]);
    });
    assert.equal(receiver.receive(into), 0);
  });
});

Deno.test("MmsgReceiver puts jumbo packets together over several slots and batches", async () => {
  await withSockets(65535, ({ a, b, sender, receiver, out, into }) => {
    // 2004 bytes fit a slot with the IP header, 2005 do not; four of the longest need three batches.
    const payloads = [100, 1984, 1985, 9000, 65515, 65515, 65515, 65515, 40];
    for (const [i, payload] of payloads.entries()) {
      out.clear();
      appendOuter(out, a, b, payload, i);
      assert.equal(sender.send(out, 0), 1);
      assert.equal(out.i32[REASON], 0, `errno ${out.i32[INFO]}`);
    }
    const lengths: number[] = [];
    receiveAll(receiver, into, payloads.length, (batch) => {
      for (let i = 0; i < batch.i32[COUNT]; i++) {
        const length = batch.i32[LENGTH + i];
        const seed = batch.u8[batch.i32[OFFSET + i]];
        checkPayload(batch, i, payloads[seed], seed);
        assert.ok(batch.i32[OFFSET + i] + length <= DATA + batch.i32[NEXT_SLOT] * SLOT_BYTES);
        assert.equal(batch.i32[OUTER_SRC + i], a.u32);
        lengths.push(length);
      }
    });
    assert.deepEqual(lengths.toSorted((x, y) => x - y), payloads.toSorted((x, y) => x - y));
  });
});

Deno.test("MmsgSender fragments what is longer than PATH_MTU and may be fragmented", async () => {
  await withSockets(1500, ({ a, b, sender, receiver, out, into }) => {
    const watcher = inside(b, () => openPacketSocket());
    try {
      appendOuter(out, a, b, 100, 0, 0x88);
      const long = appendOuter(out, a, b, 4000, 1, 0x88, false);
      out.i32[PATH_MTU + long] = 1400;
      appendOuter(out, a, b, 100, 2, 0x88);
      const longest = appendOuter(out, a, b, 65515, 3, 0, false);
      out.i32[PATH_MTU + longest] = 576;
      assert.equal(sender.send(out, 0), 4);
      assert.deepEqual(Array.from(out.i32.subarray(REASON, REASON + 4)), [0, 0, 0, 0]);
      const payloads = [100, 4000, 100, 65515];
      receiveAll(receiver, into, 4, (batch) => {
        for (let i = 0; i < batch.i32[COUNT]; i++) {
          const seed = batch.u8[batch.i32[OFFSET + i]];
          checkPayload(batch, i, payloads[seed], seed);
        }
      });
      const fragments = readPackets(watcher).filter((p) => (p.view.getUint16(6) & 0x3fff) !== 0);
      const ofLong = fragments.filter((p) => p.view.getUint8(1) === 0x88);
      assert.deepEqual(ofLong.map((p) => p.view.getUint16(6)), [0x2000, 0x2000 | 172, 344]);
      assert.equal(new Set(ofLong.map((p) => p.view.getUint16(4))).size, 1);
      assert.notEqual(ofLong[0].view.getUint16(4), 0);
      assert.ok(ofLong.every((p) => p.view.getUint32(12) === a.u32 && p.length <= 1400));
      assert.equal(fragments.length - ofLong.length, Math.ceil(65515 / 552));
    } finally {
      close(watcher);
    }
  });
});

Deno.test("MmsgSender marks packets the kernel refuses and sends the others", async () => {
  await withSockets(1500, ({ a, b, sender, receiver, out, into }) => {
    appendOuter(out, a, b, 100, 0);
    appendOuter(out, a, b, 3000, 1);
    const stranger = appendOuter(out, a, b, 100, 2);
    out.i32[OUTER_DST + stranger] = 0x08080808;
    const dropped = appendOuter(out, a, b, 100, 3);
    out.i32[REASON + dropped] = DropReason.OutPolBlock;
    const tiny = appendOuter(out, a, b, 3000, 4, 0, false);
    out.i32[PATH_MTU + tiny] = 67;
    appendOuter(out, a, b, 100, 5);
    assert.equal(sender.send(out, 0), 6);
    const { OutError, OutPolBlock } = DropReason;
    assert.deepEqual(Array.from(out.i32.subarray(REASON, REASON + 6)), [
      0,
      OutError,
      OutError,
      OutPolBlock,
      OutError,
      0,
    ]);
    assert.deepEqual([1, 2, 4].map((i) => out.i32[INFO + i]), [EMSGSIZE, ENETUNREACH, EMSGSIZE]);
    const seeds: number[] = [];
    receiveAll(receiver, into, 2, (batch) => {
      for (let i = 0; i < batch.i32[COUNT]; i++) seeds.push(batch.u8[batch.i32[OFFSET + i]]);
    });
    assert.deepEqual(seeds, [0, 5]);
  });
});

/** A receiver without a socket, to give it any bytes. */
class Lander extends MmsgReceiver {
  constructor() {
    super(-1);
  }

  landBytes(batch: Batch, bytes: Uint8Array): number {
    const slot = DATA + 3 * SLOT_BYTES;
    batch.u8.fill(0xee);
    batch.u8.set(bytes, slot + ESP_AT - 20);
    return this.land(batch, 0, 0, slot, slot + ESP_AT - 20, bytes.length);
  }
}

Deno.test("MmsgReceiver marks malformed packets and stays inside the slot, whatever comes", () => {
  const lander = new Lander();
  const batch = newBatch();
  const header = (first: number, total: number, rest: number[] = []) => {
    return Uint8Array.from([first, 0, total >> 8, total & 0xff, ...new Array(16).fill(0), ...rest]);
  };
  assert.equal(lander.landBytes(batch, header(0x45, 20)), 0);
  assert.equal(lander.landBytes(batch, header(0x45, 22, [1, 2, 3])), 2, "the total length counts");
  assert.equal(lander.landBytes(batch, header(0x45, 99, [1, 2, 3])), 3, "what was received counts");
  assert.equal(lander.landBytes(batch, header(0x65, 20)), -1, "version 6");
  assert.equal(lander.landBytes(batch, header(0x44, 20)), -1, "header of 16 bytes");
  assert.equal(lander.landBytes(batch, header(0x46, 20)), -1, "header longer than the packet");
  assert.equal(lander.landBytes(batch, header(0x45, 19)), -1, "total length below the header");
  assert.equal(lander.landBytes(batch, header(0x45, 20).subarray(0, 19)), -1, "short");
  assert.equal(lander.landBytes(batch, new Uint8Array(0)), -1, "empty");
  const slot = DATA + 3 * SLOT_BYTES;
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), fc.nat(15), (bytes, ihl) => {
      if (bytes.length > 0) bytes[0] = 0x40 | ihl;
      const rest = lander.landBytes(batch, bytes);
      assert.ok(rest >= -1 && rest <= bytes.length);
      assert.equal(batch.u8[slot - 1], 0xee);
      if (rest >= 0) {
        const payload = bytes.subarray(ihl * 4, ihl * 4 + rest);
        assert.deepEqual(batch.u8.slice(slot + ESP_AT, slot + ESP_AT + rest), Uint8Array.from(payload));
      }
    }),
    { numRuns: 2000 },
  );
});

Deno.test("MmsgReceiver keeps IP options before the payload", async () => {
  await withSockets(1500, ({ a, b, sender, receiver, out, into }) => {
    // 24 bytes of options: a record route of 23 with room for 5, and an end of options.
    const i = appendOuter(out, a, b, 24 + 200, 0);
    const { view, u8 } = out;
    const at = out.i32[OFFSET + i];
    view.setUint8(at, 0x4b);
    u8.fill(0, at + 20, at + 44);
    u8.set([7, 23, 4], at + 20);
    for (let k = 0; k < 200; k++) u8[at + 44 + k] = k;
    assert.equal(sender.send(out, 0), 1);
    receiveAll(receiver, into, 1, (batch) => {
      assert.equal(batch.i32[REASON], 0);
      checkPayload(batch, 0, 200, 0);
      const header = batch.i32[OFFSET] - 44;
      assert.equal(batch.u8[header], 0x4b);
      assert.equal(batch.view.getUint32(header + 12), a.u32);
      assert.equal(batch.u8[header + 20], 7);
    });
  });
});

Deno.test("MmsgSender stops at a full socket and says where", async () => {
  await withSockets(1500, ({ a, b, sender, out }) => {
    // A rate at which nothing leaves: the socket's own buffer fills up.
    ip(a, `link set ${a.device} txqueuelen 100000`);
    for (const words of [`${a.device} root tbf rate 8kbit burst 2000 limit 100000000`]) {
      const args = ["-n", a.netns, "qdisc", "add", "dev", ...words.split(" ")];
      assert.ok(new Deno.Command("tc", { args }).outputSync().success, `tc ${args.join(" ")}`);
    }
    let handled = BATCH_PACKETS;
    for (let round = 0; round < 1000 && handled === BATCH_PACKETS; round++) {
      out.clear();
      for (let i = 0; i < BATCH_PACKETS; i++) appendOuter(out, a, b, 1400, i);
      handled = sender.send(out, 0);
    }
    assert.ok(handled < BATCH_PACKETS);
    assert.equal(out.i32[REASON + handled], 0);
    assert.ok(sender.lastErrno !== 0);
  });
});
