import assert from "node:assert/strict";
import { type Batch, LENGTH, OFFSET, OUTER_PROTO, OUTER_SRC } from "../datapath/batch.ts";
import { Epoll, EPOLLIN } from "./epoll.ts";
import { EBADF } from "./errno.ts";
import { openIcmp6Socket, openIcmpErrorSocket, openIcmpSocket, sendIcmp4, sendIcmp6 } from "./icmp_socket.ts";
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
import { MmsgReceiver } from "./raw_socket.ts";
import { newBatch } from "./slab_pointers.ts";

/** ICMP fragmentation needed, next-hop MTU 1400, quoting 28 zero bytes; checksum included. */
function fragmentationNeeded(): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(36);
  const view = new DataView(message.buffer);
  view.setUint16(0, 0x0304);
  view.setUint16(6, 1400);
  view.setUint16(2, ~(0x0304 + 1400) & 0xffff);
  return message;
}

/** Waits for one packet on a receiver's socket. */
function receiveOne(receiver: MmsgReceiver): Batch {
  const batch = newBatch();
  const epoll = new Epoll();
  epoll.add(receiver.fd, EPOLLIN, 0);
  try {
    assert.ok(epoll.wait(5000) > 0, "nothing came");
    assert.equal(receiver.receive(batch), 1);
    return batch;
  } finally {
    epoll.close();
  }
}

async function withIcmp(
  fn: (a: Side, b: Side, fd: number, receiver: MmsgReceiver, watcher: number) => void,
): Promise<void> {
  await withVethPair(1500, (a, b) => {
    const fds = [
      inside(a, () => openIcmpSocket()),
      inside(b, () => openIcmpErrorSocket()),
      inside(b, () => openPacketSocket()),
    ];
    try {
      fn(a, b, fds[0], new MmsgReceiver(fds[1]), fds[2]);
    } finally {
      fds.forEach(close);
    }
  });
}

Deno.test("sendIcmp4() sends with TOS, DF clear, and the source that routing or the caller chooses", async () => {
  await withIcmp((a, b, fd, receiver, watcher) => {
    ip(a, `address add 10.77.9.9/32 dev ${a.device}`);
    const message = fragmentationNeeded();
    for (const src of [0, 0x0a4d0909]) {
      assert.equal(sendIcmp4(fd, b.u32, 0xc0, message, message.length, src), message.length);
      const { i32, u8 } = receiveOne(receiver);
      assert.equal(i32[OUTER_PROTO], 1);
      assert.equal(i32[OUTER_SRC], src === 0 ? a.u32 : src);
      assert.equal(i32[LENGTH], message.length);
      assert.deepEqual(u8.slice(i32[OFFSET], i32[OFFSET] + message.length), message);
    }
    for (const { view } of readPackets(watcher)) {
      assert.equal(view.getUint8(1), 0xc0);
      assert.equal(view.getUint16(6), 0);
    }
  });
});

Deno.test("openIcmpErrorSocket() receives errors only, openIcmpSocket() nothing", async () => {
  await withIcmp((_a, b, fd, receiver) => {
    const echo = new Uint8Array(8);
    echo[0] = 8;
    echo.set([0xf7, 0xff], 2);
    assert.equal(sendIcmp4(fd, b.u32, 0, echo, 8), 8);
    const message = fragmentationNeeded();
    sendIcmp4(fd, b.u32, 0, message, message.length);
    const batch = receiveOne(receiver);
    assert.equal(batch.u8[batch.i32[OFFSET]], 3);
    // The echo reply came back before: the filter kept it away.
    assert.equal(new MmsgReceiver(fd).receive(batch), 0);
  });
});

Deno.test("sendIcmp6() sends to global and link-local addresses, the kernel completes the checksum", async () => {
  await withVethPair(1500, (a, b) => {
    const six = (host: number) => Uint8Array.of(0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host);
    for (const [i, side] of [a, b].entries()) {
      ip(side, `address add fd00::${i + 1}/64 dev ${side.device} nodad`);
    }
    const fd = inside(a, () => openIcmp6Socket());
    const watcher = inside(b, () => openPacketSocket(0x86dd));
    try {
      const tooBig = new Uint8Array(48);
      tooBig[0] = 2;
      const linkLocal = Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2);
      ip(b, `address add fe80::2/64 dev ${b.device} nodad`);
      assert.equal(sendIcmp6(fd, six(2), 0x28, tooBig, 48, 0), 48);
      assert.equal(sendIcmp6(fd, linkLocal, 0x28, tooBig, 48, ifindexOf(a)), 48);
      const arrived: string[] = [];
      const epoll = new Epoll();
      epoll.add(watcher, EPOLLIN, 0);
      try {
        while (arrived.length < 2) {
          assert.ok(epoll.wait(5000) > 0, `${arrived.length} of 2 came`);
          for (const { view } of readPackets(watcher)) {
            if (view.getUint8(6) !== 58 || view.getUint8(40) !== 2) continue;
            assert.equal((view.getUint16(0) >> 4) & 0xff, 0x28);
            assert.notEqual(view.getUint16(42), 0);
            arrived.push(view.getUint16(24).toString(16));
          }
        }
        assert.deepEqual(arrived.sort(), ["fd00", "fe80"]);
      } finally {
        epoll.close();
      }
    } finally {
      close(fd);
      close(watcher);
    }
  });
});

Deno.test("sendIcmp4() and sendIcmp6() send from an address to itself only where it is this host's", async () => {
  await withVethPair(1500, (a, b) => {
    ip(a, `address add fd00::1/64 dev ${a.device} nodad`);
    const [four, six] = [inside(a, () => openIcmpSocket()), inside(a, () => openIcmp6Socket())];
    try {
      const message = fragmentationNeeded();
      const sent4 = (to: number) => sendIcmp4(four, to, 0, message, message.length, to);
      assert.equal(sent4(a.u32), message.length);
      assert.ok(sent4(b.u32) < 0);
      const address = (host: number) => Uint8Array.of(0xfd, ...new Uint8Array(14), host);
      const sent6 = (host: number) =>
        sendIcmp6(six, address(host), 0, new Uint8Array(48).fill(1, 0, 1), 48, 0, true);
      assert.equal(sent6(1), 48);
      assert.ok(sent6(2) < 0);
    } finally {
      close(four);
      close(six);
    }
  });
});

Deno.test("sendIcmp4() answers -errno", () => {
  assert.equal(sendIcmp4(-1, 0x7f000001, 0, new Uint8Array(8), 8), -EBADF);
});
