/** Namespaces that end: by `ip netns del`, by the last process that lives in them, by another namespace of the name. */
import assert from "node:assert/strict";
import type { NetnsInfo } from "../../actors/gateway.ts";
import { algorithm } from "../doubles/algorithms.ts";
import { Daemon } from "../doubles/daemon.ts";
import { eventually } from "../doubles/eventually.ts";
import { ping } from "../doubles/traffic.ts";
import { type Background, must, Topology } from "../doubles/topology.ts";
import { joinedPair, type Pair, setUpTunnel } from "../doubles/tunnel.ts";

const SETUP = { ifname: "vti1", key: 7, algorithm: algorithm("gcm128"), udp: true };

async function tunnelPair(topology: Topology, placement: "packed" | "isolated" = "packed"): Promise<Pair> {
  const pair = await joinedPair(topology, async () => {
    const daemon = await Daemon.start(topology, { placement });
    return { a: daemon, b: daemon };
  });
  await setUpTunnel(topology, SETUP, pair.a, pair.b);
  await ping(topology, pair.a.netns, "10.9.0.2");
  return pair;
}

/** Namespaces that the daemon knows something of. */
async function known(daemon: Daemon): Promise<NetnsInfo[]> {
  const { body } = await daemon.http("GET", "/v1/netns");
  return (body as NetnsInfo[]).filter(({ links, states, policies }) => links + states + policies > 0);
}

/** The gateway holds no descriptor of the namespace: its veth is gone, so the other end is too. */
async function wireIsGone(topology: Topology, netns: string): Promise<void> {
  await eventually(async () => {
    const links = JSON.parse(await topology.must(netns, ["ip", "-j", "link"])) as { ifname: string }[];
    assert.ok(!links.some(({ ifname }) => ifname === "wire"));
  });
}

for (const placement of ["packed", "isolated"] as const) {
  Deno.test(`ip netns del ends a namespace that is served, ${placement}`, async () => {
    await using topology = new Topology();
    const { a, b } = await tunnelPair(topology, placement);
    const x = await topology.addNetns("x");
    // One device from elsewhere lives in it, and one of its own lives elsewhere.
    await b.daemon.ip(b.netns, `link add vti2 type vti local ${b.outer} remote 192.0.2.77`);
    await topology.must(b.netns, ["ip", "link", "set", "vti2", "netns", a.netns]);
    await eventually(() => a.daemon.link(a.netns, "vti2"));
    await topology.must(a.netns, ["ip", "link", "set", "vti1", "netns", x]);
    await eventually(() => a.daemon.link(x, "vti1"));

    await must(["ip", "netns", "del", a.netns]);
    await wireIsGone(topology, b.netns);
    await eventually(async () => {
      const names = (await known(a.daemon)).map(({ name }) => name).sort();
      assert.deepEqual(names, [b.netns, x].sort());
    });
    const left = async (netns: string) => {
      const { body } = await a.daemon.http("GET", `/v1/netns/${netns}/links`);
      return (body as { ifname: string }[]).map(({ ifname }) => ifname);
    };
    assert.deepEqual(await left(x), ["ip_vti0"]);
    assert.deepEqual(await left(b.netns), ["ip_vti0", "vti1"]);
    assert.match(a.daemon.process.output, /the namespace is gone, with its devices, states and policies/);
    // What it took is free again.
    await b.daemon.ip(b.netns, `link add vti2 type vti local ${b.outer} remote 192.0.2.77`);
    assert.equal((await a.daemon.http("GET", "/readyz")).status, 200);
  });
}

/** A process that is in the namespace when this resolves. */
async function sleepIn(topology: Topology, netns: string): Promise<Background> {
  const sleeper = await topology.spawn(netns, ["sh", "-c", "echo inside; exec sleep 60"]);
  await sleeper.printed(/inside/);
  return sleeper;
}

Deno.test("a namespace without a name lives as long as a process in it", async () => {
  await using topology = new Topology();
  const { a, b } = await tunnelPair(topology);
  const sleeper = await sleepIn(topology, a.netns);
  await must(["ip", "netns", "del", a.netns]);
  // Another name's end is noticed after this one's, which therefore was looked at.
  const other = await topology.addNetns("x");
  await a.daemon.ip(other, "xfrm state flush");
  await must(["ip", "netns", "del", other]);
  await eventually(async () => {
    assert.ok(!(await known(a.daemon)).some(({ name }) => name === other));
  });
  await ping(topology, b.netns, "10.9.0.1");
  await sleeper.stop();
  await wireIsGone(topology, b.netns);
});

Deno.test("a new namespace with the old one's name starts empty", async () => {
  await using topology = new Topology();
  const { a, b } = await tunnelPair(topology);
  await sleepIn(topology, a.netns);
  await must(["ip", "netns", "del", a.netns]);
  await must(["ip", "netns", "add", a.netns]);
  await a.daemon.ip(a.netns, `link add vti1 type vti local ${a.outer} remote ${b.outer}`);
  const [now, ...more] = (await known(a.daemon)).filter(({ name }) => name === a.netns);
  assert.deepEqual([now?.links, now?.states, now?.policies, more.length], [2, 0, 0, 0]);
});

Deno.test("the API's delete and the name's end do not meet", async () => {
  await using topology = new Topology();
  const { a, b } = await tunnelPair(topology);
  const { status } = await a.daemon.http("DELETE", `/v1/netns/${a.netns}`);
  assert.equal(status, 204);
  await wireIsGone(topology, b.netns);
  assert.ok(!(await known(a.daemon)).some(({ name }) => name === a.netns));
  assert.doesNotMatch(a.daemon.process.output, /Cannot end namespace|the namespace is gone/);
});
