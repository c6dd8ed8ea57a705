/**
 * strongSwan has its CHILD_SA rekeyed while traffic flows both ways: by either end, several times in a row, and by
 * time. One charon is the peer; the other has no traffic of its own, what its log tells of SAs becomes
 * `ip xfrm state add` and `delete` for the gateway.
 *
 *     netns a               netns r: splitter                              netns c: charon without ESP
 *     charon, ipsec0        wire 192.0.2.2                                 wire 198.51.100.2
 *     lo 10.98.0.1            |   ike 198.51.100.1 -------- veth -------------'
 *     wire 192.0.2.1 --veth --'   esp 203.0.113.1  -------- veth ---------- wire 203.0.113.2
 *                                                                          netns g: the gateway
 *                                                                          vti1, lo 10.98.0.2
 *
 * What charon sends takes IKE_DELAY to the peer. In that time the gateway is told of the SAs that the message is about;
 * a kernel is told before the message leaves.
 */
import assert from "node:assert/strict";
import { type Charon, startCharons } from "../doubles/charon.ts";
import { type LoggedSa, saEvents } from "../doubles/charon_log.ts";
import { saWords } from "../doubles/charon_sa_words.ts";
import { Daemon } from "../doubles/daemon.ts";
import { eventually } from "../doubles/eventually.ts";
import { type Background, Topology } from "../doubles/topology.ts";
import { policyWords } from "../doubles/tunnel.ts";
import { gatewayIp } from "./kernel/gateway_client.ts";

const PEER = { outer: "192.0.2.1", inner: "10.98.0.1", sees: "192.0.2.2" };
const CONTROL = { outer: "198.51.100.2", sees: "198.51.100.1" };
const GATEWAY = { outer: "203.0.113.2", inner: "10.98.0.2", sees: "203.0.113.1" };
const KEY = 7;
/** Seconds. */
const IKE_DELAY = 0.3;
/** Of each flow, at 200 a second; fewer show no rekey under traffic. */
const LEAST_PINGS = 100;
const SPLITTER = new URL("../doubles/nat_t_splitter.py", import.meta.url).pathname;

/** Both ends with their first SAs, and traffic both ways. */
class RekeyedTunnel implements Disposable {
  /** SAs that the gateway has been told of. */
  readonly sas: LoggedSa[] = [];
  #events = 0;
  #told: Promise<unknown> = Promise.resolve();
  readonly #watch: Disposable;

  private constructor(
    readonly daemon: Daemon,
    readonly netns: string,
    readonly peer: Charon,
    readonly control: Charon,
    readonly proposal: string,
    readonly flows: Background[],
  ) {
    this.#watch = control.process.watch(() => this.#follow());
    this.#follow();
  }

  static async start(
    topology: Topology,
    daemon: Daemon,
    proposal: string,
    rekeySeconds: number,
  ): Promise<RekeyedTunnel> {
    const [a, r, c, g] = await Promise.all(["a", "r", "c", "g"].map((label) => topology.addNetns(label)));
    const wire = (netns: string, address: string) => ({
      netns,
      ifname: "wire",
      addresses: [`${address}/24`],
    });
    const atSplitter = (ifname: string, address: string) => ({
      netns: r!,
      ifname,
      addresses: [`${address}/24`],
    });
    await topology.veth(wire(a!, PEER.outer), atSplitter("wire", PEER.sees));
    await topology.veth(wire(c!, CONTROL.outer), atSplitter("ike", CONTROL.sees));
    await topology.veth(wire(g!, GATEWAY.outer), atSplitter("esp", GATEWAY.sees));
    const ways = [PEER.sees, PEER.outer, CONTROL.sees, CONTROL.outer, GATEWAY.sees, GATEWAY.outer];
    const splitter = await topology.spawn(r!, ["/usr/bin/python3", SPLITTER, ...ways, `${IKE_DELAY}`]);
    await splitter.printed(/ready/);

    await gatewayIp(
      daemon,
      g!,
      `link add vti1 type vti local ${GATEWAY.outer} remote ${GATEWAY.sees} key ${KEY}`,
    );
    await gatewayIp(daemon, g!, "link set vti1 up");
    await gatewayIp(daemon, g!, policyWords(KEY, "in", "0.0.0.0/0", GATEWAY.sees, GATEWAY.outer));
    await gatewayIp(daemon, g!, policyWords(KEY, "out", "0.0.0.0/0", GATEWAY.outer, GATEWAY.sees));
    await topology.addresses({ netns: g!, ifname: "lo", addresses: [`${GATEWAY.inner}/32`] });
    await topology.must(g!, ["ip", "route", "add", PEER.inner, "dev", "vti1", "src", GATEWAY.inner]);

    const [peer, control] = await startCharons(
      topology,
      { netns: a!, outer: PEER.outer, inner: PEER.inner, peer: PEER.sees },
      { netns: c!, outer: CONTROL.outer, inner: GATEWAY.inner, peer: CONTROL.sees },
      { proposal, showKeys: true, rekeySeconds },
    );
    const tunnel = new RekeyedTunnel(daemon, g!, peer, control, proposal, []);
    await tunnel.hasPairs(1);
    for (const [from, to] of [[a!, GATEWAY.inner], [g!, PEER.inner]] as const) {
      tunnel.flows.push(await topology.spawn(from, ["ping", "-n", "-i", "0.005", "-s", "1000", to]));
    }
    for (const flow of tunnel.flows) await flow.printed(/icmp_seq=1 /);
    return tunnel;
  }

  /** Passes on what the log tells of SAs, in its order. */
  #follow(): void {
    const events = saEvents(this.control.process.output).slice(this.#events);
    this.#events += events.length;
    for (const event of events) {
      this.#told = this.#told.then(async () => {
        if (event.op === "add") await this.#add(event.sa);
        else for (const sa of this.sas.filter(({ child }) => child === event.child)) await this.#delete(sa);
      });
      // Whoever waits for it learns of it.
      this.#told.catch(() => {});
    }
  }

  #ends = ({ dir, spi }: LoggedSa): string =>
    (dir === "in" ? `src ${GATEWAY.sees} dst ${GATEWAY.outer}` : `src ${GATEWAY.outer} dst ${GATEWAY.sees}`) +
    ` proto esp spi ${spi}`;

  async #add(sa: LoggedSa): Promise<void> {
    const words = `mode tunnel mark ${KEY} replay-window 32 encap espinudp 4500 4500 0.0.0.0`;
    await gatewayIp(
      this.daemon,
      this.netns,
      `xfrm state add ${this.#ends(sa)} ${words} ${saWords(this.proposal, sa)}`,
    );
    this.sas.push(sa);
  }

  async #delete(sa: LoggedSa): Promise<void> {
    await gatewayIp(this.daemon, this.netns, `xfrm state delete ${this.#ends(sa)} mark ${KEY}`);
  }

  /** Waits until the gateway has been told of so many pairs of SAs, the first one included. */
  hasPairs(count: number): Promise<void> {
    return eventually(async () => {
      await this.#told;
      assert.equal(this.sas.length, 2 * count);
    });
  }

  /** Packets by SPI, in the listing's order: the newest SA first. */
  async carried(): Promise<Map<number, number>> {
    const listing = await gatewayIp(this.daemon, this.netns, "-s xfrm state");
    const found = listing.matchAll(
      /spi (0x[0-9a-f]+)[^]*?lifetime current:\s+\d+\(bytes\), (\d+)\(packets\)/g,
    );
    return new Map([...found].map(([, spi, packets]) => [Number(spi), Number(packets)]));
  }

  /** The newest outbound SA carries everything, the newest inbound one too once the peer has changed over. */
  async usesNewest(): Promise<void> {
    const [into, out] = (["in", "out"] as const).map((dir) => this.sas.findLast((sa) => sa.dir === dir)!.spi);
    const before = await this.carried();
    await eventually(async () => {
      const now = await this.carried();
      for (const spi of [into!, out!]) {
        assert.ok(now.get(spi)! > (before.get(spi) ?? 0) + 10, `0x${spi.toString(16)}`);
      }
      for (const { dir, spi } of this.sas) {
        if (dir === "out" && spi !== out && now.has(spi)) assert.equal(now.get(spi), before.get(spi));
      }
    });
  }

  /** Ends the traffic. Nothing was lost, and the gateway's counters and the peer's log know of nothing refused. */
  async lostNothing(): Promise<void> {
    for (const flow of this.flows) {
      await flow.stop("SIGINT");
      const answered = [...flow.output.matchAll(/ icmp_seq=(\d+) ttl/g)].map(([, seq]) => Number(seq));
      const last = Math.max(...answered);
      // Behind it are requests that were on their way when ping ended.
      assert.equal(new Set(answered).size, last, flow.output.match(/.*packets transmitted.*/)![0]);
      assert.ok(last > LEAST_PINGS);
    }
    const { rx, tx } = (await this.daemon.link(this.netns, "vti1")).stats64;
    assert.deepEqual([rx.errors, rx.dropped, tx.errors, tx.dropped, tx.carrier_errors], [0, 0, 0, 0, 0]);
    const refused = Object.entries(await this.daemon.xfrmStat(this.netns)).filter(([, count]) => count > 0);
    assert.deepEqual(refused, []);
    assert.doesNotMatch(this.peer.process.output, /\[ESP\] .*(?:fail|no |replay)/);
  }

  /** Waits until old SAs are gone. */
  holdsOnePair(): Promise<void> {
    return eventually(async () => {
      await this.#told;
      const newest = this.sas.slice(-2).map(({ spi }) => spi).sort();
      assert.deepEqual([...(await this.carried()).keys()].sort(), newest);
    });
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
  }
}

const REKEY = ["--rekey", "--child", "inner"];

for (const proposal of ["aes128gcm16", "aes128-sha256"]) {
  Deno.test(`libipsec and the gateway lose nothing when either end has SAs rekeyed: ${proposal}`, async () => {
    await using topology = new Topology();
    const daemon = await Daemon.start(topology, { placement: "packed" });
    using tunnel = await RekeyedTunnel.start(topology, daemon, proposal, 0);
    const { netns } = tunnel;
    const rest =
      async () => [await gatewayIp(daemon, netns, "xfrm policy"), (await daemon.link(netns, "vti1")).ifindex];
    const before = await rest();
    await tunnel.peer.swanctl(REKEY);
    await tunnel.hasPairs(2);
    await tunnel.usesNewest();
    await tunnel.control.swanctl(REKEY);
    await tunnel.hasPairs(3);
    await tunnel.usesNewest();
    // Faster than old SAs go.
    for (const [i, end] of [tunnel.peer, tunnel.peer, tunnel.control].entries()) {
      await end.swanctl(REKEY);
      await tunnel.hasPairs(4 + i);
    }
    await tunnel.usesNewest();
    await tunnel.holdsOnePair();
    assert.deepEqual(await rest(), before);
    await tunnel.lostNothing();
  });
}

Deno.test("libipsec and the gateway lose nothing when SAs are rekeyed by time: chacha20poly1305", async () => {
  await using topology = new Topology();
  const daemon = await Daemon.start(topology, { placement: "isolated" });
  using tunnel = await RekeyedTunnel.start(topology, daemon, "chacha20poly1305", 2);
  await tunnel.hasPairs(4);
  await tunnel.usesNewest();
  await tunnel.lostNothing();
});
