/**
 * Inner sources of a tunnel whose policies take any: the system's own rp_filter works on the device, as on a kernel's
 * vti, and so the gateway has no option for it.
 */
import assert from "node:assert/strict";
import { algorithm } from "../doubles/algorithms.ts";
import { Daemon } from "../doubles/daemon.ts";
import { Topology } from "../doubles/topology.ts";
import { ping } from "../doubles/traffic.ts";
import { joinedPair, setUpTunnel } from "../doubles/tunnel.ts";

/** A counter of /proc/net/snmp or /proc/net/netstat. */
async function counter(topology: Topology, netns: string, group: string, name: string): Promise<number> {
  const text = await topology.must(netns, ["cat", "/proc/net/snmp", "/proc/net/netstat"]);
  const [names, values] = text.split("\n").filter((line) => line.startsWith(`${group}: `)).map((line) =>
    line.split(" ")
  );
  return Number(values![names!.indexOf(name)]);
}

for (const rpFilter of [0, 1]) {
  Deno.test(`rp_filter ${rpFilter} on a device ${rpFilter ? "refuses" : "takes"} a source that is not behind it`, async () => {
    await using topology = new Topology();
    const { a, b } = await joinedPair(topology, async () => {
      const daemon = await Daemon.start(topology, { placement: "packed" });
      return { a: daemon, b: daemon };
    });
    await setUpTunnel(topology, { ifname: "vti1", key: 7, algorithm: algorithm("gcm128"), udp: false }, a, b);
    // The way to this source leads elsewhere; the peer uses it all the same.
    await topology.must(a.netns, ["ip", "route", "add", "10.60.0.0/16", "dev", "lo"]);
    await topology.must(b.netns, ["ip", "address", "add", "10.60.0.1/32", "dev", "lo"]);
    await topology.sysctl(a.netns, {
      "net/ipv4/conf/all/rp_filter": 0,
      "net/ipv4/conf/vti1/rp_filter": rpFilter,
    });
    const read = async () => [
      await counter(topology, a.netns, "Icmp", "InEchos"),
      await counter(topology, a.netns, "TcpExt", "IPReversePathFilter"),
      (await a.daemon.link(a.netns, "vti1")).stats64.rx.packets,
    ];
    const before = await read();
    await topology.exec(b.netns, ["ping", "-c1", "-W1", "-I", "10.60.0.1", "10.9.0.1"]);
    const after = await read();
    assert.deepEqual(after.map((n, i) => n - before[i]!), [1 - rpFilter, rpFilter, 1]);
    await ping(topology, b.netns, "10.9.0.1");
  });
}
