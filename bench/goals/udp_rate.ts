/** UDP as fast as it can be sent: what arrives, in packets of one small size and in a mixture. */
import { sendDatagrams } from "./datagrams.ts";
import { ALL, type Measurement } from "./measurement.ts";

/** Payload of the small packets, bytes. */
export const SMALL = 64;
/** IPv4 and UDP headers, bytes. */
const HEADERS = 28;
/** Payloads of packets of 40, 576 and 1400 bytes, 7:4:1. */
const IMIX = [40, 40, 40, 40, 40, 40, 40, 576, 576, 576, 576, 1400].map((bytes) => bytes - HEADERS);
/** What the receiver leaves out at the start, seconds. */
const WARM_UP_S = 1;

export const udpSmall: Measurement = {
  name: "udp64",
  describe: "UDP of 64 bytes payload, sent as fast as the sender can: packets received",
  figures: { "udp64": "packets/s", "udp64-sent": "packets/s" },
  contenders: ALL,
  async measure({ bench, path, seconds }) {
    const { sent, received } = await sendDatagrams(bench, path, [SMALL], seconds + WARM_UP_S);
    return { "udp64": received.packets / received.seconds, "udp64-sent": sent.sent / sent.seconds };
  },
};

export const udpMix: Measurement = {
  name: "imix",
  describe: "UDP in IP packets of 40, 576 and 1400 bytes, 7:4:1, as fast as the sender can: packets received",
  figures: { "imix": "packets/s", "imix-sent": "packets/s" },
  contenders: ALL,
  async measure({ bench, path, seconds }) {
    const { sent, received } = await sendDatagrams(bench, path, IMIX, seconds + WARM_UP_S);
    return { "imix": received.packets / received.seconds, "imix-sent": sent.sent / sent.seconds };
  },
};
