/** This gateway at both ends: a daemon a side, AES-128-GCM, raw ESP or ESP in UDP. */
import { algorithm } from "../../tests/doubles/algorithms.ts";
import { Daemon, type Placement } from "../../tests/doubles/daemon.ts";
import { setUpTunnel, type TunnelEnd } from "../../tests/doubles/tunnel.ts";
import { type Bench, type Contender, INNER, reachable, type Side, UNDERLAY } from "./contender.ts";

export function gateway(placement: Placement, encap: "raw" | "udp"): Contender {
  return {
    name: `${placement}-${encap}`,
    describe: `vti-gateway, ${placement}, AES-128-GCM ${encap === "raw" ? "raw ESP" : "in UDP"}, TUN device`,
    async start(bench) {
      const ends = { a: await startEnd(bench, "a", placement), b: await startEnd(bench, "b", placement) };
      const setup = { ifname: "vti1", key: 7, algorithm: algorithm("gcm128"), udp: encap === "udp" };
      await setUpTunnel(bench.topology, setup, ends.a, ends.b);
      await reachable(bench, INNER.b);
      return { server: INNER.b, pids: [ends.a.daemon.process.pid, ends.b.daemon.process.pid] };
    },
  };
}

async function startEnd({ topology, netns }: Bench, side: Side, placement: Placement): Promise<TunnelEnd> {
  return {
    daemon: await Daemon.start(topology, { placement, netns: netns[side] }),
    netns: netns[side],
    outer: UNDERLAY[side],
    inner: [`${INNER[side]}/30`],
    spi: side === "a" ? 0x1001 : 0x2002,
  };
}
