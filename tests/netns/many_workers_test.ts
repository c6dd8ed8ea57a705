/**
 * Nothing is lost between workers at a moderate rate: tunnels of several namespaces, TCP and UDP, raw and in UDP, all
 * at once and both ways. What one end has sent the other has received, tunnel by tunnel, to the packet and the byte.
 */
import assert from "node:assert/strict";
import { algorithm } from "../doubles/algorithms.ts";
import { Daemon, type Placement } from "../doubles/daemon.ts";
import { Topology } from "../doubles/topology.ts";
import { quietCounters } from "../doubles/traffic.ts";
import { setUpTunnel, type TunnelEnd } from "../doubles/tunnel.ts";

interface TestTunnel {
  readonly ifname: string;
  readonly udp: boolean;
  readonly a: TunnelEnd;
  readonly b: TunnelEnd;
}

/** Namespaces that are joined in pairs, and the tunnels of each pair. */
const SHAPES: Record<Placement, { readonly pairs: number; readonly tunnels: number }> = {
  // Two namespaces with two tunnels each: the eight workers that there can be.
  isolated: { pairs: 1, tunnels: 2 },
  // A worker has all of a namespace, so there are as many as the host has processors.
  packed: { pairs: 2, tunnels: 1 },
};

for (const placement of ["isolated", "packed"] as const) {
  Deno.test(`many workers lose nothing: ${placement}`, async () => {
    await using topology = new Topology();
    const daemon = await Daemon.start(topology, { placement });
    const tunnels = await makeTunnels(topology, daemon, SHAPES[placement]);
    await Promise.all(tunnels.map((tunnel, i) => traffic(topology, tunnel, 5201 + 2 * i)));

    for (const { ifname, a, b } of tunnels) {
      const [ofA, ofB] = await quietCounters(a, b, ifname);
      assert.deepEqual(
        [ofA.rx.packets, ofA.rx.bytes, ofB.rx.packets, ofB.rx.bytes],
        [ofB.tx.packets, ofB.tx.bytes, ofA.tx.packets, ofA.tx.bytes],
        `${ifname} from ${a.netns} to ${b.netns}`,
      );
      assert.ok(ofA.rx.packets > 1000 && ofB.rx.packets > 1000, "too little traffic to show anything");
      // Not those of tx: TCP finds the path's MTU by packets that are refused.
      assert.equal(ofA.rx.errors + ofB.rx.errors, 0);
    }
    for (const netns of new Set(tunnels.flatMap(({ a, b }) => [a.netns, b.netns]))) {
      const counted = Object.entries(await daemon.xfrmStat(netns)).filter(([, count]) => count > 0);
      assert.deepEqual(counted, [], netns);
    }
  });
}

/** Of each pair's tunnels every second one is in UDP. */
async function makeTunnels(
  topology: Topology,
  daemon: Daemon,
  shape: (typeof SHAPES)[Placement],
): Promise<TestTunnel[]> {
  const made: TestTunnel[] = [];
  for (let pair = 0; pair < shape.pairs; pair++) {
    const netns = { a: await topology.addNetns(`a${pair}`), b: await topology.addNetns(`b${pair}`) };
    const outer = (t: number, host: number) => `192.0.2.${10 * t + host}`;
    const all = Array.from({ length: shape.tunnels }, (_, t) => t);
    await topology.veth(
      { netns: netns.a, ifname: "wire", addresses: all.map((t) => `${outer(t, 1)}/24`) },
      { netns: netns.b, ifname: "wire", addresses: all.map((t) => `${outer(t, 2)}/24`) },
    );
    for (const t of all) {
      const end = (side: "a" | "b", host: number): TunnelEnd => ({
        daemon,
        netns: netns[side],
        outer: outer(t, host),
        inner: [`10.9.${t}.${host}/24`],
        spi: 0x1000 * host + t,
      });
      const tunnel = { ifname: `vti${t + 1}`, udp: (pair + t) % 2 === 1, a: end("a", 1), b: end("b", 2) };
      const { ifname, udp } = tunnel;
      await setUpTunnel(
        topology,
        { ifname, key: 7 + t, algorithm: algorithm("gcm128"), udp },
        tunnel.a,
        tunnel.b,
      );
      made.push(tunnel);
    }
  }
  return made;
}

/** TCP and UDP at once, both ways each, on ports `port` and the next. */
async function traffic(topology: Topology, { a, b }: TestTunnel, port: number): Promise<void> {
  const address = b.inner[0]!.split("/")[0]!;
  const flows = [["-b30M"], ["-u", "-b10M", "-l1200"]];
  await Promise.all(flows.map(async (words, i) => {
    const at = `-p${port + i}`;
    const server = await topology.spawn(b.netns, ["iperf3", "-s", "-1", "--forceflush", at]);
    await server.printed(/listening/);
    await topology.must(a.netns, ["iperf3", "-c", address, at, "-t2", "--bidir", ...words], {
      timeout: 30_000,
    });
    await server.stop();
  }));
}
