/**
 * Heap that the workers allocate for a million packets, end to end: TCP through two daemons whose collector reports.
 *
 *     deno run -A bench/heap_bench.ts [--placement packed|isolated] [--encap raw|udp] [--seconds N]
 *
 * Ends with exit code 1 when a worker allocates more than its bound. The bounds are far below one object a packet (an
 * empty one has 12 bytes): what is left belongs to turns, batches and hops.
 */
import { parseArgs } from "node:util";
import { algorithm } from "../tests/doubles/algorithms.ts";
import { Daemon, type Placement } from "../tests/doubles/daemon.ts";
import { Topology } from "../tests/doubles/topology.ts";
import { setUpTunnel, type TunnelEnd } from "../tests/doubles/tunnel.ts";
import { INNER, reachable, type Side, SIDES, UNDERLAY } from "./peers/contender.ts";

/**
 * Bytes for a million packets. More where batches cross workers: each hop makes a buffer and its views, half a kilobyte
 * however many packets it holds, so the figure also tells how full the batches were.
 */
const BOUND: Record<Placement, number> = { packed: 12e6, isolated: 200e6 };
/** Time until the code is compiled and pools are filled, milliseconds. */
const WARM_UP_MS = 3000;

const { values } = parseArgs({
  options: {
    placement: { type: "string", default: "packed" },
    encap: { type: "string", default: "udp" },
    seconds: { type: "string", default: "6" },
  },
});
const placement = values.placement as Placement;
const measured = Number(values.seconds) * 1000;

// A young generation of 1 MB, so that each megabyte allocated is told within the measurement.
Deno.env.set("DENO_V8_FLAGS", "--trace-gc-nvp,--max-semi-space-size=1");

await using topology = new Topology();
const netns = { a: await topology.addNetns("a"), b: await topology.addNetns("b") };
await topology.veth(
  { netns: netns.a, ifname: "wire", addresses: [`${UNDERLAY.a}/24`] },
  { netns: netns.b, ifname: "wire", addresses: [`${UNDERLAY.b}/24`] },
);
const ends = { a: await startEnd("a"), b: await startEnd("b") };
const setup = { ifname: "vti1", key: 7, algorithm: algorithm("gcm128"), udp: values.encap === "udp" };
await setUpTunnel(topology, setup, ends.a, ends.b);
await reachable({ topology, netns }, INNER.b);
const server = await topology.spawn(netns.b, ["iperf3", "-s", "--forceflush"]);
await server.printed(/listening/);
const seconds = Math.ceil((WARM_UP_MS + measured) / 1000) + 1;
const transfer = topology.must(netns.a, ["iperf3", "-J", "-c", INNER.b, "-t", `${seconds}`], {
  timeout: (seconds + 20) * 1000,
});

await sleep(WARM_UP_MS);
const before = await snapshot();
await sleep(measured);
const after = await snapshot();
await transfer;

let missed = false;
for (const side of SIDES) {
  const packets = after[side].packets - before[side].packets;
  if (packets < 1e5) throw new Error(`Measure the heap: only ${packets} packets went through end ${side}`);
  const bytes = (after[side].allocated - before[side].allocated) / packets * 1e6;
  const ok = bytes <= BOUND[placement];
  missed ||= !ok;
  console.log(
    `${ok ? "ok  " : "MISS"} ${side === "a" ? "sending" : "receiving"} end, ${placement}, ${values.encap}: ${
      (bytes / 1e6).toFixed(2)
    } MB for a million packets (bound ${BOUND[placement] / 1e6}, ${(packets / 1e6).toFixed(2)} million)`,
  );
}
if (missed) Deno.exitCode = 1;

async function startEnd(side: Side): Promise<TunnelEnd> {
  return {
    daemon: await Daemon.start(topology, { placement, netns: netns[side] }),
    netns: netns[side],
    outer: UNDERLAY[side],
    inner: [`${INNER[side]}/30`],
    spi: side === "a" ? 0x1001 : 0x2002,
  };
}

interface Snapshot {
  readonly packets: number;
  readonly allocated: number;
}

async function snapshot(): Promise<Record<Side, Snapshot>> {
  return { a: await snapshotOf(ends.a), b: await snapshotOf(ends.b) };
}

async function snapshotOf({ daemon, netns }: TunnelEnd): Promise<Snapshot> {
  const { body } = await daemon.http("GET", `/v1/netns/${netns}/links/vti1`);
  const { rx, tx } = (body as { stats64: { rx: { packets: number }; tx: { packets: number } } }).stats64;
  return { packets: rx.packets + tx.packets, allocated: allocatedByWorkers(daemon.process.output) };
}

/** Sum over what the collector said of all isolates but the main thread's, which is the first to speak. */
function allocatedByWorkers(output: string): number {
  const lines = [...output.matchAll(/^\[\d+:(0x[0-9a-f]+)[^\]]*\].*"allocated":(\d+)/gm)];
  const main = lines[0]?.[1];
  return lines.filter(([, isolate]) => isolate !== main).reduce((sum, [, , bytes]) => sum + Number(bytes), 0);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
