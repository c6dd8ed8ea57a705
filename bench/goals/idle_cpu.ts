/** What the daemons use when nothing happens. */
import { type Measurement } from "./measurement.ts";
import { sum, threadTimes } from "./usage.ts";

export const idleCpu: Measurement = {
  name: "idle",
  describe: "processor time of a daemon with one tunnel and no traffic, mean of both ends",
  figures: { "idle": "% of a core" },
  contenders: ["packed-raw", "isolated-raw"],
  async measure({ path, seconds }) {
    const before = sum(path.pids, threadTimes);
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    const used = sum(path.pids, threadTimes) - before;
    return { "idle": 100 * used / path.pids.length / seconds };
  },
};
