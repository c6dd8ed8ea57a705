/**
 * A path that is narrower than the underlay's device: what its router says is believed, what others say is not.
 *
 *     netns a                    netns r                              netns b
 *     vti1 10.9.0.1                                                   vti1 10.9.0.2
 *     wire 192.0.2.1 ----------- 192.0.2.254   198.51.100.254 ------- far 198.51.100.2
 *                     MTU 1500                                MTU 1300
 */
import assert from "node:assert/strict";
import { algorithm } from "../doubles/algorithms.ts";
import { Daemon } from "../doubles/daemon.ts";
import { eventually } from "../doubles/eventually.ts";
import { fragNeeded, type Quoted, sendIcmp } from "../doubles/frag_needed.ts";
import { ping } from "../doubles/traffic.ts";
import { Topology } from "../doubles/topology.ts";
import { joinedPair, type Pair, setUpTunnel, type TunnelEnd } from "../doubles/tunnel.ts";

const INNER = "10.9.0.2";
const ALGORITHM = algorithm("gcm128");
const setup = (udp: boolean) => ({ ifname: "vti1", key: 7, algorithm: ALGORITHM, udp });

/** A ping of that length with DF: "reply", "lost", or the MTU of the error that came back. */
async function pingLength(topology: Topology, netns: string, length: number): Promise<string | number> {
  // What the inner route has learned goes with it; flushing the cache would take the outer path's MTU too.
  for (const what of ["del", "add"]) {
    await topology.must(netns, ["ip", "route", what, "10.9.0.0/24", "dev", "vti1", "src", "10.9.0.1"]);
  }
  const words = ["ping", "-n", "-M", "do", "-c1", "-W1", "-s", `${length - 28}`, INNER];
  const { code, stdout, stderr } = await topology.exec(netns, words);
  if (code === 0) return "reply";
  const mtu = (stdout + stderr).match(/Frag needed and DF set \(mtu = (\d+)/)?.[1];
  return mtu === undefined ? "lost" : Number(mtu);
}

async function routedPair(topology: Topology, udp: boolean): Promise<{ a: TunnelEnd; b: TunnelEnd }> {
  const netns = { a: "", r: "", b: "" };
  for (const label of ["a", "r", "b"] as const) netns[label] = await topology.addNetns(label);
  await topology.veth(
    { netns: netns.a, ifname: "wire", addresses: ["192.0.2.1/24"] },
    { netns: netns.r, ifname: "left", addresses: ["192.0.2.254/24"] },
  );
  await topology.veth(
    { netns: netns.r, ifname: "right", addresses: ["198.51.100.254/24"] },
    { netns: netns.b, ifname: "far", addresses: ["198.51.100.2/24"] },
    1300,
  );
  await topology.sysctl(netns.r, { "net/ipv4/ip_forward": 1 });
  await topology.must(netns.a, ["ip", "route", "add", "default", "via", "192.0.2.254"]);
  await topology.must(netns.b, ["ip", "route", "add", "default", "via", "198.51.100.254"]);
  const daemon = await Daemon.start(topology, { placement: udp ? "isolated" : "packed" });
  const end = (which: "a" | "b", outer: string, host: number): TunnelEnd => ({
    daemon,
    netns: netns[which],
    outer,
    inner: [`10.9.0.${host}/24`],
    spi: 0x1000 * host,
  });
  const a = end("a", "192.0.2.1", 1);
  const b = end("b", "198.51.100.2", 2);
  await setUpTunnel(topology, setup(udp), a, b);
  await ping(topology, a.netns, INNER);
  return { a, b };
}

for (const { udp, inner } of [{ udp: false, inner: 1246 }, { udp: true, inner: 1238 }]) {
  Deno.test(`a router on the path lowers the inner MTU to ${inner}, ${udp ? "in UDP" : "raw"}`, async () => {
    await using topology = new Topology();
    const { a } = await routedPair(topology, udp);
    assert.equal(await pingLength(topology, a.netns, 1400), "lost", "the first one meets the narrow link");
    await eventually(async () => assert.equal(await pingLength(topology, a.netns, 1400), inner));
    assert.equal(await pingLength(topology, a.netns, 1300), inner);
    assert.equal(await pingLength(topology, a.netns, inner + 1), inner);
    assert.equal(await pingLength(topology, a.netns, inner), "reply");
    // Without DF the outer packet is fragmented to what the path takes.
    await ping(topology, a.netns, INNER, 1400);
    assert.equal((await a.daemon.link(a.netns, "vti1")).mtu, 1480, "the device's MTU is not touched");
  });
}

/** One wire of MTU 1500, and a packet sent from a to b. */
async function directPair(
  topology: Topology,
  sysctls: Record<string, number> = {},
  udp = false,
): Promise<Pair> {
  const pair = await joinedPair(topology, async (netns) => {
    await topology.sysctl(netns.a, sysctls);
    const daemon = await Daemon.start(topology, { placement: "packed" });
    return { a: daemon, b: daemon };
  });
  await setUpTunnel(topology, setup(udp), pair.a, pair.b);
  await ping(topology, pair.a.netns, INNER);
  return pair;
}

/** Tells a's gateway that the path to b is too narrow. */
function tell({ a, b }: Pair, change: Partial<Quoted> & { mtu: number }): void {
  const quoted = { src: a.outer, dst: b.outer, spi: b.spi, seq: 1, ...change };
  sendIcmp(b.netns, a.outer, fragNeeded(quoted));
}

Deno.test("what was made up changes nothing", async () => {
  await using topology = new Topology();
  const pair = await directPair(topology);
  const { a } = pair;
  const forged: Partial<Quoted>[] = [
    { spi: 0x9999 },
    { spi: a.spi },
    { seq: 0 },
    { seq: 1000 },
    { seq: 0x80000000 },
    { seq: 0xffffffff },
    { dst: "192.0.2.77" },
    { src: "192.0.2.77" },
    { badChecksum: true },
    { code: 1 },
    { proto: 51 },
    { proto: 108 },
    { bytes: 4 },
    { udp: { sport: 4500, dport: 4500 }, seq: 1000 },
  ];
  for (const change of forged) tell(pair, { mtu: 1000, ...change });
  tell(pair, { mtu: 9000 });
  // Errors are read in order and only lower the MTU: had one of the others counted, it would stay below this one's.
  tell(pair, { mtu: 1400 });
  await eventually(async () => assert.equal(await pingLength(topology, a.netns, 1480), 1346));
  assert.equal(await pingLength(topology, a.netns, 1346), "reply");
});

Deno.test("what was made up for the UDP socket changes nothing", async () => {
  await using topology = new Topology();
  const pair = await directPair(topology, {}, true);
  const { a, b } = pair;
  const udp = { sport: 4500, dport: 4500 };
  tell(pair, { mtu: 1000, udp, spi: 0x9999 });
  tell(pair, { mtu: 1000, udp, seq: 1000 });
  // The kernel has believed it; a change of routes makes the gateway ask the kernel anew.
  assert.match(await topology.must(a.netns, ["ip", "route", "get", b.outer]), /mtu 1000/);
  await topology.must(a.netns, ["ip", "route", "add", "203.0.113.0/24", "dev", "wire"]);
  assert.match(await topology.must(a.netns, ["ip", "route", "get", b.outer]), /mtu 1000/);
  tell(pair, { mtu: 1400, udp });
  await eventually(async () => assert.equal(await pingLength(topology, a.netns, 1480), 1338));
  assert.equal(await pingLength(topology, a.netns, 1338), "reply");
});

Deno.test("AH learns the path's MTU too", async () => {
  await using topology = new Topology();
  const { a, b } = await directPair(topology);
  const auth = `auth-trunc hmac(sha256) 0x${"5a".repeat(32)} 128`;
  for (const here of [a, b]) {
    const ip = (words: string) => here.daemon.ip(here.netns, words);
    await ip("xfrm state flush");
    await ip("xfrm policy flush");
    for (const [from, to] of [[a, b], [b, a]] as const) {
      await ip(
        `xfrm state add src ${from.outer} dst ${to.outer} proto ah spi ${to.spi} mode tunnel mark 7 ${auth}`,
      );
      const dir = from === here ? "out" : "in";
      await ip(
        `xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dir ${dir} mark 7 ` +
          `tmpl src ${from.outer} dst ${to.outer} proto ah mode tunnel`,
      );
    }
  }
  assert.equal(await pingLength(topology, a.netns, 1448), "reply");
  tell({ topology, a, b }, { mtu: 1000, proto: 51, seq: 1000 });
  tell({ topology, a, b }, { mtu: 1000 });
  tell({ topology, a, b }, { mtu: 1400, proto: 51 });
  await eventually(async () => assert.equal(await pingLength(topology, a.netns, 1448), 1348));
  assert.equal(await pingLength(topology, a.netns, 1348), "reply");
});

Deno.test("no report gets below the least MTU, and nothing is learned after one that tried", async () => {
  await using topology = new Topology();
  const pair = await directPair(topology);
  tell(pair, { mtu: 500 });
  await eventually(async () => assert.equal(await pingLength(topology, pair.a.netns, 1480), 498));
  assert.equal(await pingLength(topology, pair.a.netns, 498), "reply");
  tell(pair, { mtu: 0 });
  assert.equal(await pingLength(topology, pair.a.netns, 1480), 498);
});

Deno.test("what was learned is forgotten after its time", async () => {
  await using topology = new Topology();
  const pair = await directPair(topology, { "net/ipv4/route/mtu_expires": 2 });
  tell(pair, { mtu: 1400 });
  await eventually(async () => assert.equal(await pingLength(topology, pair.a.netns, 1446), 1346));
  await eventually(async () => assert.equal(await pingLength(topology, pair.a.netns, 1446), "reply"));
});

Deno.test("a locked MTU of a route is left alone", async () => {
  await using topology = new Topology();
  const pair = await directPair(topology);
  const { a, b } = pair;
  const route = (words: string) => topology.must(a.netns, ["ip", "route", ...words.split(" ")]);
  await route(`add ${b.outer}/32 dev wire mtu lock 1450`);
  await eventually(async () => assert.equal(await pingLength(topology, a.netns, 1480), 1394));
  tell(pair, { mtu: 1300 });
  // Without the lock the next one counts, and the one before would have left 1246.
  await route(`replace ${b.outer}/32 dev wire mtu 1450`);
  await eventually(async () => {
    tell(pair, { mtu: 1400 });
    assert.equal(await pingLength(topology, a.netns, 1480), 1346);
  });
});

Deno.test("what was learned goes with the route, and with ip route flush cache", async () => {
  await using topology = new Topology();
  const pair = await directPair(topology);
  const { a, b } = pair;
  const ip = (words: string) => topology.must(a.netns, ["ip", ...words.split(" ")]);
  const learn = async () => {
    tell(pair, { mtu: 1400 });
    await eventually(async () => assert.equal(await pingLength(topology, a.netns, 1446), 1346));
  };
  const forgotten = () =>
    eventually(async () => assert.equal(await pingLength(topology, a.netns, 1446), "reply"));

  await learn();
  await ip("route add 203.0.113.0/24 dev wire");
  await ip("route del 203.0.113.0/24 dev wire");
  assert.equal(await pingLength(topology, a.netns, 1446), 1346, "another route's end");
  await ip("route flush cache");
  await forgotten();

  await ip(`route add ${b.outer}/32 dev wire`);
  await learn();
  await ip(`route del ${b.outer}/32 dev wire`);
  await ip(`route add ${b.outer}/32 dev wire`);
  await forgotten();

  await learn();
  await ip(`route change ${b.outer}/32 dev wire mtu 1490`);
  await eventually(async () => assert.equal(await pingLength(topology, a.netns, 1446), 1434));
  await ip(`route change ${b.outer}/32 dev wire`);
  await learn();
  await ip("link set wire down");
  await ip("link set wire up");
  await forgotten();
});
