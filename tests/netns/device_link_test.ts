/**
 * What binds a tunnel to its underlay: the MTU that is guessed from routes, LINK, fwmark; and lookups that honour LINK.
 *
 *     netns a                                        netns b
 *     10.255.0.1 on lo                               10.255.0.2 on lo
 *     w1 192.0.2.1 ------------- veth --------------- w1 192.0.2.2
 *     w2 198.51.100.1 ---------- veth --------------- w2 198.51.100.2
 */
import assert from "node:assert/strict";
import { algorithm } from "../doubles/algorithms.ts";
import { Daemon } from "../doubles/daemon.ts";
import { eventually } from "../doubles/eventually.ts";
import { Topology } from "../doubles/topology.ts";
import { ping } from "../doubles/traffic.ts";
import { encapWords, joinedPair, type Pair, setUpTunnel } from "../doubles/tunnel.ts";

const A = "10.255.0.1", B = "10.255.0.2";
const WIRES = ["w1", "w2"] as const;
const NETS = { w1: "192.0.2", w2: "198.51.100" } as const;

async function twoWires(topology: Topology): Promise<{ a: string; b: string }> {
  const a = await topology.addNetns("a");
  const b = await topology.addNetns("b");
  for (const wire of WIRES) {
    await topology.veth(
      { netns: a, ifname: wire, addresses: [`${NETS[wire]}.1/24`] },
      { netns: b, ifname: wire, addresses: [`${NETS[wire]}.2/24`] },
      wire === "w1" ? 1500 : 3000,
    );
  }
  for (const [netns, address] of [[a, A], [b, B]] as const) {
    await topology.addresses({ netns, ifname: "lo", addresses: [`${address}/32`] });
    await topology.sysctl(netns, { "net/ipv4/conf/all/rp_filter": 0 });
    for (const wire of WIRES) await topology.sysctl(netns, { [`net/ipv4/conf/${wire}/rp_filter`]: 0 });
  }
  await topology.must(b, ["ip", "route", "add", A, "via", `${NETS.w1}.1`, "src", B]);
  return { a, b };
}

/** A tunnel with key 7 between two namespaces of their own. */
async function tunnelPair(topology: Topology): Promise<Pair> {
  const pair = await joinedPair(topology, async () => {
    const daemon = await Daemon.start(topology, { placement: "packed" });
    return { a: daemon, b: daemon };
  });
  await setUpTunnel(
    topology,
    { ifname: "vti1", key: 7, algorithm: algorithm("gcm128"), udp: false },
    pair.a,
    pair.b,
  );
  return pair;
}

Deno.test("the MTU is guessed from the device that the route leads to", async () => {
  await using topology = new Topology();
  const { a } = await twoWires(topology);
  const daemon = await Daemon.start(topology, { placement: "packed" });
  const ip = (words: string) => topology.must(a, ["ip", ...words.split(" ")]);
  await ip("route add 203.0.113.0/24 via 198.51.100.2 mtu 1300");
  await ip("rule add fwmark 0x55 table 100");
  await ip("route add 192.0.2.0/24 via 198.51.100.2 table 100");

  const mtu = async (words: string, given = "") => {
    await daemon.ip(a, `link add v ${given} type vti ${words}`);
    const { mtu } = await daemon.link(a, "v");
    await daemon.ip(a, "link del v");
    return mtu;
  };
  const cases: [string, number][] = [
    ["remote 192.0.2.2", 1480],
    ["local 192.0.2.1 remote 192.0.2.2", 1480],
    ["remote 198.51.100.2", 2980],
    // The route's own MTU does not count, the device's does.
    ["remote 203.0.113.9", 2980],
    // Without a route, LINK; without either, 1500.
    ["remote 8.8.8.8", 1480],
    ["remote 8.8.8.8 dev w2", 2980],
    ["local 192.0.2.1", 1480],
    ["local 192.0.2.1 dev w2", 2980],
    // A source that is not here has no route.
    ["local 8.8.4.4 remote 198.51.100.2", 1480],
    // fwmark and LINK choose the route.
    ["remote 192.0.2.2 fwmark 0x55", 2980],
    ["remote 192.0.2.2 dev w1 fwmark 0x55", 1480],
  ];
  for (const [words, expected] of cases) assert.equal(await mtu(words), expected, words);
  assert.equal(await mtu("remote 198.51.100.2", "mtu 1400"), 1400);

  // A change of link or fwmark is a new guess, and nothing else is.
  await daemon.ip(a, "link add v mtu 1300 type vti remote 192.0.2.2");
  const changed = async (words: string) => {
    await daemon.ip(a, `link set v ${words}`);
    return (await daemon.link(a, "v")).mtu;
  };
  assert.equal(await changed("type vti remote 198.51.100.2 key 5"), 1300);
  await ip("link set w2 mtu 2000");
  assert.equal(await changed("type vti dev w2"), 1980);
  assert.equal(await changed("mtu 1200 type vti dev w1"), 1200);
});

Deno.test("PUT replaces and PATCH changes, and both are told", async () => {
  await using topology = new Topology();
  const { a } = await twoWires(topology);
  const daemon = await Daemon.start(topology, { placement: "packed" });
  await daemon.ip(a, `link add v type vti local ${A} remote ${B} key 7 dev w1 fwmark 5`);
  const path = `/v1/netns/${a}/links/v`;
  const data = (body: unknown) =>
    (body as { linkinfo: { info_data: Record<string, string> } }).linkinfo.info_data;
  const monitor = await topology.spawn(null, [
    ...[Deno.execPath(), "run", "-A", new URL("../../mod.ts", import.meta.url).pathname],
    ...["--run-dir", daemon.runDir, "-n", a, "monitor", "link"],
  ]);
  // The monitor tells of what comes after it; a name given back and forth shows when it listens.
  await eventually(async () => {
    await daemon.ip(a, "link set v name w");
    await daemon.ip(a, "link set w name v");
    assert.match(monitor.output, /: w@w1:/);
  });

  const info = (info_data: object) => ({ linkinfo: { info_kind: "vti", info_data } });
  const patched = await daemon.http("PATCH", path, info({ okey: 9 }));
  assert.deepEqual(data(patched.body), {
    local: A,
    remote: B,
    link: "w1",
    ikey: "0.0.0.7",
    okey: "0.0.0.9",
    fwmark: "0x5",
  });
  const put = await daemon.http("PUT", path, info({ local: "10.255.0.9", remote: B }));
  assert.deepEqual(data(put.body), { local: "10.255.0.9", remote: B, fwmark: "0x5" });
  await monitor.printed(
    /: v@NONE: .*\n {4}link\/ipip 10\.255\.0\.9 peer 10\.255\.0\.2 permaddr 10\.255\.0\.1\n/,
  );
  const refused = await daemon.http("PUT", path, info({ local: "10.255.0.9" }));
  assert.equal(refused.status, 422);
  assert.deepEqual(data((await daemon.http("GET", path)).body), data(put.body));
});

Deno.test("a device where packets are forwarded is in no group that it would report into the tunnel", async () => {
  await using topology = new Topology();
  const netns = await topology.addNetns("a");
  await topology.sysctl(netns, { "net/ipv6/conf/all/forwarding": 1 });
  const daemon = await Daemon.start(topology, { placement: "packed" });
  await daemon.ip(netns, `link add v type vti local ${A} remote ${B}`);
  await daemon.ip(netns, "link set v up");
  const [{ maddr }] = JSON.parse(await topology.must(netns, ["ip", "-j", "maddr", "show", "dev", "v"]));
  // As Linux' own vti: the groups of all nodes, which nobody reports (RFC 3376 §5, RFC 3810 §6); not that of all routers.
  assert.deepEqual(maddr.map(({ address }: { address: string }) => address), [
    "224.0.0.1",
    "ff02::1",
    "ff01::1",
  ]);
});

for (const udp of [false, true]) {
  Deno.test(`of two tunnels with the same ends, the one bound to the way in takes a packet, ${udp ? "in UDP" : "raw"}`, async () => {
    await using topology = new Topology();
    const { a, b } = await twoWires(topology);
    const daemon = await Daemon.start(topology, { placement: "packed" });
    const words = `mode tunnel flag af-unspec ${algorithm("gcm128").words} ${encapWords(udp)}`;
    const template = `tmpl src ${A} dst ${B} proto esp mode tunnel`;
    await daemon.ip(a, `link add out type vti local ${A} remote ${B} key 9`);
    await daemon.ip(a, `xfrm state add src ${A} dst ${B} proto esp spi 0x100 mark 9 ${words}`);
    await daemon.ip(a, `xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dir out mark 9 ${template}`);
    await daemon.ip(a, "link set out up");
    await topology.addresses({ netns: a, ifname: "out", addresses: ["10.9.0.1/24"] });
    for (const [i, wire] of WIRES.entries()) {
      const key = i + 1;
      await daemon.ip(b, `link add in${key} type vti local ${B} remote ${A} dev ${wire} key ${key}`);
      await daemon.ip(b, `xfrm state add src ${A} dst ${B} proto esp spi 0x100 mark ${key} ${words}`);
      await daemon.ip(b, `xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dir in mark ${key} ${template}`);
      await daemon.ip(b, `link set in${key} up`);
    }
    const received = async () => {
      const packets = [];
      for (const name of ["in1", "in2"]) packets.push((await daemon.link(b, name)).stats64.rx.packets);
      return packets;
    };
    const expected = [0, 0];
    for (const [i, wire] of WIRES.entries()) {
      await topology.must(a, ["ip", "route", "replace", B, "via", `${NETS[wire]}.2`, "src", A]);
      // What went by the other wire before is on its way no more once one packet came by this one.
      await eventually(async () => {
        await topology.exec(a, ["ping", "-c1", "-W1", "10.9.0.2"]);
        assert.ok((await received())[i]! > expected[i]!);
      });
      const now = await received();
      const other = 1 - i;
      await topology.exec(a, ["ping", "-c3", "-i0.2", "-W1", "10.9.0.2"]);
      expected[i] = now[i]! + 3;
      expected[other] = now[other]!;
      await eventually(async () => assert.deepEqual(await received(), expected));
    }
  });
}

Deno.test("new keys count for the next packet, both ways", async () => {
  await using topology = new Topology();
  const { a, b } = await tunnelPair(topology);
  const lost = async () => {
    const { code } = await topology.exec(a.netns, ["ping", "-c1", "-W0.3", "10.9.0.2"]);
    assert.equal(code, 1);
    const [sent, received] = [await a.daemon.link(a.netns, "vti1"), await b.daemon.link(b.netns, "vti1")];
    return [sent.stats64.tx.carrier_errors, received.stats64.rx.errors];
  };
  await ping(topology, a.netns, "10.9.0.2");
  await a.daemon.ip(a.netns, "link set vti1 type vti okey 8");
  assert.deepEqual(await lost(), [1, 0]);
  await a.daemon.ip(a.netns, "link set vti1 type vti okey 7");
  await ping(topology, a.netns, "10.9.0.2");
  await b.daemon.ip(b.netns, "link set vti1 type vti ikey 8");
  assert.deepEqual(await lost(), [1, 1]);
  await b.daemon.ip(b.netns, "link set vti1 type vti ikey 7");
  await ping(topology, a.netns, "10.9.0.2");
});

/** Sends an IP packet into a device by a packet socket: no route leads there. */
const PACKET_SOCKET = `
import socket, sys
packet = bytes.fromhex(sys.argv[2])
protocol = 0x0800 if packet[0] >> 4 == 4 else 0x86dd
socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM).sendto(packet, (sys.argv[1], protocol))
`;

Deno.test("a packet put into the device past its routes goes through the tunnel", async () => {
  await using topology = new Topology();
  const { a, b } = await tunnelPair(topology);
  const received = async () => (await b.daemon.link(b.netns, "vti1")).stats64.rx.packets;
  const payload = "00".repeat(8);
  const packets = [
    // From and to addresses that nobody here has; the protocol is 253 (RFC 3692), the IPv4 checksum right.
    `4500001c0000400040fdc17fcb007101cb007163${payload}`,
    `600000000008fd40${"20010db8".padEnd(32, "1")}${"20010db8".padEnd(32, "2")}${payload}`,
  ];
  for (const packet of packets) {
    const before = await received();
    await topology.must(a.netns, ["python3", "-c", PACKET_SOCKET, "vti1", packet]);
    await eventually(async () => assert.equal(await received(), before + 1));
  }
});
