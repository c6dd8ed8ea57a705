import assert from "node:assert/strict";
import { OFFSET } from "../datapath/batch.ts";
import { EAGAIN, EBUSY, EINVAL, EIO, SyscallError } from "./errno.ts";
import { Epoll, EPOLLIN } from "./epoll.ts";
import { close, writeSlab } from "./io.ts";
import { createNetns, deleteNetns, netnsInode, openNetns, withNetns } from "./netns.ts";
import { Rtnetlink } from "./rtnetlink.ts";
import { newBatch } from "./slab_pointers.ts";
import {
  ARPHRD_TUNNEL,
  closeTun,
  closeTunAside,
  openTun,
  readPacket,
  setCarrier,
  setLinkType,
  setOffload,
  setPersist,
  setVnetHdrSize,
  TUN_F_ALL,
  TUN_F_CSUM,
  tunPlace,
  VNET_HDR_BYTES,
  writePacket,
} from "./tun.ts";

let number = 0;

async function withNamespace(fn: (netns: number, rtnl: Rtnetlink) => unknown): Promise<void> {
  const name = `vtt${Deno.pid}t${++number}`;
  createNetns(name);
  const fd = openNetns(name);
  const rtnl = withNetns(fd, () => new Rtnetlink());
  try {
    await fn(fd, rtnl);
  } finally {
    rtnl.close();
    close(fd);
    deleteNetns(name);
  }
}

/** An ICMP echo request from 10.9.9.2 to 10.9.9.1, checksums included. */
function echoRequest(): Uint8Array<ArrayBuffer> {
  const packet = new Uint8Array(28);
  const view = new DataView(packet.buffer);
  packet.set([0x45, 0, 0, 28, 0, 1, 0, 0, 64, 1, 0, 0, 10, 9, 9, 2, 10, 9, 9, 1, 8, 0, 0, 0, 0, 7, 0, 1]);
  const sum = (from: number, to: number) => {
    let total = 0;
    for (let at = from; at < to; at += 2) total += view.getUint16(at);
    while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
    return ~total & 0xffff;
  };
  view.setUint16(10, sum(0, 20));
  view.setUint16(22, sum(20, 28));
  return packet;
}

/** Waits until the device has an IPv4 packet (IPv6 talks of its own accord) and returns it. */
function nextIpv4(fd: number, read: () => Uint8Array | null): Uint8Array {
  const epoll = new Epoll();
  epoll.add(fd, EPOLLIN, 0);
  try {
    for (;;) {
      const packet = read();
      if (packet === null) assert.ok(epoll.wait(5000) > 0, "no packet came");
      else if (packet[0] >> 4 === 4) return packet;
    }
  } finally {
    epoll.close();
  }
}

Deno.test("a packet written to a TUN device is answered by the kernel", async () => {
  await withNamespace((netns, rtnl) => {
    const tun = openTun({ name: "tun%d", netns });
    try {
      assert.equal(tun.name, "tun0");
      assert.equal(rtnl.link("tun0")!.ifindex, tun.ifindex);
      const packet = echoRequest();
      assert.equal(writePacket(tun.fd, packet), -EIO, "the device is down");
      rtnl.setLink({ ifindex: tun.ifindex, up: true });
      rtnl.addAddress(tun.ifindex, Uint8Array.of(10, 9, 9, 1), 24);
      assert.equal(writePacket(tun.fd, packet), packet.length);
      const buffer = new Uint8Array(2048);
      const answer = nextIpv4(tun.fd, () => {
        const n = readPacket(tun.fd, buffer);
        if (n === -EAGAIN) return null;
        assert.ok(n > 0, `read answered ${n}`);
        return buffer.subarray(0, n);
      });
      assert.equal(answer.length, 28);
      assert.deepEqual(Array.from(answer.subarray(12, 21)), [10, 9, 9, 1, 10, 9, 9, 2, 0]);
    } finally {
      closeTun(tun);
    }
    assert.equal(rtnl.link("tun0"), null);
  });
});

Deno.test("closeTunAside() takes the device away while this thread goes on", async () => {
  await withNamespace(async (netns, rtnl) => {
    const tun = openTun({ name: "tun0", netns });
    const events: string[] = [];
    const closing = closeTunAside(tun.fd).then(() => events.push("closed"));
    await new Promise((resolve) => setTimeout(resolve));
    events.push("went on");
    await closing;
    assert.deepEqual(events, ["went on", "closed"]);
    assert.equal(rtnl.link("tun0"), null);
  });
});

Deno.test("writeSlab() writes a packet with its vnet header", async () => {
  await withNamespace((netns, rtnl) => {
    const tun = openTun({ name: "tun7", netns, vnetHdr: true });
    try {
      assert.equal(setOffload(tun.fd, TUN_F_ALL) & TUN_F_CSUM, TUN_F_CSUM);
      rtnl.setLink({ ifindex: tun.ifindex, up: true });
      rtnl.addAddress(tun.ifindex, Uint8Array.of(10, 9, 9, 1), 24);
      const batch = newBatch();
      const i = batch.append(28);
      const at = batch.i32[OFFSET + i];
      batch.u8.set(echoRequest(), at);
      assert.equal(writeSlab(tun.fd, batch, at - VNET_HDR_BYTES, VNET_HDR_BYTES + 28), VNET_HDR_BYTES + 28);
      const answer = new Uint8Array(1500);
      nextIpv4(tun.fd, () => {
        const n = readPacket(tun.fd, answer);
        return n === -EAGAIN ? null : answer.subarray(VNET_HDR_BYTES, n);
      });
      assert.equal(answer[VNET_HDR_BYTES + 20], 0, "an echo reply");
      assert.equal(writeSlab(-1, batch, at, 100), -9);
    } finally {
      closeTun(tun);
    }
  });
});

Deno.test("openTun() attaches further queues, and says what is wrong otherwise", async () => {
  await withNamespace((netns, rtnl) => {
    const options = { name: "tq0", netns, multiQueue: true, vnetHdr: true };
    const first = openTun(options);
    const second = openTun({ ...options, attach: true });
    try {
      assert.equal(second.ifindex, first.ifindex);
      assert.throws(
        () => openTun(options),
        (error: unknown) =>
          error instanceof SyscallError && error.errno === EBUSY &&
          error.message.includes("the name is taken"),
      );
      assert.throws(() => openTun({ ...options, attach: true, multiQueue: false }), { errno: EINVAL });
      assert.throws(() => openTun({ ...options, name: "lo" }), { errno: EBUSY });
      for (const name of ["", "sixteen-bytes-xx", "a/b", "a b", "a\0b"]) {
        assert.throws(
          () => openTun({ name, netns }),
          name.includes("\0") ? TypeError : { errno: EINVAL },
          name,
        );
      }
    } finally {
      closeTun(first);
      assert.notEqual(rtnl.link("tq0"), null, "one queue is left");
      closeTun(second);
    }
    assert.equal(rtnl.link("tq0"), null);
  });
});

Deno.test("setLinkType() makes link/ipip while the device is down", async () => {
  await withNamespace((netns, rtnl) => {
    const tun = openTun({ name: "tl0", netns });
    try {
      setLinkType(tun.fd, ARPHRD_TUNNEL);
      assert.equal(rtnl.link("tl0")!.type, 768);
      rtnl.setLink({ ifindex: tun.ifindex, up: true });
      assert.throws(() => setLinkType(tun.fd, ARPHRD_TUNNEL), { errno: EBUSY });
      setCarrier(tun.fd, false);
      assert.equal(rtnl.link("tl0")!.operstate, "DOWN");
      setCarrier(tun.fd, true);
    } finally {
      closeTun(tun);
    }
  });
});

Deno.test("a persistent device outlives its descriptor", async () => {
  await withNamespace((netns, rtnl) => {
    closeTun(openTun({ name: "tp0", netns, persist: true }));
    assert.notEqual(rtnl.link("tp0"), null);
    const again = openTun({ name: "tp0", netns, attach: true });
    setPersist(again.fd, false);
    closeTun(again);
    assert.equal(rtnl.link("tp0"), null);
  });
});

Deno.test("setOffload() falls back to what the kernel knows, setVnetHdrSize() takes 12", async () => {
  await withNamespace((netns) => {
    const tun = openTun({ name: "to0", netns, vnetHdr: true });
    try {
      // Bit 30 is no offload of any kernel.
      assert.equal(setOffload(tun.fd, TUN_F_CSUM | (1 << 30)), TUN_F_CSUM);
      assert.equal(setOffload(tun.fd, 0), 0);
      setVnetHdrSize(tun.fd, 12);
      assert.throws(() => setVnetHdrSize(tun.fd, 3), { errno: EINVAL });
      assert.throws(() => setOffload(-1, TUN_F_ALL), SyscallError);
    } finally {
      closeTun(tun);
    }
  });
});

Deno.test("tunPlace() finds a device that was renamed, moved, deleted", async () => {
  await withNamespace(async (netns, rtnl) => {
    await withNamespace((other) => {
      const tun = openTun({ name: "vtt0", netns });
      const place = () => {
        const found = tunPlace(tun.fd);
        if (found === null) return null;
        const inode = netnsInode(found.netns);
        close(found.netns);
        return [found.name, inode];
      };
      try {
        assert.deepEqual(place(), ["vtt0", netnsInode(netns)]);
        rtnl.setLink({ ifindex: tun.ifindex, name: "vtt1" });
        assert.deepEqual(place(), ["vtt1", netnsInode(netns)]);
        rtnl.setLink({ ifindex: tun.ifindex, netns: other });
        assert.deepEqual(place(), ["vtt1", netnsInode(other)]);
        const there = withNetns(other, () => new Rtnetlink());
        there.delLink(there.link("vtt1")!.ifindex);
        there.close();
        assert.equal(place(), null);
      } finally {
        closeTun(tun);
      }
    });
  });
});
