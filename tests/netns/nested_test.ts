/**
 * Bundles of several SAs between two gateways. What arrives is opened one SA at a time: out of the device comes an IPsec
 * packet for this host, which goes in again.
 *
 *     netns a                                netns b
 *     vti1 10.9.0.1 2001:db8:9::1            vti1 10.9.0.2 2001:db8:9::2
 *     wire 192.0.2.1 --------- veth -------- wire 192.0.2.2
 */
import assert from "node:assert/strict";
import { BUNDLES, bundleWords } from "../doubles/bundles.ts";
import { Daemon } from "../doubles/daemon.ts";
import { Topology } from "../doubles/topology.ts";
import { joinedPair } from "../doubles/tunnel.ts";

const KEY = 7;

Deno.test("packets go through bundles of several SAs", async (t) => {
  await using topology = new Topology();
  const { a, b } = await joinedPair(topology, async () => {
    const daemon = await Daemon.start(topology, { placement: "packed" });
    return { a: daemon, b: daemon };
  });
  for (const [here, there] of [[a, b], [b, a]] as const) {
    const ip = (words: string) => here.daemon.ip(here.netns, words);
    await ip(`link add vti1 type vti local ${here.outer} remote ${there.outer} key ${KEY}`);
    await ip("link set vti1 up");
    await topology.addresses({ netns: here.netns, ifname: "vti1", addresses: here.inner });
    // An outer packet that comes out of the device comes from where no route to its source leads.
    await topology.sysctl(here.netns, {
      "net/ipv4/conf/all/rp_filter": 0,
      "net/ipv4/conf/vti1/rp_filter": 0,
    });
  }
  for (const [name, ...transforms] of BUNDLES) {
    await t.step(name, async () => {
      for (const [here, there] of [[a, b], [b, a]] as const) {
        const words = bundleWords(KEY, here, there, transforms);
        for (const command of words) await here.daemon.ip(here.netns, command);
      }
      for (const to of ["10.9.0.2", "2001:db8:9::2"]) {
        // A pattern that compresses, and one that does not; without DF up to what must be fragmented.
        for (const words of ["-s 56", "-s 1200 -p 00", "-s 1200 -p 0123456789abcdef", "-s 1452"]) {
          await topology.must(a.netns, ["ping", "-n", "-c3", "-i0.05", "-W2", ...words.split(" "), to]);
        }
      }
      // Too big is what path MTU discovery of IPv6 meets.
      const { OutTooBig: _, ...drops } = (await b.daemon.link(b.netns, "vti1")).drops;
      assert.deepEqual(drops, {});
    });
  }
});
