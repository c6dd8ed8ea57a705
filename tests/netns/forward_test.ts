/**
 * The whole program forwards: every placement, four algorithms, raw ESP and ESP in UDP, every crypto library, with
 * offloads and without, one daemon for both ends.
 *
 *     netns a                                   netns b
 *     vti1 10.9.0.1 2001:db8:9::1               vti1 10.9.0.2 2001:db8:9::2
 *     wire 192.0.2.1 ------------ veth -------- wire 192.0.2.2
 */
import assert from "node:assert/strict";
import { algorithm } from "../doubles/algorithms.ts";
import { Daemon, type DaemonSetup } from "../doubles/daemon.ts";
import { iperfTcp, iperfUdp, ping, quietCounters } from "../doubles/traffic.ts";
import { Topology } from "../doubles/topology.ts";
import { joinedPair, setUpTunnel } from "../doubles/tunnel.ts";
import { withoutOffloads } from "../doubles/variant.ts";

/** What the placement changes does not depend on the cipher, so one of each kind does for the second. */
const ALGORITHM_NAMES = {
  packed: ["gcm128", "gcm256", "chacha20poly1305", "cbc128-sha256"],
  isolated: ["gcm128", "cbc128-sha256"],
} as const;

/** ICMP data bytes: the least, around the MTU of every algorithm and of the device, a jumbo, the most IPv4 can carry. */
const SIZES = [1, 100, ...Array.from({ length: 81 }, (_, i) => 1400 + i), 9000, 65_507];
/** IPv6 has no fragmentation on the way: the sender learns the path's MTU and splits by itself. */
const SIZES_V6 = [1, 100, 1380, 1398, 1399, 1480, 9000, 65_000];

interface Case extends DaemonSetup {
  readonly name: string;
  readonly udp: boolean;
  /** Takes segmentation, joining and checksums back from the devices at both ends. */
  readonly offloads?: "off";
}

for (const placement of ["packed", "isolated"] as const) {
  for (const name of ALGORITHM_NAMES[placement]) {
    for (const udp of [false, true]) testForwarding({ placement, name, udp });
  }
}
for (const udp of [false, true]) {
  testForwarding({ placement: "packed", name: "gcm128", udp, crypto: "libcrypto" });
  testForwarding({ placement: "isolated", name: "chacha20poly1305", udp, crypto: "noble" });
  testForwarding({ placement: "packed", name: "gcm128", udp, offloads: "off" });
}

function testForwarding({ name, udp, offloads, ...daemonSetup }: Case): void {
  const { placement, crypto } = daemonSetup;
  const how = [placement, name, udp ? "in UDP" : "raw", ...crypto ? [crypto] : []];
  if (offloads === "off") how.push("without offloads");
  Deno.test(`forwards: ${how.join(", ")}`, async () => {
    await using topology = new Topology();
    const { a, b } = await joinedPair(topology, async () => {
      const daemon = await Daemon.start(topology, daemonSetup);
      return { a: daemon, b: daemon };
    });
    await setUpTunnel(topology, { ifname: "vti1", key: 7, algorithm: algorithm(name), udp }, a, b);
    if (offloads === "off") {
      for (const { netns } of [a, b]) {
        for (const ifname of ["wire", "vti1"]) await topology.must(netns, withoutOffloads(ifname));
      }
    }

    for (const size of SIZES) await ping(topology, a.netns, "10.9.0.2", size);
    for (const size of SIZES_V6) await ping(topology, b.netns, "2001:db8:9::1", size);
    assert.ok(await iperfTcp(topology, a.netns, b.netns, "10.9.0.2") > 0);
    assert.ok(await iperfTcp(topology, b.netns, a.netns, "2001:db8:9::1") > 0);
    // What a busy machine's iperf3 is too late to read is not the tunnel's loss; the counters below tell that.
    const { sent, lost } = await iperfUdp(topology, a.netns, b.netns, "10.9.0.2");
    assert.ok(sent > 0 && lost < sent / 2, `${lost} of ${sent} datagrams lost at a modest rate`);

    const [ofA, ofB] = await quietCounters(a, b, "vti1");
    assert.deepEqual(
      [ofA.rx.packets, ofA.rx.bytes, ofB.rx.packets, ofB.rx.bytes],
      [ofB.tx.packets, ofB.tx.bytes, ofA.tx.packets, ofA.tx.bytes],
    );
    assert.equal(ofA.rx.errors + ofB.rx.errors, 0);
  });
}
