/**
 * strongSwan's libipsec as the peer. Two charons agree on keys by IKE; then the gateway takes the place of one of
 * them, with the keys from its log, and the other never knows.
 *
 *     netns a                                    netns b
 *     charon, ipsec0, lo 10.98.0.1               vti1, lo 10.98.0.2
 *     wire 192.0.2.1 --------- veth ------------ wire 192.0.2.2
 */
import assert from "node:assert/strict";
import { startCharons } from "../doubles/charon.ts";
import { type LoggedSa, saEvents } from "../doubles/charon_log.ts";
import { ESP_PROPOSALS, saWords } from "../doubles/charon_sa_words.ts";
import { Daemon } from "../doubles/daemon.ts";
import { iperfTcp, ping } from "../doubles/traffic.ts";
import { Topology } from "../doubles/topology.ts";
import { policyWords } from "../doubles/tunnel.ts";

const [A, B] = ["192.0.2.1", "192.0.2.2"] as const;
const [INNER_A, INNER_B] = ["10.98.0.1", "10.98.0.2"] as const;
const KEY = 7;

for (const proposal of ESP_PROPOSALS) {
  Deno.test(`libipsec and the gateway carry traffic for each other: ${proposal}`, async () => {
    await using topology = new Topology();
    const netns = { a: await topology.addNetns("a"), b: await topology.addNetns("b") };
    await topology.veth(
      { netns: netns.a, ifname: "wire", addresses: [`${A}/24`] },
      { netns: netns.b, ifname: "wire", addresses: [`${B}/24`] },
    );
    const ends = [
      { netns: netns.a, outer: A, inner: INNER_A },
      { netns: netns.b, outer: B, inner: INNER_B },
    ] as const;
    const [, charon] = await startCharons(topology, ...ends, { proposal, showKeys: true });
    await ping(topology, netns.b, INNER_A);
    const sas = saEvents(charon.process.output).flatMap((event) => event.op === "add" ? [event.sa] : []);
    // Killed, so that it says no goodbye; what it sent before has used the first sequence number.
    await charon.process.stop("SIGKILL");

    const daemon = await Daemon.start(topology, { placement: "packed" });
    const ip = (text: string) => daemon.ip(netns.b, text);
    await ip(`link add vti1 type vti local ${B} remote ${A} key ${KEY}`);
    const state = `proto esp mode tunnel mark ${KEY} encap espinudp 4500 4500 0.0.0.0`;
    const [into, out] = sas as [LoggedSa, LoggedSa];
    const [intoWords, outWords] = [saWords(proposal, into), saWords(proposal, out)];
    await ip(`xfrm state add src ${A} dst ${B} spi ${into.spi} ${state} replay-window 32 ${intoWords}`);
    await ip(`xfrm state add src ${B} dst ${A} spi ${out.spi} ${state} replay-oseq 1000 ${outWords}`);
    await ip(policyWords(KEY, "in", "0.0.0.0/0", A, B));
    await ip(policyWords(KEY, "out", "0.0.0.0/0", B, A));
    await ip("link set vti1 up");
    await topology.must(netns.b, ["ip", "route", "add", INNER_A, "dev", "vti1", "src", INNER_B]);

    for (const size of [1, 15, 16, 1300]) await ping(topology, netns.b, INNER_A, size);
    assert.ok(await iperfTcp(topology, netns.a, netns.b, INNER_B) > 0);
    assert.ok(await iperfTcp(topology, netns.b, netns.a, INNER_A) > 0);
    const { rx } = (await daemon.link(netns.b, "vti1")).stats64;
    assert.equal(rx.errors, 0);
  });
}
