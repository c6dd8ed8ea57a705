import assert from "node:assert/strict";
import {
  Batch,
  LENGTH,
  OUTER_DF,
  OUTER_DST,
  OUTER_SRC,
  OUTER_TOS,
  PATH_MTU,
  REASON,
  SLAB_BYTES,
  UDP_PORTS,
} from "../datapath/batch.ts";
import { DropReason } from "../datapath/drop_reason.ts";
import type { PacketFilters } from "../ffi/netfilter.ts";
import type { NextHop, NextHopLookup } from "../ffi/next_hop.ts";
import { udpPortsOf } from "../ffi/raw_socket.ts";
import { NextHops } from "./next_hops.ts";

const SRC = 0x0a000001;
const DST = 0x0a000002;
const HOP: NextHop = { ifindex: 2, mtu: 1500, addressLo: 1, addressHi: 2 };
const PORTS = udpPortsOf([4500]);

class Kernel {
  hop: NextHop | null = HOP;
  filtered = false;
  lookups: [number, number, number][] = [];
  looks = 0;
  readonly nextHops: NextHops;

  constructor() {
    const lookup = {
      find: (dst: number, src: number, tos: number) => {
        this.lookups.push([dst, src, tos]);
        return this.hop;
      },
    } as NextHopLookup;
    const filters = {
      exist: () => {
        this.looks++;
        return this.filtered;
      },
    } as PacketFilters;
    this.nextHops = new NextHops(lookup, filters);
  }
}

/** A batch of packets of 1400 bytes from SRC to DST, each changed by its function. */
function batchOf(...changes: ((i32: Int32Array, i: number) => void)[]): Batch {
  const batch = new Batch(new ArrayBuffer(SLAB_BYTES));
  for (const change of changes) {
    const i = batch.append(1400);
    batch.i32[OUTER_SRC + i] = SRC;
    batch.i32[OUTER_DST + i] = DST;
    batch.i32[OUTER_DF + i] = 1;
    change(batch.i32, i);
  }
  return batch;
}

const plain = () => {};

Deno.test("NextHops.find() asks once for a peer, until cleared", () => {
  const kernel = new Kernel();
  const batch = batchOf(plain, plain);
  for (let now = 0; now < 900; now += 10) assert.equal(kernel.nextHops.find(batch, PORTS, now), HOP);
  assert.deepEqual(kernel.lookups, [[DST, SRC, 0]]);
  kernel.nextHops.clear();
  kernel.hop = null;
  assert.equal(kernel.nextHops.find(batch, PORTS, 905), null);
  assert.equal(kernel.lookups.length, 2);
});

Deno.test("NextHops.find() leaves the kernel a batch of each peer a second", () => {
  const kernel = new Kernel();
  const batch = batchOf(plain);
  const toKernel: number[] = [];
  for (let now = 0; now < 4000; now += 10) {
    if (kernel.nextHops.find(batch, PORTS, now) === null) toKernel.push(now);
  }
  assert.deepEqual(toKernel, [1000, 2000, 3000]);
});

Deno.test("NextHops.find() asks again for a peer without a hop, but not for every batch", () => {
  const kernel = new Kernel();
  kernel.hop = null;
  const batch = batchOf(plain);
  for (let now = 0; now < 3000; now += 10) assert.equal(kernel.nextHops.find(batch, PORTS, now), null);
  assert.equal(kernel.lookups.length, 3);
  kernel.hop = HOP;
  assert.equal(kernel.nextHops.find(batch, PORTS, 3000), HOP);
});

Deno.test("NextHops.find() leaves to the kernel what is filtered, too long or for several", () => {
  const kernel = new Kernel();
  const { nextHops } = kernel;
  const find = (...changes: ((i32: Int32Array, i: number) => void)[]) =>
    nextHops.find(batchOf(...changes), PORTS, 10);
  const other = (field: number, value: number) => (i32: Int32Array, i: number) =>
    void (i32[field + i] = value);
  assert.equal(find(plain, other(OUTER_DST, DST + 1)), null);
  assert.equal(find(plain, other(OUTER_SRC, SRC + 1)), null);
  assert.equal(find(plain, other(OUTER_TOS, 0x10)), null);
  assert.equal(find(plain, other(OUTER_TOS, 0x02)), HOP, "ECN does not route");
  assert.equal(find(plain, other(LENGTH, 1501)), null);
  assert.equal(find(plain, other(LENGTH, 1500)), HOP);
  const fragmented = (i32: Int32Array, i: number) => {
    i32[OUTER_DF + i] = 0;
    i32[PATH_MTU + i] = 1399;
  };
  assert.equal(find(plain, fragmented), null);
  assert.equal(find(), null, "nothing to send");
  kernel.filtered = true;
  assert.equal(nextHops.find(batchOf(plain), PORTS, 500), HOP, "looked at once a second");
  assert.equal(nextHops.find(batchOf(plain), PORTS, 1010), null);
  assert.equal(kernel.looks, 2);
});

Deno.test("NextHops.find() does not look at packets that are refused or another socket's", () => {
  const { nextHops } = new Kernel();
  const batch = batchOf(plain, (i32, i) => {
    i32[OUTER_DST + i] = 1;
    i32[REASON + i] = DropReason.OutTooBig;
  }, (i32, i) => {
    i32[OUTER_DST + i] = 2;
    i32[UDP_PORTS + i] = (4500 << 16) | 4500;
  });
  assert.equal(nextHops.find(batch, PORTS, 0), HOP);
});
