/** A single TCP stream from namespace a to b, and what it cost. */
import { iperf3Server, receivedBits, runIperf3 } from "./iperf3.ts";
import { ALL, type Figures, type Measurement, type PathRun } from "./measurement.ts";
import { machineBusy, processTime, residentBytes, sum } from "./usage.ts";

const MIB = 1024 * 1024;

export const stream: Measurement = {
  name: "stream",
  describe: "one TCP stream; busy time of the whole machine and of the path's own processes for a gigabit",
  figures: {
    "stream": "Gbit/s",
    "stream-machine-cpu": "s/Gbit",
    "stream-own-cpu": "s/Gbit",
    "stream-rss": "MiB",
  },
  contenders: [...ALL, "packed-udp-chacha20poly1305", "packed-udp-cbc128-sha256", "packed-raw-1000"],
  async measure({ bench, path, seconds }: PathRun): Promise<Figures> {
    await using _server = await iperf3Server(bench);
    const usage = () => ({ machine: machineBusy(), own: sum(path.pids, processTime) });
    const before = usage();
    const report = await runIperf3(bench, path, seconds, []);
    const after = usage();
    const received = receivedBits(report.end.sum_received);
    const gigabits = received.bits / 1e9;
    return {
      "stream": received.rate / 1e9,
      "stream-machine-cpu": (after.machine - before.machine) / gigabits,
      "stream-own-cpu": (after.own - before.own) / gigabits,
      "stream-rss": sum(path.pids, residentBytes) / MIB,
    };
  },
};
