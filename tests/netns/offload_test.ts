/**
 * Segmenter and Coalescer against the kernel: two TUN devices with all offloads, and between them nothing but the two.
 *
 *     netns a                                                      netns b
 *     tun0 10.9.8.1 fd00::1 -- Segmenter -- batch -- Coalescer -- tun0 10.9.8.2 fd00::2
 */
import assert from "node:assert/strict";
import { Batch, SLAB_BYTES } from "../../datapath/batch.ts";
import { DropReason } from "../../datapath/drop_reason.ts";
import { Coalescer, type CoalesceSink } from "../../datapath/offload/coalesce.ts";
import { Segmenter } from "../../datapath/offload/segment.ts";
import { close } from "../../ffi/io.ts";
import { openNetns } from "../../ffi/netns.ts";
import {
  closeTun,
  openTun,
  readPacket,
  setOffload,
  type Tun,
  TUN_F_ALL,
  TUN_F_USO4,
  writePacket,
} from "../../ffi/tun.ts";
import { gathered } from "../doubles/gathered.ts";
import { Topology } from "../doubles/topology.ts";

const EAGAIN = 11;

/** Everything that one device hands over goes to the other. */
class Relay implements CoalesceSink {
  readonly #segmenter = new Segmenter();
  readonly #coalescer: Coalescer;
  readonly #batch = new Batch(new ArrayBuffer(SLAB_BYTES));
  /** Packets that the segmenter made, super-packets that came from and went to the kernel. */
  packets = 0;
  superPacketsRead = 0;
  superPacketsWritten = 0;

  constructor(readonly from: Tun, readonly to: Tun, uso: boolean) {
    this.#coalescer = new Coalescer(this, uso);
  }

  writePacket(batch: Batch, offset: number, length: number): void {
    this.#write(new Uint8Array(batch.buffer, offset, length));
  }

  writeSuperPacket(batch: Batch, offset: number, headerBytes: number, part: number, packets: number): void {
    this.superPacketsWritten++;
    this.#write(gathered(this.#coalescer, batch, offset, headerBytes, part, packets));
  }

  #write(bytes: Uint8Array<ArrayBuffer>): void {
    assert.equal(writePacket(this.to.fd, bytes), bytes.length);
  }

  /** Moves one read on. False when none waits. */
  step(): boolean {
    const n = readPacket(this.from.fd, this.#segmenter.staging);
    if (n === -EAGAIN) return false;
    assert.ok(n > 0, `read ${n}`);
    if (this.#segmenter.staging[1] !== 0) this.superPacketsRead++;
    assert.equal(this.#segmenter.begin(n), DropReason.None);
    for (let done = false; !done;) {
      this.#batch.clear();
      done = this.#segmenter.fill(this.#batch);
      this.packets += this.#batch.count;
      for (let i = 0; i < this.#batch.count; i++) this.#coalescer.add(this.#batch, i);
      this.#coalescer.flush();
    }
    return true;
  }
}

class Wire implements AsyncDisposable {
  readonly topology = new Topology();
  a = "";
  b = "";
  aToB!: Relay;
  bToA!: Relay;
  readonly #tuns: Tun[] = [];
  #running: Promise<void> = Promise.resolve();
  #stop = false;
  failure: unknown = null;

  static async make(): Promise<Wire> {
    const wire = new Wire();
    wire.a = await wire.topology.addNetns("a");
    wire.b = await wire.topology.addNetns("b");
    const a = await wire.#addTun(wire.a, ["10.9.8.1/24", "fd00::1/64"]);
    const b = await wire.#addTun(wire.b, ["10.9.8.2/24", "fd00::2/64"]);
    const uso = [a, b].every((tun) => (setOffload(tun.fd, TUN_F_ALL) & TUN_F_USO4) !== 0);
    wire.aToB = new Relay(a, b, uso);
    wire.bToA = new Relay(b, a, uso);
    wire.#running = wire.#run().catch((error) => {
      wire.failure = error;
    });
    return wire;
  }

  async #addTun(netns: string, addresses: string[]): Promise<Tun> {
    const fd = openNetns(netns);
    try {
      const tun = openTun({ name: "tun0", netns: fd, vnetHdr: true });
      this.#tuns.push(tun);
      await this.topology.must(netns, ["ip", "link", "set", "tun0", "up"]);
      await this.topology.addresses({ netns, ifname: "tun0", addresses });
      return tun;
    } finally {
      close(fd);
    }
  }

  async #run(): Promise<void> {
    while (!this.#stop) {
      for (let i = 0; i < 64 && [this.aToB.step(), this.bToA.step()].includes(true); i++);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop = true;
    await this.#running;
    this.#tuns.forEach(closeTun);
    await this.topology[Symbol.asyncDispose]();
  }
}

/** Sends 16 MB over TCP in pieces of many sizes; both sides print the digest. */
const TCP = `
import hashlib, random, socket, sys
role, address = sys.argv[1:]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
digest = hashlib.sha256()
if role == "receive":
    server = socket.create_server((address, 5201), family=family)
    print("ready", flush=True)
    server.settimeout(20)
    peer = server.accept()[0]
    peer.settimeout(20)
    while data := peer.recv(65536): digest.update(data)
else:
    rng = random.Random(1)
    data = rng.randbytes(1 << 24)
    peer = socket.create_connection((address, 5201), timeout=20)
    at = 0
    while at < len(data):
        n = rng.choice((1, 7, 1400, 5000, 65536, 400000))
        peer.sendall(data[at:at + n])
        at += n
    digest.update(data)
print("digest", digest.hexdigest(), flush=True)
`;

/** Sends 20 times 41 datagrams as one buffer with UDP_SEGMENT; the receiver prints the sizes that came and the digest. */
const UDP = `
import hashlib, random, socket, sys
role, address = sys.argv[1:]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
UDP_SEGMENT, SO_RCVBUFFORCE, COUNT = 103, 33, 20
digest = hashlib.sha256()
peer = socket.socket(family, socket.SOCK_DGRAM)
if role == "receive":
    peer.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
    peer.bind((address, 5202))
    peer.settimeout(20)
    print("ready", flush=True)
    sizes = []
    while len(sizes) < 41 * COUNT:
        data = peer.recv(65536)
        sizes.append(len(data))
        digest.update(data)
    print("sizes", sizes.count(1300), sizes.count(7))
else:
    peer.setsockopt(socket.SOL_UDP, UDP_SEGMENT, 1300)
    peer.connect((address, 5202))
    rng = random.Random(2)
    for i in range(COUNT):
        data = rng.randbytes(40 * 1300 + 7)
        peer.send(data)
        digest.update(data)
print("digest", digest.hexdigest(), flush=True)
`;

async function transfer(wire: Wire, script: string, address: string): Promise<string> {
  const python = ["/usr/bin/python3", "-c", script];
  const receiver = await wire.topology.spawn(wire.b, [...python, "receive", address]);
  await receiver.printed(/ready/);
  const sent = await wire.topology.must(wire.a, [...python, "send", address]);
  // The receiver ends by itself; only then is its output whole.
  await receiver.status;
  await receiver.stop();
  assert.equal(wire.failure, null);
  assert.equal(/digest \w+/.exec(receiver.output)?.[0], sent.trim(), receiver.output);
  return receiver.output;
}

for (const address of ["10.9.8.2", "fd00::2"]) {
  Deno.test(`the kernel's TCP takes what Segmenter and Coalescer make, ${address}`, async () => {
    await using wire = await Wire.make();
    await transfer(wire, TCP, address);
    const { packets, superPacketsRead, superPacketsWritten } = wire.aToB;
    assert.ok(superPacketsRead > 0 && superPacketsWritten > 0, `${superPacketsRead} ${superPacketsWritten}`);
    assert.ok(packets > 10 * superPacketsWritten, `${packets} packets in ${superPacketsWritten}`);
  });

  Deno.test(`the kernel's UDP takes what Segmenter and Coalescer make, ${address}`, async () => {
    await using wire = await Wire.make();
    const output = await transfer(wire, UDP, address);
    assert.match(output, /sizes 800 20/);
    assert.equal(wire.aToB.superPacketsWritten, wire.aToB.superPacketsRead);
  });
}
