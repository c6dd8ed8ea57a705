/** Round trips of ping, on an idle path and beside a TCP stream that takes all it can. */
import type { Bench, Path } from "../peers/contender.ts";
import { iperf3Server } from "./iperf3.ts";
import { ALL, GATEWAYS, type Measurement, PEERS } from "./measurement.ts";
import { percentile } from "./statistics.ts";

/** Between two pings, milliseconds: long enough for every thread to sleep again. */
const INTERVAL_MS = 5;

export const idleRoundTrip: Measurement = {
  name: "rtt",
  describe: `ping every ${INTERVAL_MS} ms, nothing else: median and 99th percentile`,
  figures: { "rtt": "us", "rtt-p99": "us" },
  contenders: ALL,
  async measure({ bench, path, seconds }) {
    const times = await ping(bench, path, seconds);
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
    const times = await ping(bench, path, seconds);
    await load.stop();
    return { "rtt-load": percentile(times, 50), "rtt-load-p99": percentile(times, 99) };
  },
};

/** Round trips for some seconds, microseconds. */
async function ping({ topology, netns }: Bench, { server }: Path, seconds: number): Promise<number[]> {
  const count = `${Math.round(seconds * 1000 / INTERVAL_MS)}`;
  const words = ["ping", "-n", "-i", `${INTERVAL_MS / 1000}`, "-c", count, "-W", "1", server];
  const { stdout } = await topology.exec(netns.a, words, { timeout: (seconds + 20) * 1000 });
  const times = [...stdout.matchAll(/time=([\d.]+) ms/g)].map(([, ms]) => Number(ms) * 1000);
  if (times.length < Number(count) * 0.9) {
    throw new Error(`Measure round trips to ${server}: ${times.length} answers to ${count} pings`);
  }
  return times;
}
