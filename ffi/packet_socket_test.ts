import assert from "node:assert/strict";
import {
  type Batch,
  BATCH_PACKETS,
  COUNT,
  INFO,
  LENGTH,
  OFFSET,
  OUTER_DF,
  OUTER_DST,
  OUTER_SRC,
  REASON,
  UDP_PORTS,
} from "../datapath/batch.ts";
import { DropReason } from "../datapath/drop_reason.ts";
import * as ipv4 from "../datapath/wire/ipv4.ts";
import { Epoll, EPOLLIN } from "./epoll.ts";
import { EMSGSIZE } from "./errno.ts";
import { close } from "./io.ts";
import { ifindexOf, inside, ip, type Side, withVethPair } from "./netns_fixture.ts";
import { NextHopLookup } from "./next_hop.ts";
import { openPacketSendSocket, PacketSender } from "./packet_socket.ts";
import { MmsgReceiver, openRawSocket, udpPortsOf } from "./raw_socket.ts";
import { openRtnetlink } from "./rtnetlink.ts";
import { newBatch } from "./slab_pointers.ts";

const ADDRESS = "02:00:00:00:00:b1";
const NO_PORTS = udpPortsOf([]);
const DF = 0x4000;

/** A packet socket and a lookup in `a`, whose neighbour `b` is known when `known`. */
async function withSender(
  known: boolean,
  fn: (s: { a: Side; b: Side; sender: PacketSender; hops: NextHopLookup }) => void,
): Promise<void> {
  await withVethPair(1500, (a, b) => {
    ip(b, `link set ${b.device} address ${ADDRESS}`);
    if (known) ip(a, `neigh replace ${b.address} lladdr ${ADDRESS} nud permanent dev ${a.device}`);
    const fds = inside(a, () => [openPacketSendSocket(), openRtnetlink()]);
    try {
      fn({ a, b, sender: new PacketSender(fds[0]), hops: new NextHopLookup(fds[1]) });
    } finally {
      fds.forEach(close);
    }
  });
}

/** Appends an ESP packet of `length` bytes whose payload is `seed`. */
function append(batch: Batch, from: Side, to: Side, length: number, seed: number): number {
  const i = batch.append(length);
  const { i32, view, u8 } = batch;
  const at = i32[OFFSET + i];
  ipv4.emit(view, at, 0, length, 0, DF, 64, 50, from.u32, to.u32);
  u8.fill(seed, at + 20, at + length);
  i32[OUTER_SRC + i] = from.u32;
  i32[OUTER_DST + i] = to.u32;
  i32[OUTER_DF + i] = 1;
  return i;
}

Deno.test("PacketSender sends a full batch to a neighbour, who takes it for any other", async () => {
  await withSender(true, ({ a, b, sender, hops }) => {
    const hop = hops.find(b.u32, a.u32, 0)!;
    assert.deepEqual({ ifindex: hop.ifindex, mtu: hop.mtu }, { ifindex: ifindexOf(a), mtu: 1500 });
    const receiver = new MmsgReceiver(inside(b, () => openRawSocket(50)));
    const epoll = new Epoll();
    try {
      const batch = newBatch();
      for (let i = 0; i < BATCH_PACKETS; i++) append(batch, a, b, 100 + 20 * i, i);
      batch.i32[REASON + 3] = DropReason.OutTooBig;
      batch.i32[UDP_PORTS + 5] = (4500 << 16) | 4500;
      assert.equal(sender.send(batch, 0, hop, udpPortsOf([4500])), BATCH_PACKETS);
      epoll.add(receiver.fd, EPOLLIN, 1);
      assert.equal(epoll.wait(5000), 1);
      const into = newBatch();
      const seeds: number[] = [];
      while (receiver.receive(into) > 0) {
        for (let i = 0; i < into.i32[COUNT]; i++) {
          const seed = into.u8[into.i32[OFFSET + i]];
          assert.equal(into.i32[LENGTH + i], 80 + 20 * seed);
          seeds.push(seed);
        }
      }
      const sent = Array.from({ length: BATCH_PACKETS }, (_, i) => i).filter((i) => i !== 3 && i !== 5);
      assert.deepEqual(seeds, sent);
    } finally {
      close(receiver.fd);
      epoll.close();
    }
  });
});

Deno.test("PacketSender marks packets that are longer than the device takes and sends the others", async () => {
  await withSender(true, ({ a, b, sender, hops }) => {
    const batch = newBatch();
    for (const length of [100, 1600, 200]) append(batch, a, b, length, 1);
    assert.equal(sender.send(batch, 0, hops.find(b.u32, a.u32, 0)!, NO_PORTS), 3);
    assert.deepEqual([...batch.i32.subarray(REASON, REASON + 3)], [0, DropReason.OutError, 0]);
    assert.equal(batch.i32[INFO + 1], EMSGSIZE);
  });
});

Deno.test("NextHopLookup.find() knows a neighbour when the kernel does", async () => {
  await withSender(false, ({ a, b, hops }) => {
    assert.equal(hops.find(b.u32, a.u32, 0), null, "nobody has asked for its address yet");
    ip(a, `neigh replace ${b.address} lladdr ${ADDRESS} nud stale dev ${a.device}`);
    const { addressLo, addressHi } = hops.find(b.u32, a.u32, 0)!;
    assert.deepEqual([addressLo, addressHi], [0x00000002, 0xb100]);
    ip(a, `neigh replace ${b.address} nud failed dev ${a.device}`);
    assert.equal(hops.find(b.u32, a.u32, 0), null);
  });
});

Deno.test("NextHopLookup.find() takes the gateway of a route, and no route but one over Ethernet", async () => {
  await withSender(true, ({ a, b, hops }) => {
    const far = 0xc6336401;
    assert.equal(hops.find(far, a.u32, 0), null, "no route");
    ip(a, `route add 198.51.100.0/24 via ${b.address}`);
    assert.equal(hops.find(far, a.u32, 0)!.addressHi, 0xb100);
    ip(a, "route replace blackhole 198.51.100.0/24");
    assert.equal(hops.find(far, a.u32, 0), null, "blackhole");
    assert.equal(hops.find(a.u32, a.u32, 0), null, "an address of this host");
    ip(a, `link set ${a.device} arp off`);
    assert.equal(hops.find(b.u32, a.u32, 0), null, "no addresses on the device");
  });
});
