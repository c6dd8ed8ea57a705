/**
 * Where the time of a transfer goes: TCP or UDP through two daemons whose workers keep the time of their system calls,
 * crypto and hops.
 *
 * Keeping the time slows the transfer down by a tenth or so; shares and counts hold, the rate is not the product's.
 * "ns" is the time of a kind for each packet that the worker had, both ways together.
 */
import { parseArgs } from "node:util";
import { algorithm, ALGORITHMS } from "../tests/doubles/algorithms.ts";
import { Daemon, type Placement } from "../tests/doubles/daemon.ts";
import { Topology } from "../tests/doubles/topology.ts";
import { setUpTunnel, type TunnelEnd } from "../tests/doubles/tunnel.ts";
import { sendDatagrams } from "./goals/datagrams.ts";
import { iperf3Server, receivedBits, runIperf3 } from "./goals/iperf3.ts";
import { type Bench, INNER, type Path, reachable, type Side, SIDES, UNDERLAY } from "./peers/contender.ts";
import type { Tally, WorkerReport } from "./profile/probe.ts";

const USAGE = `Usage: deno run -A bench/profile.ts [OPTIONS]

  --placement P       packed (default), isolated
  --encap E           raw (default), udp
  --algorithm NAME    ${ALGORITHMS.map(({ name }) => name).join(", ")}
  --streams N         TCP streams (default 1)
  --datagram B,B,...  UDP as fast as the sender of bench/udp can, in datagrams of these payloads, in bytes and in turn
  --seconds N         what is measured of the transfer (default 5)
  --json FILE         write all figures`;

const values = options();
/** Time until the transfer has found its rate and the workers' code is compiled, milliseconds. */
const WARM_UP_MS = 2000;
/** A worker looks for its orders every TICK_MS. */
const ORDER_MS = 400;

await using topology = new Topology();
const netns = { a: await topology.addNetns("a"), b: await topology.addNetns("b") };
await topology.veth(
  { netns: netns.a, ifname: "wire", addresses: [`${UNDERLAY.a}/24`] },
  { netns: netns.b, ifname: "wire", addresses: [`${UNDERLAY.b}/24`] },
);
const bench: Bench = { topology, netns };
const ends = { a: await startEnd("a"), b: await startEnd("b") };
const setup = {
  ifname: "vti1",
  key: 7,
  algorithm: algorithm(values.algorithm),
  udp: values.encap === "udp",
};
await setUpTunnel(topology, setup, ends.a, ends.b);
await reachable(bench, INNER.b);
const measured = Number(values.seconds) * 1000;
const seconds = Math.ceil((WARM_UP_MS + measured + 2 * ORDER_MS) / 1000);
const path: Path = { server: INNER.b, pids: [] };
const transfer = values.datagram === undefined
  ? streams()
  : datagrams(values.datagram.split(",").map(Number));
await sleep(WARM_UP_MS);
await order("start");
await sleep(measured);
await order("stop");
const rate = await transfer;

const reports = { a: await reportsOf("a"), b: await reportsOf("b") };
const traffic = values.datagram === undefined ? `${values.streams} x TCP` : `UDP of ${values.datagram} bytes`;
const title = `${values.placement}, ${values.encap}, ${values.algorithm}, ${traffic}`;
console.log(`${title}: ${rate} while timed`);
for (const side of SIDES) {
  for (const report of reports[side]) {
    console.log(`\n${side === "a" ? "sending" : "receiving"} end, thread ${report.thread}`);
    console.log(table(report));
  }
}
if (values.json !== undefined) {
  await Deno.writeTextFile(values.json, JSON.stringify({ title, rate, reports }, null, 2) + "\n");
}

/** TCP by iperf3; returns the rate. */
async function streams(): Promise<string> {
  await using _server = await iperf3Server(bench);
  const report = await runIperf3(bench, path, seconds, ["-P", values.streams]);
  return `${(receivedBits(report.end.sum_received).rate / 1e9).toFixed(2)} Gbit/s`;
}

/** UDP by the sender and the receiver of bench/udp; returns the rate. */
async function datagrams(payloads: readonly number[]): Promise<string> {
  const { received } = await sendDatagrams(bench, path, payloads, seconds);
  return `${Math.round(received.packets / received.seconds)} packets/s`;
}

function options() {
  try {
    const { values } = parseArgs({
      options: {
        placement: { type: "string", default: "packed" },
        encap: { type: "string", default: "raw" },
        algorithm: { type: "string", default: "gcm128" },
        streams: { type: "string", default: "1" },
        datagram: { type: "string" },
        seconds: { type: "string", default: "5" },
        json: { type: "string" },
        help: { type: "boolean", default: false },
      },
    });
    if (!values.help) return values;
    console.log(USAGE);
    Deno.exit(0);
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    Deno.exit(2);
  }
}

async function startEnd(side: Side): Promise<TunnelEnd> {
  const placement = values.placement as Placement;
  return {
    daemon: await Daemon.start(topology, {
      placement,
      netns: netns[side],
      script: "bench/profile/daemon.ts",
    }),
    netns: netns[side],
    outer: UNDERLAY[side],
    inner: [`${INNER[side]}/30`],
    spi: side === "a" ? 0x1001 : 0x2002,
  };
}

async function order(word: "start" | "stop"): Promise<void> {
  for (const side of SIDES) await Deno.writeTextFile(`${ends[side].daemon.runDir}/${word}`, "");
  await sleep(ORDER_MS);
}

async function reportsOf(side: Side): Promise<WorkerReport[]> {
  const { runDir } = ends[side].daemon;
  const reports: WorkerReport[] = [];
  for await (const { name } of Deno.readDir(runDir)) {
    if (name.startsWith("report-")) reports.push(JSON.parse(await Deno.readTextFile(`${runDir}/${name}`)));
  }
  return reports.sort((a, b) => a.thread - b.thread);
}

function table({ wallNs, userNs, systemNs, markNs, tallies }: WorkerReport): string {
  const percent = (ns: number) => `${(100 * ns / wallNs).toFixed(1)}%`;
  const packets = tallies.filter(({ name }) => name.startsWith("batches")).reduce(
    (sum, t) => sum + t.items,
    0,
  );
  const rows = tallies.filter(({ calls, ns }) => calls > 0 || ns > 0).map((tally) => row(tally, packets));
  const head = ["kind", "calls/s", "items/call", "us/call", "share", "ns"];
  const all = [head, ...rows.sort((x, y) => Number(y[5]) - Number(x[5]))];
  const widths = head.map((_, column) => Math.max(...all.map((cells) => cells[column]!.length)));
  const lines = all.map((cells) =>
    cells.map((cell, i) => i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)).join("  ")
  );
  lines.push(
    `on a processor: user ${percent(userNs)}, system ${percent(systemNs)}; a mark costs ${
      markNs.toFixed(0)
    } ns`,
  );
  return lines.join("\n");

  function row({ name, calls, items, ns }: Tally, packets: number): string[] {
    const own = Math.max(0, ns - calls * markNs);
    return [
      name,
      (calls * 1e9 / wallNs).toFixed(0),
      calls === 0 ? "" : (items / calls).toFixed(1),
      calls === 0 ? "" : (own / calls / 1000).toFixed(2),
      percent(ns),
      packets === 0 ? "0" : (own / packets).toFixed(0),
    ];
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
