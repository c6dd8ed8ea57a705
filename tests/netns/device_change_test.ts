/**
 * Devices that the system's own ip changes, moves and deletes: the gateway follows, and undoes what a vti refuses.
 *
 *     netns a                                   netns b
 *     vti1 10.9.0.1                             vti1 10.9.0.2
 *     wire 192.0.2.1 ------------ veth -------- wire 192.0.2.2
 */
import assert from "node:assert/strict";
import type { GatewayEvent, LinkInfo } from "../../actors/gateway.ts";
import { algorithm } from "../doubles/algorithms.ts";
import { Daemon } from "../doubles/daemon.ts";
import { eventually } from "../doubles/eventually.ts";
import { ping } from "../doubles/traffic.ts";
import { must, Topology } from "../doubles/topology.ts";
import { joinedPair, type Pair, setUpTunnel } from "../doubles/tunnel.ts";

const SETUP = { ifname: "vti1", key: 7, algorithm: algorithm("gcm128"), udp: false };

async function tunnelPair(topology: Topology, placement: "packed" | "isolated" = "packed"): Promise<Pair> {
  const pair = await joinedPair(topology, async () => {
    const daemon = await Daemon.start(topology, { placement });
    return { a: daemon, b: daemon };
  });
  await setUpTunnel(topology, SETUP, pair.a, pair.b);
  await ping(topology, pair.a.netns, "10.9.0.2");
  return pair;
}

interface LinkEvent {
  readonly kind: string;
  readonly netns: string;
  readonly link: LinkInfo;
}

/** Reads the events of links from the first on, until one is as wanted; returns them all. */
async function linkEvents(daemon: Daemon, isLast: (event: LinkEvent) => boolean): Promise<LinkEvent[]> {
  using client = Deno.createHttpClient({
    proxy: { transport: "unix", path: `${daemon.runDir}/api.sock` },
  });
  const signal = AbortSignal.timeout(10_000);
  const headers = { "last-event-id": "0" };
  const response = await fetch("http://localhost/v1/events", { client, headers, signal });
  const events: LinkEvent[] = [];
  let pending = "";
  for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
    const blocks = (pending + part).split("\n\n");
    pending = blocks.pop()!;
    for (const block of blocks) {
      const data = /^data: ?(.*)$/m.exec(block);
      if (data === null) continue;
      const { kind, netns, body } = JSON.parse(data[1]!) as GatewayEvent;
      if (!kind.endsWith("link")) continue;
      events.push({ kind, netns, link: body as LinkInfo });
      if (isLast(events.at(-1)!)) return events;
    }
  }
  throw new Error("Cannot find an event: the stream ended");
}

/** MTU of the ICMP error that a ping with DF gets back, or null for a reply. */
async function pathMtu(
  topology: Topology,
  netns: string,
  to: string,
  length: number,
): Promise<number | null> {
  await topology.must(netns, ["ip", "route", "flush", "cache"]);
  const size = `${length - 28}`;
  const words = ["ping", "-n", "-M", "do", "-c1", "-W2", "-s", size, to];
  const { code, stdout, stderr } = await topology.exec(netns, words);
  if (code === 0) return null;
  const mtu = (stdout + stderr).match(/Frag needed and DF set \(mtu = (\d+)/)?.[1];
  assert.ok(mtu !== undefined, `neither reply nor error: ${stdout}${stderr}`);
  return Number(mtu);
}

Deno.test("a changed device is known by its new name, MTU and state", async () => {
  await using topology = new Topology();
  const { a } = await tunnelPair(topology);
  const ip = (words: string) => topology.must(a.netns, ["ip", ...words.split(" ")]);

  await ip("link set vti1 mtu 1300");
  await eventually(async () => assert.equal((await a.daemon.link(a.netns, "vti1")).mtu, 1300));
  // The device itself refuses what is longer; a packet that it lets pass by its own route's MTU meets the gateway.
  assert.equal(await pathMtu(topology, a.netns, "10.9.0.2", 1300), null);

  await ip("link set vti1 down");
  await eventually(async () => assert.ok(!(await a.daemon.link(a.netns, "vti1")).flags.includes("UP")));
  await ip("link set vti1 name tunnel");
  await eventually(async () => assert.equal((await a.daemon.link(a.netns, "tunnel")).mtu, 1300));
  await ip("link set tunnel multicast on txqueuelen 7 group 42 up");
  await eventually(async () => {
    const { flags, txqlen, group } = await a.daemon.link(a.netns, "tunnel");
    assert.deepEqual(flags, ["POINTOPOINT", "MULTICAST", "NOARP", "UP", "LOWER_UP"]);
    assert.deepEqual([txqlen, group], [7, "42"]);
  });
  await ping(topology, a.netns, "10.9.0.2");
  const shown = await a.daemon.ip(a.netns, "link show tunnel");
  assert.match(shown, /^\d+: tunnel@NONE: <POINTOPOINT,MULTICAST,NOARP,UP,LOWER_UP> mtu 1300 qdisc noqueue/);
});

Deno.test("an MTU that a vti refuses is set back", async () => {
  await using topology = new Topology();
  const { a } = await tunnelPair(topology);
  await topology.must(a.netns, ["ip", "link", "set", "vti1", "mtu", "65535"]);
  await eventually(async () => {
    const [link] = JSON.parse(await topology.must(a.netns, ["ip", "-j", "link", "show", "vti1"]));
    assert.equal(link.mtu, 1480);
  });
  assert.match(a.daemon.process.output, /Set MTU of "vti1" back from 65535 to 1480: more than 65515/);
  assert.equal((await a.daemon.link(a.netns, "vti1")).mtu, 1480);
});

for (const placement of ["packed", "isolated"] as const) {
  Deno.test(`a deleted device is gone, and can be made again, ${placement}`, async () => {
    await using topology = new Topology();
    const { a, b } = await tunnelPair(topology, placement);
    const { ifindex } = await a.daemon.link(a.netns, "vti1");
    await topology.must(a.netns, ["ip", "link", "del", "vti1"]);
    await eventually(async () => {
      const { status } = await a.daemon.http("GET", `/v1/netns/${a.netns}/links/vti1`);
      assert.equal(status, 404);
    });
    const [last] = (await linkEvents(a.daemon, ({ kind }) => kind === "dellink")).slice(-1);
    assert.deepEqual([last!.netns, last!.link.ifname, last!.link.ifindex], [a.netns, "vti1", ifindex]);
    await a.daemon.ip(a.netns, `link add vti1 type vti local ${a.outer} remote ${b.outer} key 7`);
    await a.daemon.ip(a.netns, "link set vti1 up");
    await topology.addresses({ netns: a.netns, ifname: "vti1", addresses: a.inner });
    await ping(topology, a.netns, "10.9.0.2");
  });
}

for (const placement of ["packed", "isolated"] as const) {
  Deno.test(`a moved device keeps its underlay, ${placement}`, async () => {
    await using topology = new Topology();
    const { a, b } = await tunnelPair(topology, placement);
    const x = await topology.addNetns("x");
    await topology.must(a.netns, ["ip", "link", "set", "vti1", "netns", x]);
    const moved = await eventually(() => a.daemon.link(x, "vti1"));
    assert.equal((await a.daemon.http("GET", `/v1/netns/${a.netns}/links/vti1`)).status, 404);
    assert.ok(!moved.flags.includes("UP"));

    // As the kernel's transcript of a moved vti has it.
    const netnsid = moved.link_netnsid;
    const [head, addresses] = (await a.daemon.ip(x, "-d link show vti1")).split("\n");
    assert.match(
      head!,
      /^\d+: vti1@NONE: <POINTOPOINT,NOARP> mtu 1480 qdisc noqueue state DOWN mode DEFAULT/,
    );
    assert.equal(
      addresses,
      `    link/ipip 192.0.2.1 peer 192.0.2.2 link-netnsid ${netnsid} promiscuity 0  allmulti 0 minmtu 0 maxmtu 0 `,
    );
    const ids = await topology.must(x, ["ip", "netns", "list-id"]);
    assert.match(ids, new RegExp(`^nsid ${netnsid} \\(iproute2 netns name: ${a.netns}\\)`, "m"));

    await topology.must(x, ["ip", "link", "set", "vti1", "up"]);
    await topology.addresses({ netns: x, ifname: "vti1", addresses: a.inner });
    await eventually(async () => assert.ok((await a.daemon.link(x, "vti1")).flags.includes("UP")));
    await ping(topology, x, "10.9.0.2");
    await ping(topology, b.netns, "10.9.0.1", 4000);
    await ping(topology, x, "2001:db8:9::2");
    assert.equal(
      await pathMtu(topology, x, "10.9.0.2", 1447),
      1446,
      "the error comes to the device's namespace",
    );
    const { stats64 } = await a.daemon.link(x, "vti1");
    assert.ok(stats64.rx.packets > 2 && stats64.tx.packets > 2);

    // Its ends are still taken where its packets go, and free where it lives.
    const add = `link add vti9 type vti local ${a.outer} remote ${b.outer}`;
    assert.equal((await a.daemon.tryIp(a.netns, add)).stderr, "RTNETLINK answers: File exists\n");
    await a.daemon.ip(x, add);
    await a.daemon.ip(x, "link set vti1 type vti key 8");
    assert.equal((await a.daemon.link(x, "vti1")).linkinfo.info_data.ikey, "0.0.0.8");

    const arrived = ({ netns, link }: LinkEvent) => netns === x && link.ifname === "vti1";
    const events = (await linkEvents(a.daemon, arrived)).filter(({ link }) => link.ifname === "vti1");
    const [left, came] = events.slice(-2).map(({ kind, netns }) => [kind, netns]);
    assert.deepEqual([left, came], [["dellink", a.netns], ["newlink", x]]);

    await a.daemon.ip(x, "link del vti1");
    assert.equal((await a.daemon.http("GET", `/v1/netns/${x}/links/vti1`)).status, 404);
    await a.daemon.ip(a.netns, add);
  });
}

Deno.test("a moved device is known to the worker that takes another's place", async () => {
  await using topology = new Topology();
  const { a, b } = await joinedPair(topology, async () => {
    const daemon = await Daemon.start(topology, {
      placement: "packed",
      script: "tests/doubles/faulty_daemon.ts",
    });
    return { a: daemon, b: daemon };
  });
  await setUpTunnel(topology, SETUP, a, b);
  const x = await topology.addNetns("x");
  await topology.must(a.netns, ["ip", "link", "set", "vti1", "netns", x]);
  await eventually(() => a.daemon.link(x, "vti1"));
  await topology.must(x, ["ip", "link", "set", "vti1", "up"]);
  await topology.addresses({ netns: x, ifname: "vti1", addresses: a.inner });
  await ping(topology, x, "10.9.0.2");
  const local = a.outer.split(".").reduce((sum, byte) => sum * 256 + Number(byte), 0);
  await Deno.writeTextFile(`${a.daemon.runDir}/faults/tunnel-${local}-throw`, "");
  await eventually(async () => {
    const workers = await a.daemon.workers();
    assert.deepEqual(workers.map(({ restarts }) => restarts).sort().at(-1), 1);
    assert.ok(workers.every(({ state }) => state === "running"));
  });
  await eventually(() => ping(topology, x, "10.9.0.2"));
  assert.equal(await pathMtu(topology, x, "10.9.0.2", 1447), 1446);
});

Deno.test("a moved device may have the index of the underlay's own way out", async () => {
  await using topology = new Topology();
  const { a, b } = await tunnelPair(topology);
  const x = await topology.addNetns("x");
  await topology.must(a.netns, ["ip", "link", "set", "vti1", "netns", x]);
  const { ifindex } = await eventually(() => a.daemon.link(x, "vti1"));
  const wire = `link add wire index ${ifindex} type veth peer name wire netns ${b.netns}`;
  await topology.must(a.netns, ["ip", "link", "del", "wire"]);
  await topology.must(a.netns, ["ip", ...wire.split(" ")]);
  for (const { netns, outer } of [a, b]) {
    await topology.must(netns, ["ip", "link", "set", "wire", "up"]);
    await topology.addresses({ netns, ifname: "wire", addresses: [`${outer}/24`] });
  }
  await topology.must(x, ["ip", "link", "set", "vti1", "up"]);
  await topology.addresses({ netns: x, ifname: "vti1", addresses: a.inner });
  await ping(topology, a.netns, b.outer);
  await ping(topology, x, "10.9.0.2");
  const { tx } = (await a.daemon.link(x, "vti1")).stats64;
  assert.equal(tx.collisions, 0);
});

Deno.test("a device that comes home again works as before", async () => {
  await using topology = new Topology();
  const { a } = await tunnelPair(topology);
  const x = await topology.addNetns("x");
  await topology.must(a.netns, ["ip", "link", "set", "vti1", "netns", x]);
  await eventually(() => a.daemon.link(x, "vti1"));
  await topology.must(x, ["ip", "link", "set", "vti1", "netns", a.netns]);
  const home = await eventually(() => a.daemon.link(a.netns, "vti1"));
  assert.equal(home.link_netnsid, undefined);
  await topology.must(a.netns, ["ip", "link", "set", "vti1", "up"]);
  await topology.addresses({ netns: a.netns, ifname: "vti1", addresses: a.inner });
  await ping(topology, a.netns, "10.9.0.2");
});

Deno.test("ip_vti0 is brought back from another namespace", async () => {
  await using topology = new Topology();
  const netns = await topology.addNetns("a");
  const x = await topology.addNetns("x");
  const daemon = await Daemon.start(topology, { placement: "packed" });
  await daemon.ip(netns, "link set ip_vti0 up");
  await topology.must(netns, ["ip", "link", "set", "ip_vti0", "netns", x]);
  await eventually(() => topology.must(netns, ["ip", "link", "show", "ip_vti0"]));
  await eventually(async () => {
    const { flags } = await daemon.link(netns, "ip_vti0");
    assert.deepEqual(flags, ["NOARP"], "a device that moves goes down");
  });
  await daemon.ip(netns, "link set ip_vti0 up");
  assert.match(daemon.process.output, /Brought "ip_vti0" back: it can't leave its namespace/);
});

Deno.test("lost notifications are made up for", async () => {
  await using topology = new Topology();
  const { a, b } = await tunnelPair(topology);
  const x = await topology.addNetns("x");
  const ends = `type vti local ${a.outer} remote`;
  for (const n of [2, 3]) await a.daemon.ip(a.netns, `link add vti${n} ${ends} 192.0.2.${n + 100}`);
  const flood = Array.from({ length: 2000 }, (_, i) => `link set vti2 mtu ${1000 + i % 2}\n`);
  const changes = ["link set vti2 mtu 1234 up", "link del vti3", `link set vti1 netns ${x}`, ""];

  Deno.kill(a.daemon.process.pid, "SIGSTOP");
  try {
    await must(["ip", "-n", a.netns, "-batch", "-"], { stdin: flood.join("") + changes.join("\n") });
    const sockets = await topology.must(a.netns, ["cat", "/proc/net/netlink"]);
    const drops = sockets.split("\n").slice(1).map((line) => Number(line.trim().split(/\s+/)[8]));
    assert.ok(drops.some((count) => count > 0), `no notification was lost:\n${sockets}`);
  } finally {
    Deno.kill(a.daemon.process.pid, "SIGCONT");
  }
  await eventually(async () => {
    const { mtu, flags } = await a.daemon.link(a.netns, "vti2");
    assert.deepEqual([mtu, flags.includes("UP")], [1234, true]);
  });
  await eventually(async () => {
    const { status } = await a.daemon.http("GET", `/v1/netns/${a.netns}/links/vti3`);
    assert.equal(status, 404);
  });
  await eventually(() => a.daemon.link(x, "vti1"));
  assert.match(a.daemon.process.output, /Notifications of devices were lost/);
  await ping(topology, b.netns, b.outer);
});
