/**
 * The longest inner packet of every algorithm, raw and in UDP, as the kernel has it: one byte more with DF gets the
 * ICMP error that names it, for IPv4 and IPv6, for the gateway's own packets and for forwarded ones.
 *
 *     netns h                        netns a                                netns b
 *     lan 10.8.0.2 2001:db8:8::2 --- lan 10.8.0.1 2001:db8:8::1
 *                                    vti1 10.9.0.1 2001:db8:9::1            vti1 10.9.0.2 2001:db8:9::2
 *                                    wire 192.0.2.1 --------- veth -------- wire 192.0.2.2
 */
import assert from "node:assert/strict";
import { type Algorithm, ALGORITHMS } from "../doubles/algorithms.ts";
import { Daemon } from "../doubles/daemon.ts";
import { Topology } from "../doubles/topology.ts";
import { joinedPair, type Pair, setUpTunnel, stateWords } from "../doubles/tunnel.ts";

/** IPv4 or IPv6 header and ICMP echo header, bytes. */
const HEADERS = { v4: 28, v6: 48 } as const;
const TOO_BIG = /(?:Frag needed and DF set \(mtu = |Packet too big: mtu=)(\d+)/;

async function startPair(topology: Topology): Promise<Pair> {
  return await joinedPair(topology, async () => {
    const daemon = await Daemon.start(topology, { placement: "packed" });
    return { a: daemon, b: daemon };
  });
}

/** A ping of that length with DF: "reply", or the MTU of the error that came back. */
async function pingLength(
  topology: Topology,
  netns: string,
  to: string,
  length: number,
): Promise<"reply" | number> {
  for (const family of ["-4", "-6"]) await topology.must(netns, ["ip", family, "route", "flush", "cache"]);
  const size = length - (to.includes(":") ? HEADERS.v6 : HEADERS.v4);
  const { code, stdout, stderr } = await topology.exec(netns, [
    ...["ping", "-n", "-M", "do", "-c1", "-W2", "-s", `${size}`, to],
  ]);
  if (code === 0) return "reply";
  const mtu = (stdout + stderr).match(TOO_BIG)?.[1];
  assert.ok(mtu !== undefined, `${length} bytes to ${to}: neither reply nor error: ${stdout}${stderr}`);
  return Number(mtu);
}

async function rekey({ a, b }: Pair, algorithm: Algorithm, udp: boolean) {
  const setup = { ifname: "vti1", key: 7, algorithm, udp };
  for (const { daemon, netns } of [a, b]) {
    await daemon.ip(netns, "xfrm state flush");
    for (const [from, to] of [[a, b], [b, a]] as const) await daemon.ip(netns, stateWords(setup, from, to));
  }
}

Deno.test("every algorithm has the kernel's inner MTU", async (t) => {
  await using topology = new Topology();
  const pair = await startPair(topology);
  const { a, b } = pair;
  await setUpTunnel(topology, { ifname: "vti1", key: 7, algorithm: ALGORITHMS[0]!, udp: false }, a, b);
  assert.equal((await a.daemon.link(a.netns, "vti1")).mtu, 1480);
  for (const algorithm of ALGORITHMS) {
    for (const encap of ["raw", "udp"] as const) {
      const mtu = algorithm.mtu[encap];
      await t.step(`${algorithm.name} ${encap}: ${mtu}`, async () => {
        await rekey(pair, algorithm, encap === "udp");
        for (const to of ["10.9.0.2", "2001:db8:9::2"]) {
          assert.equal(await pingLength(topology, a.netns, to, mtu), "reply", `${mtu} to ${to}`);
          assert.equal(await pingLength(topology, a.netns, to, mtu + 1), mtu, `${mtu + 1} to ${to}`);
        }
      });
    }
  }
});

Deno.test("a forwarded packet that is too big gets its error back to the host that sent it", async () => {
  await using topology = new Topology();
  const { a, b } = await startPair(topology);
  const algorithm = ALGORITHMS[0]!;
  await setUpTunnel(topology, { ifname: "vti1", key: 7, algorithm, udp: false }, a, b);
  const host = await topology.addNetns("h");
  await topology.veth(
    { netns: a.netns, ifname: "lan", addresses: ["10.8.0.1/24", "2001:db8:8::1/64"] },
    { netns: host, ifname: "lan", addresses: ["10.8.0.2/24", "2001:db8:8::2/64"] },
  );
  await topology.sysctl(a.netns, { "net/ipv4/ip_forward": 1, "net/ipv6/conf/all/forwarding": 1 });
  await topology.must(host, ["ip", "route", "add", "10.9.0.0/24", "via", "10.8.0.1"]);
  await topology.must(host, ["ip", "route", "add", "2001:db8:9::/64", "via", "2001:db8:8::1"]);
  await topology.must(b.netns, ["ip", "route", "add", "10.8.0.0/24", "dev", "vti1"]);
  await topology.must(b.netns, ["ip", "route", "add", "2001:db8:8::/64", "dev", "vti1"]);
  for (const to of ["10.9.0.2", "2001:db8:9::2"]) {
    assert.equal(await pingLength(topology, host, to, algorithm.mtu.raw), "reply");
    assert.equal(await pingLength(topology, host, to, algorithm.mtu.raw + 1), algorithm.mtu.raw);
  }
  const { tx } = (await a.daemon.link(a.netns, "vti1")).stats64;
  assert.deepEqual([tx.errors, tx.carrier_errors, tx.aborted_errors], [2, 0, 0]);
});
