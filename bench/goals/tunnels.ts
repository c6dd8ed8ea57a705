/** A daemon with many tunnels: time to make them, memory, and a ping through each. */
import type { Measurement } from "./measurement.ts";
import { residentBytes } from "./usage.ts";

/** Pings at a time. */
const PARALLEL = 8;
const MIB = 1024 * 1024;

export const tunnels: Measurement = {
  name: "tunnels",
  describe:
    "1,000 tunnels by --config: start until ready, answers to one ping through each, memory of a daemon",
  figures: { "tunnels-created": "s", "tunnels-answer": "% of tunnels", "tunnels-rss": "MiB" },
  contenders: ["packed-raw-1000"],
  async measure({ bench, path }) {
    const { servers, seconds } = path.configured!;
    // xargs' exit code says only that some failed; so each answer is a line.
    const each = `ping -n -q -c 1 -W 1 "$0" > /dev/null && echo answered`;
    const words = ["xargs", "-P", `${PARALLEL}`, "-n", "1", "sh", "-c", each];
    const pings = await bench.topology.exec(bench.netns.a, words, {
      stdin: servers.join("\n"),
      timeout: 60_000,
    });
    return {
      "tunnels-created": seconds,
      "tunnels-answer": 100 * (pings.stdout.match(/answered/g)?.length ?? 0) / servers.length,
      "tunnels-rss": Math.max(...path.pids.map(residentBytes)) / MIB,
    };
  },
};
