/** Sysctls of a namespace that the kernel's xfrm and ICMP keep to: so does the gateway, as they stand. */
import assert from "node:assert/strict";
import { algorithm } from "../doubles/algorithms.ts";
import { Capture, readPackets } from "../doubles/capture.ts";
import { Daemon } from "../doubles/daemon.ts";
import { eventually } from "../doubles/eventually.ts";
import { Topology } from "../doubles/topology.ts";
import { ping } from "../doubles/traffic.ts";
import { joinedPair, type Pair, setUpTunnel } from "../doubles/tunnel.ts";

const INNER = "10.9.0.2";
const TTL_AT = 8;

async function tunnelPair(topology: Topology): Promise<Pair> {
  const pair = await joinedPair(topology, async () => {
    const daemon = await Daemon.start(topology, { placement: "packed" });
    return { a: daemon, b: daemon };
  });
  const setup = { ifname: "vti1", key: 7, algorithm: algorithm("gcm128"), udp: false };
  await setUpTunnel(topology, setup, pair.a, pair.b);
  await ping(topology, pair.a.netns, INNER);
  return pair;
}

Deno.test("outer packets have the TTL of the sysctl, or of their route", async () => {
  await using topology = new Topology();
  const { a, b } = await tunnelPair(topology);
  const capture = await Capture.start(topology, b.netns, "wire", `esp and src ${a.outer}`);
  const ttl = async () => {
    const before = (await readPackets(capture.path)).length;
    await ping(topology, a.netns, INNER);
    await capture.holds(before + 1);
    return Number.parseInt((await readPackets(capture.path)).at(-1)!.slice(2 * TTL_AT, 2 * TTL_AT + 2), 16);
  };
  assert.equal(await ttl(), 64);
  await topology.sysctl(a.netns, { "net/ipv4/ip_default_ttl": 77 });
  await eventually(async () => assert.equal(await ttl(), 77));
  await topology.must(a.netns, ["ip", "route", "add", b.outer, "dev", "wire", "hoplimit", "99"]);
  await eventually(async () => assert.equal(await ttl(), 99));
});

Deno.test("ICMP limits follow their sysctls", async () => {
  await using topology = new Topology();
  const { a } = await tunnelPair(topology);
  // The errors are for a host behind the gateway: its own are not limited one by one.
  const inner = await topology.addNetns("i");
  await topology.veth(
    { netns: a.netns, ifname: "inner", addresses: ["10.20.0.1/24", "fd20::1/64"] },
    { netns: inner, ifname: "inner", addresses: ["10.20.0.2/24", "fd20::2/64"] },
  );
  await topology.must(inner, ["ip", "route", "add", "default", "via", "10.20.0.1"]);
  await topology.must(inner, ["ip", "-6", "route", "add", "default", "via", "fd20::1"]);
  await topology.must(a.netns, ["ip", "route", "add", "10.30.0.0/16", "dev", "vti1"]);
  await topology.must(a.netns, ["ip", "-6", "route", "add", "fd30::/16", "dev", "vti1"]);
  await topology.sysctl(a.netns, { "net/ipv4/ip_forward": 1, "net/ipv6/conf/all/forwarding": 1 });
  await a.daemon.ip(a.netns, "xfrm policy flush");

  const errors = async (netns: string, to: string) => {
    const { stdout } = await topology.exec(netns, ["ping", "-n", "-c20", "-i0.01", "-W1", to]);
    return Number(stdout.match(/ \+(\d+) errors/)?.[1] ?? 0);
  };
  const four = "10.30.0.1", six = "fd30::1";
  assert.deepEqual([await errors(inner, four), await errors(inner, six)], [20, 20]);
  await topology.sysctl(a.netns, { "net/ipv4/icmp_ratelimit": 60_000, "net/ipv6/icmp/ratelimit": 60_000 });
  for (const to of [four, six]) {
    await eventually(async () => assert.equal(await errors(inner, to), 0));
    assert.equal(await errors(a.netns, to), 20, "an error to this host itself");
  }
  await topology.sysctl(a.netns, { "net/ipv4/icmp_ratemask": 0 });
  await topology.must(a.netns, ["sh", "-ec", "echo '' > /proc/sys/net/ipv6/icmp/ratemask"]);
  for (const to of [four, six]) {
    await eventually(async () => assert.equal(await errors(inner, to), 20));
  }
});

Deno.test("disable_policy where packets come in spares IPv4 its policies, disable_xfrm leaves it no IPsec", async () => {
  await using topology = new Topology();
  const { a } = await tunnelPair(topology);
  const answers = async (address: string) =>
    (await topology.exec(a.netns, ["ping", "-n", "-c1", "-W0.3", address])).code === 0;
  const INNER_V6 = "2001:db8:9::2";
  await ping(topology, a.netns, INNER_V6);
  for (const any of ["0.0.0.0/0", "::/0"]) {
    await a.daemon.ip(a.netns, `xfrm policy delete src ${any} dst ${any} dir in mark 7`);
  }
  assert.deepEqual([await answers(INNER), await answers(INNER_V6)], [false, false]);
  await topology.sysctl(a.netns, { "net/ipv4/conf/wire/disable_policy": 1 });
  await eventually(async () => assert.ok(await answers(INNER)));
  assert.ok(!await answers(INNER_V6), "IPv6 meets its policies");

  const carrierErrors = async () => (await a.daemon.link(a.netns, "vti1")).stats64.tx.carrier_errors;
  await topology.sysctl(a.netns, { "net/ipv4/conf/all/disable_xfrm": 1 });
  await eventually(async () => {
    const before = await carrierErrors();
    assert.ok(!await answers(INNER));
    assert.equal(await carrierErrors(), before + 1);
  });
});

Deno.test("ip_no_pmtu_disc gives new SAs nopmtudisc", async () => {
  await using topology = new Topology();
  const { a } = await tunnelPair(topology);
  await topology.sysctl(a.netns, { "net/ipv4/ip_no_pmtu_disc": 1 });
  const id = "src 192.0.2.1 dst 192.0.2.99 proto esp spi 0x1234";
  await a.daemon.ip(a.netns, `xfrm state add ${id} mode tunnel ${algorithm("gcm128").words}`);
  assert.match(await a.daemon.ip(a.netns, `xfrm state get ${id}`), /replay-window 0 flag nopmtudisc\n/);
  assert.equal(
    (await a.daemon.ip(a.netns, "xfrm state")).match(/nopmtudisc/g)?.length,
    1,
    "those before stay",
  );
});

Deno.test("xfrm_acq_expires says how long a reserved SPI waits", async () => {
  await using topology = new Topology();
  const { a } = await tunnelPair(topology);
  const id = "src 192.0.2.1 dst 192.0.2.99 proto esp";
  const reserved = () => a.daemon.ip(a.netns, "xfrm state list dst 192.0.2.99");
  await topology.sysctl(a.netns, { "net/core/xfrm_acq_expires": 1 });
  await a.daemon.ip(a.netns, `xfrm state allocspi ${id} min 0x300 max 0x300 mode tunnel`);
  assert.match(await reserved(), /spi 0x00000300 /);
  await eventually(async () => assert.equal(await reserved(), ""));
});
