/** 16 TCP streams each way at once. */
import { iperf3Server, receivedBits, runIperf3 } from "./iperf3.ts";
import { GATEWAYS, type Measurement } from "./measurement.ts";

export const streams16: Measurement = {
  name: "streams16",
  describe: "16 TCP streams each way at once, both directions together",
  figures: { "streams16": "Gbit/s" },
  contenders: GATEWAYS,
  async measure({ bench, path, seconds }) {
    await using _server = await iperf3Server(bench);
    const { end } = await runIperf3(bench, path, seconds, ["-P", "16", "--bidir"]);
    const back = end.sum_received_bidir_reverse;
    if (back === undefined) throw new Error("Read iperf3's report: it has no sum of the other direction");
    return { "streams16": (receivedBits(end.sum_received).rate + receivedBits(back).rate) / 1e9 };
  },
};
