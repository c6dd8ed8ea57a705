/** A packet whose processing throws or never ends: it is lost, counted and named, and the traffic beside it goes on. */
import assert from "node:assert/strict";
import { algorithm } from "../doubles/algorithms.ts";
import { Daemon } from "../doubles/daemon.ts";
import { eventually } from "../doubles/eventually.ts";
import { harmful, UNSENDABLE_BYTES } from "../doubles/poisonable.ts";
import { type Background, Topology } from "../doubles/topology.ts";
import { ping } from "../doubles/traffic.ts";
import { joinedPair, setUpTunnel, type TunnelEnd } from "../doubles/tunnel.ts";

const PORT = 4001;
const PACKETS = 20;

for (const placement of ["packed", "isolated"] as const) {
  Deno.test(`packets at which a worker throws are dropped and counted, ${placement}`, async () => {
    await using topology = new Topology();
    const { a, b } = await poisonablePair(topology, placement);
    const pinging = await topology.spawn(a.netns, ["ping", "-n", "-i", "0.01", "10.9.0.2"]);
    await pinging.printed(/icmp_seq=10 /);

    for (const stage of ["encrypt", "deliver"] as const) {
      await send(topology, a, harmful("throw", stage), PACKETS);
    }
    await send(topology, a, "x".repeat(UNSENDABLE_BYTES), PACKETS);
    const sender = await drops(a, "OutPoison", 2 * PACKETS);
    const receiver = await drops(b, "InPoison", PACKETS);
    await ping(topology, a.netns, "10.9.0.2");
    await pinging.stop("SIGINT");

    assert.equal(sender.stats64.tx.errors, 2 * PACKETS);
    assert.equal(receiver.stats64.rx.errors, PACKETS);
    assert.equal(await a.daemon.restarts(), 0);
    // Each has its answer, but for the one that was on its way at the end.
    const answered = [...pinging.output.matchAll(/icmp_seq=(\d+) ttl/g)].map(([, seq]) => Number(seq));
    assert.deepEqual(answered, answered.map((_, i) => i + 1));
    assert.match(
      pinging.output,
      new RegExp(`^(${answered.length}|${answered.length + 1}) packets transmitted`, "m"),
    );
    for (const stage of ["encryption", "sending", "delivery"]) {
      assert.match(
        a.daemon.process.output,
        new RegExp(`${stage}: .* at "told to throw", \\d+ bytes, SHA-256 [0-9a-f]{64}\\n`),
      );
    }
  });

  Deno.test(`a packet at which a worker hangs does so twice and no more, ${placement}`, async () => {
    await using topology = new Topology();
    const { a } = await poisonablePair(topology, placement);
    const text = harmful("hang", "encrypt");
    for (const replaced of [1, 2]) {
      await send(topology, a, text, 1);
      await eventually(async () => assert.equal(await a.daemon.restarts(), replaced));
    }
    await eventually(() => ping(topology, a.netns, "10.9.0.2"));
    await send(topology, a, text, PACKETS);
    await drops(a, "OutPoison", PACKETS);
    await ping(topology, a.netns, "10.9.0.2");

    assert.equal(await a.daemon.restarts(), 2);
    // Where the tunnel's worker has lived on, its batches get some time to come home.
    await eventually(async () => assert.equal((await a.daemon.link(a.netns, "vti1")).drops.Lost, 2));
    const log = a.daemon.process.output;
    assert.match(log, /hung: .*, in .*SA table, encryption: packets are processed one at a time/);
    assert.match(log, /encryption: packets like this one are dropped .*, \d+ bytes, SHA-256 [0-9a-f]{64}/);
    assert.ok(!log.includes(text));
  });
}

async function poisonablePair(topology: Topology, placement: "packed" | "isolated") {
  const script = "tests/doubles/faulty_daemon.ts";
  const { a, b } = await joinedPair(topology, async () => {
    const daemon = await Daemon.start(topology, { placement, script });
    return { a: daemon, b: daemon };
  });
  await setUpTunnel(topology, { ifname: "vti1", key: 7, algorithm: algorithm("gcm128"), udp: false }, a, b);
  await ping(topology, a.netns, "10.9.0.2");
  // Without a listener the answer, an ICMP error, would carry the text back.
  const listener: Background = await topology.spawn(b.netns, ["python3", "-c", LISTEN]);
  await listener.printed(/listening/);
  return { a, b };
}

const LISTEN = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.9.0.2", ${PORT}))
print("listening", flush=True)
while True: s.recv(100)
`;

/** Sends datagrams that are all alike. */
async function send(topology: Topology, { netns }: TunnelEnd, text: string, count: number): Promise<void> {
  const script = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.9.0.1", ${PORT}))
for _ in range(${count}): s.sendto(b"${text}", ("10.9.0.2", ${PORT}))
`;
  await topology.must(netns, ["python3", "-c", script]);
}

/** Waits until the device has dropped as many packets for this reason. */
function drops({ daemon, netns }: TunnelEnd, reason: "InPoison" | "OutPoison", count: number) {
  return eventually(async () => {
    const link = await daemon.link(netns, "vti1");
    assert.equal(link.drops[reason], count);
    return link;
  });
}
