/** Round trips of ping, on an idle path and beside a TCP stream that takes all it can. */
import type { Bench, Path } from "../peers/contender.ts";
import { iperf3Server } from "./iperf3.ts";
import { ALL, GATEWAYS, type Measurement, PEERS } from "./measurement.ts";
import { percentile } from "./statistics.ts";

/** Between two pings, milliseconds: long enough for every thread to sleep again. */
const INTERVAL_MS = 5;
/** Pings before those that count, and milliseconds between them: until the code of whatever is measured is compiled. */
const WARM_UP = { count: 2000, intervalMs: 1 };

export const idleRoundTrip: Measurement = {
  name: "rtt",
  describe:
    `ping every ${INTERVAL_MS} ms, nothing else, after ${WARM_UP.count} others: median and 99th percentile`,
  figures: { "rtt": "us", "rtt-p99": "us" },
  contenders: ALL,
  async measure({ bench, path, seconds }) {
    await ping(bench, path, WARM_UP.count, WARM_UP.intervalMs);
    const times = await ping(bench, path, Math.round(seconds * 1000 / INTERVAL_MS));
    return { "rtt": percentile(times, 50), "rtt-p99": percentile(times, 99) };
  },
};

export const loadedRoundTrip: Measurement = {
  name: "rtt-load",
  describe: "the same beside one TCP stream at its full rate",
  figures: { "rtt-load": "us", "rtt-load-p99": "us" },
  contenders: [...PEERS, ...GATEWAYS],
  async measure({ bench, path, seconds }) {
    await using _server = await iperf3Server(bench);
    const client = ["iperf3", "--forceflush", "-c", path.server, "-t", `${seconds + 10}`];
    const load = await bench.topology.spawn(bench.netns.a, client);
    // The first second's line: the stream has found its rate.
    await load.printed(/sec .*bits\/sec/);
    const times = await ping(bench, path, Math.round(seconds * 1000 / INTERVAL_MS));
    await load.stop();
    return { "rtt-load": percentile(times, 50), "rtt-load-p99": percentile(times, 99) };
  },
};

/** Round trips of `count` pings, microseconds. */
async function ping(
  { topology, netns }: Bench,
  { server }: Path,
  count: number,
  intervalMs = INTERVAL_MS,
): Promise<number[]> {
  const words = ["ping", "-n", "-i", `${intervalMs / 1000}`, "-c", `${count}`, "-W", "1", server];
  const { stdout } = await topology.exec(netns.a, words, { timeout: count * intervalMs + 20_000 });
  const times = [...stdout.matchAll(/time=([\d.]+) ms/g)].map(([, ms]) => Number(ms) * 1000);
  if (times.length < count * 0.9) {
    throw new Error(`Measure round trips to ${server}: ${times.length} answers to ${count} pings`);
  }
  return times;
}
