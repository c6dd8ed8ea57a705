/** What may become of the underlay while traffic runs: its device goes down, is gone, comes back, has no room. */
import assert from "node:assert/strict";
import { algorithm } from "../doubles/algorithms.ts";
import { Daemon, type Placement } from "../doubles/daemon.ts";
import { eventually } from "../doubles/eventually.ts";
import { must, Topology } from "../doubles/topology.ts";
import { ping, quietCounters } from "../doubles/traffic.ts";
import { joinedPair, setUpTunnel } from "../doubles/tunnel.ts";

/** Datagrams that are sent into a device without room for them: 40 Mbit/s where 1 Mbit/s fits. */
const SENT = 1000;
const DATAGRAMS = `
import socket, time
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(${SENT}):
    out.sendto(bytes(1000), ("10.9.0.2", 9))
    time.sleep(0.0002)
`;
/** Interval of the pings that run all the time, seconds. */
const INTERVAL = "0.01";

async function pair(topology: Topology, placement: Placement, udp: boolean) {
  const { a, b } = await joinedPair(topology, async () => {
    const daemon = await Daemon.start(topology, { placement });
    return { a: daemon, b: daemon };
  });
  await setUpTunnel(topology, { ifname: "vti1", key: 7, algorithm: algorithm("gcm128"), udp }, a, b);
  await ping(topology, a.netns, "10.9.0.2");
  return { a, b, daemon: a.daemon };
}

/** Descriptors of the daemon. */
function descriptors(daemon: Daemon): number {
  return [...Deno.readDirSync(`/proc/${daemon.process.pid}/fd`)].length;
}

for (const [placement, udp] of [["packed", false], ["isolated", true]] as const) {
  const how = `${placement}, ${udp ? "in UDP" : "raw"}`;

  Deno.test(`the underlay's device goes down, then away, and traffic is back with it, ${how}`, async () => {
    await using topology = new Topology();
    const { a, b, daemon } = await pair(topology, placement, udp);
    const wires = [
      { netns: a.netns, ifname: "wire", addresses: ["192.0.2.1/24"] },
      { netns: b.netns, ifname: "wire", addresses: ["192.0.2.2/24"] },
    ] as const;
    const route = ["10.50.0.0/16", "dev", "vti1"];
    await topology.must(a.netns, ["ip", "route", "add", ...route]);
    const pinging = await topology.spawn(a.netns, ["ping", "-n", "-O", "-i", INTERVAL, "10.9.0.2"]);
    /** As many pings as there have been when the fault came, and some more, are without an answer. */
    const unanswered = () =>
      pinging.printed(/(?:.*(?:no answer yet for icmp_seq=\d+|errors?|unreachable)\n){3}$/i);
    const answered = async () => {
      const before = pinging.output.length;
      await eventually(() => assert.match(pinging.output.slice(before), /bytes from/));
    };
    await answered();
    await topology.must(a.netns, ["ip", "link", "set", "wire", "down"]);
    await unanswered();
    await topology.must(a.netns, ["ip", "link", "set", "wire", "up"]);
    await answered();
    // Another device of the name, with another index and another address of its own.
    await topology.must(a.netns, ["ip", "link", "del", "wire"]);
    await unanswered();
    await topology.veth(...wires);
    await answered();
    await pinging.stop("SIGINT");
    // What was lost is accounted for: each packet that the device took was sent, or is one of its errors.
    const [{ tx }] = await quietCounters(a, b, "vti1");
    assert.ok(tx.errors + tx.dropped > 0, JSON.stringify(tx));
    assert.match(await topology.must(a.netns, ["ip", "route", "show", ...route]), /^10\.50\.0\.0\/16 /);
    assert.equal(await daemon.restarts(), 0);
    await ping(topology, b.netns, "10.9.0.1");
    await daemon.stop();
  });

  Deno.test(`a namespace is deleted under traffic, and the other's goes on, ${how}`, async () => {
    await using topology = new Topology();
    const { a, b, daemon } = await pair(topology, placement, udp);
    /** Gives how many descriptors are left. */
    const deleteAnother = async (n: number) => {
      const c = await topology.addNetns(`c${n}`);
      const before = descriptors(daemon);
      await topology.veth(
        { netns: a.netns, ifname: `wire${n}`, addresses: [`198.51.${n}.1/24`] },
        { netns: c, ifname: "wire", addresses: [`198.51.${n}.2/24`] },
      );
      const more = {
        a: { ...a, outer: `198.51.${n}.1`, inner: [`10.8.${n}.1/24`], spi: 0x5001 + 2 * n },
        c: { ...b, netns: c, outer: `198.51.${n}.2`, inner: [`10.8.${n}.2/24`], spi: 0x5002 + 2 * n },
      };
      const setup = { ifname: `vti${n}`, key: n, algorithm: algorithm("gcm128"), udp };
      await setUpTunnel(topology, setup, more.a, more.c);
      const load = ["ping", "-q", "-s", "1000", "-i", "0.002", `10.8.${n}.2`];
      const loads = [await topology.spawn(a.netns, load), await topology.spawn(a.netns, load)];
      await ping(topology, a.netns, `10.8.${n}.2`);
      await must(["ip", "netns", "del", c]);
      await daemon.process.printed(new RegExp(`${c}: .*the namespace is gone`));
      await ping(topology, a.netns, "10.9.0.2");
      await Promise.all(loads.map((load) => load.stop("SIGINT")));
      return before;
    };
    // Workers that the first namespace brought are kept.
    await deleteAnother(100);
    const before = await deleteAnother(101);
    // The tunnel at this end is still there: its device, and nothing of the namespace that is gone.
    await eventually(() => assert.equal(descriptors(daemon), before + 1));
    assert.equal(await daemon.restarts(), 0);
    await daemon.stop();
  });
}

Deno.test("a device without room for what is sent loses packets, not the gateway, and no packet goes uncounted", async () => {
  await using topology = new Topology();
  const { a, b, daemon } = await pair(topology, "packed", false);
  const before = (await daemon.link(a.netns, "vti1")).stats64.tx;
  const shape = ["rate", "1mbit", "burst", "3kb", "limit", "6000"];
  await topology.must(a.netns, ["tc", "qdisc", "add", "dev", "wire", "root", "tbf", ...shape]);
  await topology.must(a.netns, ["/usr/bin/python3", "-c", DATAGRAMS]);
  // What counts as sent arrives, once the queue is empty.
  const tx = await eventually(async () => {
    const [{ tx }, { rx }] = await quietCounters(a, b, "vti1");
    assert.equal(rx.packets, tx.packets);
    return tx;
  });
  await topology.must(a.netns, ["tc", "qdisc", "del", "dev", "wire", "root"]);
  const sent = tx.packets - before.packets, lost = tx.errors + tx.dropped - before.errors - before.dropped;
  assert.ok(lost > SENT / 2, `${lost} of ${SENT} lost: ${JSON.stringify(tx)}`);
  assert.equal(sent + lost, SENT);
  assert.equal(await daemon.restarts(), 0);
  await ping(topology, a.netns, "10.9.0.2");
  await daemon.stop();
});
