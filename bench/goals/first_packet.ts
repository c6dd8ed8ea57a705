/** From the start of a daemon to the first packet that it sends. */
import type { Measurement } from "./measurement.ts";

export const firstPacket: Measurement = {
  name: "start",
  describe: "start of a daemon with a stored tunnel until its first ESP packet is on the wire",
  figures: { "start": "s" },
  contenders: ["packed-raw"],
  async measure({ bench: { topology, netns }, path }) {
    const startAgain = await path.stopA!();
    const capture = ["tcpdump", "-n", "-i", "wire", "-c", "1", "-tt", "--immediate-mode", "esp"];
    const wire = await topology.spawn(netns.b, capture);
    await wire.printed(/listening on/);
    // Device, address and route have outlived the daemon, so that there is something to send at once.
    const pings = await topology.spawn(netns.a, ["ping", "-n", "-q", "-i", "0.005", path.server]);
    const start = Date.now();
    await startAgain();
    const [, seen] = await wire.printed(/^(\d+\.\d+) IP/m);
    await pings.stop("SIGINT");
    return { "start": Number(seen) - start / 1000 };
  },
};
