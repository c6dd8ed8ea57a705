/** Loss below the maximum. */
import { sendDatagrams } from "./datagrams.ts";
import { GATEWAYS, type Measurement } from "./measurement.ts";
import { SMALL } from "./udp_rate.ts";

/** Share of the rate that arrived when as much as possible was sent. */
const SHARE = 0.7;

export const udpLoss: Measurement = {
  name: "loss",
  describe: "UDP of 64 bytes at 70 % of what arrived in udp64: packets lost",
  figures: { "loss": "%" },
  contenders: GATEWAYS,
  async measure({ bench, path, seconds, earlier }) {
    const most = earlier["udp64"];
    if (most === undefined) {
      throw new Error("Measure loss: nothing is known of udp64; --only udp64,loss has both");
    }
    const rate = Math.floor(most * SHARE);
    const { sent, received } = await sendDatagrams(bench, path, [SMALL], seconds, rate);
    return { "loss": 100 * (1 - received.received / sent.sent) };
  },
};
