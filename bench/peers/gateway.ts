/** This gateway at both ends: a daemon a side, raw ESP or ESP in UDP, AES-128-GCM unless said otherwise. */
import { algorithm } from "../../tests/doubles/algorithms.ts";
import { Daemon, type Placement } from "../../tests/doubles/daemon.ts";
import { setUpTunnel, type TunnelEnd } from "../../tests/doubles/tunnel.ts";
import { type Bench, type Contender, INNER, reachable, type Side, UNDERLAY } from "./contender.ts";

export function gateway(
  placement: Placement,
  encap: "raw" | "udp",
  other?: "chacha20poly1305" | "cbc128-sha256",
): Contender {
  const cipher = other ?? "gcm128";
  return {
    name: other === undefined ? `${placement}-${encap}` : `${placement}-${encap}-${cipher}`,
    describe: `vti-gateway, ${placement}, ${cipher} ${encap === "raw" ? "raw ESP" : "in UDP"}, TUN device`,
    async start(bench) {
      const ends = { a: await startEnd(bench, "a", placement), b: await startEnd(bench, "b", placement) };
      const setup = { ifname: "vti1", key: 7, algorithm: algorithm(cipher), udp: encap === "udp" };
      await setUpTunnel(bench.topology, setup, ends.a, ends.b);
      await reachable(bench, INNER.b);
      return {
        server: INNER.b,
        pids: [ends.a.daemon.process.pid, ends.b.daemon.process.pid],
        async stopA() {
          const { daemon: { runDir }, netns } = ends.a;
          await ends.a.daemon.stop();
          return () => Daemon.start(bench.topology, { placement, netns, runDir });
        },
      };
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
