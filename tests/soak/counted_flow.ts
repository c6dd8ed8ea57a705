/** Datagrams that two programs count, one at each end of a tunnel. */
import type { Background, Topology } from "../doubles/topology.ts";
import type { TunnelEnd } from "../doubles/tunnel.ts";

const PORT = 5555;
const COUNTER = new URL("counted_udp.py", import.meta.url).pathname;

/** One direction of counted datagrams. */
export class CountedFlow {
  readonly from: TunnelEnd;
  readonly to: TunnelEnd;
  readonly #sender: Background;
  readonly #receiver: Background;

  private constructor(from: TunnelEnd, to: TunnelEnd, sender: Background, receiver: Background) {
    this.from = from;
    this.to = to;
    this.#sender = sender;
    this.#receiver = receiver;
  }

  static async start(topology: Topology, from: TunnelEnd, to: TunnelEnd, address: string, rate: number) {
    const receiver = await topology.spawn(to.netns, ["python3", COUNTER, "receive", `${PORT}`]);
    await receiver.printed(/ready/);
    const words = ["python3", COUNTER, "send", address, `${PORT}`, `${rate}`];
    return new CountedFlow(from, to, await topology.spawn(from.netns, words), receiver);
  }

  async stopSending(): Promise<number> {
    await this.#sender.stop();
    return Number((await this.#sender.printed(/sent (\d+)/))[1]);
  }

  async stopReceiving(): Promise<{ received: number; twice: number; dropped: number }> {
    await this.#receiver.stop();
    const line = /received (\d+) twice (\d+) dropped (\d+)/;
    const [, received, twice, dropped] = (await this.#receiver.printed(line)).map(Number);
    return { received: received!, twice: twice!, dropped: dropped! };
  }
}
