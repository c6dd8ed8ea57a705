/**
 * Bundles of several SAs between two gateways. What arrives is opened one SA at a time: out of the device comes an IPsec
 * packet for this host, which goes in again.
 *
 *     netns a                                netns b
 *     vti1 10.9.0.1 2001:db8:9::1            vti1 10.9.0.2 2001:db8:9::2
 *     wire 192.0.2.1 --------- veth -------- wire 192.0.2.2
 */
import assert from "node:assert/strict";
import { algorithm } from "../doubles/algorithms.ts";
import { Daemon } from "../doubles/daemon.ts";
import { Topology } from "../doubles/topology.ts";
import { joinedPair, type TunnelEnd } from "../doubles/tunnel.ts";

const KEY = 7;
interface Transform {
  readonly proto: "esp" | "ah" | "comp";
  /** As a selector has it. */
  readonly number: number;
  readonly words: string;
}
const GCM: Transform = { proto: "esp", number: 50, words: algorithm("gcm128").words };
const CBC: Transform = { proto: "esp", number: 50, words: algorithm("cbc128-sha256").words };
const AH: Transform = { proto: "ah", number: 51, words: `auth-trunc hmac(sha256) 0x${"a5".repeat(32)} 128` };
const COMP: Transform = { proto: "comp", number: 108, words: "comp deflate" };

/** Innermost first. */
const BUNDLES: readonly (readonly [name: string, ...transforms: Transform[]])[] = [
  ["IPComp alone", COMP],
  ["AH alone", AH],
  ["ESP in ESP", GCM, CBC],
  ["IPComp in ESP", COMP, GCM],
  ["ESP in AH", CBC, AH],
  ["IPComp in ESP in AH", COMP, GCM, AH],
];

/**
 * Tells one end's daemon the SAs of both directions, an outbound policy with the templates in order, and an inbound one
 * for each SA: what came out of the SA around it is a packet of that one's protocol.
 */
async function configure(here: TunnelEnd, there: TunnelEnd, transforms: readonly Transform[]): Promise<void> {
  const ip = (words: string) => here.daemon.ip(here.netns, words);
  await ip("xfrm state flush");
  await ip("xfrm policy flush");
  for (const [k, { proto, words }] of transforms.entries()) {
    for (const [from, to] of [[here, there], [there, here]] as const) {
      await ip(
        `xfrm state add src ${from.outer} dst ${to.outer} proto ${proto} spi ${
          to.spi + 16 * k
        } mode tunnel ` +
          `mark ${KEY} reqid ${k + 1} flag af-unspec ${words}`,
      );
    }
  }
  const out = transforms.map(({ proto }, k) =>
    `tmpl src ${here.outer} dst ${there.outer} proto ${proto} reqid ${k + 1} mode tunnel`
  );
  const into = ({ proto }: Transform, priority: number) =>
    `dir in mark ${KEY} priority ${priority} tmpl src ${there.outer} dst ${here.outer} proto ${proto} mode tunnel ` +
    // What does not get shorter comes without IPComp.
    (proto === "comp" ? "level use" : "");
  for (const any of ["0.0.0.0/0", "::/0"]) {
    await ip(`xfrm policy add src ${any} dst ${any} dir out mark ${KEY} ${out.join(" ")}`);
    await ip(`xfrm policy add src ${any} dst ${any} ${into(transforms[0]!, 10)}`);
  }
  for (const [k, transform] of transforms.entries()) {
    if (k === 0) continue;
    const inner = transforms[k - 1]!;
    for (const proto of inner === COMP ? [COMP.number, 4, 41] : [inner.number]) {
      await ip(`xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 proto ${proto} ${into(transform, 1)}`);
    }
  }
}

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
      await configure(a, b, transforms);
      await configure(b, a, transforms);
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
