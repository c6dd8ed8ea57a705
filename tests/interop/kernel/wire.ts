/** wire.py as functions. */
import { AskedProcess } from "../../doubles/asked_process.ts";

export class Wire implements AsyncDisposable {
  readonly #process: AskedProcess;

  private constructor(process: AskedProcess) {
    this.#process = process;
  }

  /** Takes a device in a namespace; the other end has the given link-layer address. `families` are told of. */
  static async start(netns: string, device: string, otherMac: string, families: "4" | "46"): Promise<Wire> {
    const script = new URL("wire.py", import.meta.url).pathname;
    return new Wire(
      await AskedProcess.start(netns, ["/usr/bin/python3", script, device, otherMac, families]),
    );
  }

  /** Sends an IPv4 or IPv6 packet. */
  async send(packet: Uint8Array): Promise<void> {
    await this.#process.ask(`send ${packet.toHex()}`);
  }

  /** The packets that have come since the last time. */
  async drain(): Promise<Uint8Array[]> {
    const packets = (await this.#process.ask("drain")).split(" ").filter(Boolean);
    return packets.map((hex) => Uint8Array.fromHex(hex));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}
