/** wire.py as functions. */
export class Wire implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: ReadableStreamDefaultReader<string>;
  #rest = "";

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#writer = child.stdin.getWriter();
    this.#lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Takes a device in a namespace; the other end has the given link-layer address. */
  static async start(netns: string, device: string, otherMac: string): Promise<Wire> {
    const script = new URL("wire.py", import.meta.url).pathname;
    const child = new Deno.Command("ip", {
      args: ["netns", "exec", netns, "/usr/bin/python3", script, device, otherMac],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const wire = new Wire(child);
    await wire.#answer();
    return wire;
  }

  /** Sends an IPv4 packet. */
  async send(packet: Uint8Array): Promise<void> {
    await this.#ask(`send ${packet.toHex()}`);
  }

  /** The IPv4 packets that have come since the last time. */
  async drain(): Promise<Uint8Array[]> {
    return (await this.#ask("drain")).split(" ").filter(Boolean).map((hex) => Uint8Array.fromHex(hex));
  }

  async #ask(line: string): Promise<string> {
    await this.#writer.write(new TextEncoder().encode(`${line}\n`));
    return await this.#answer();
  }

  async #answer(): Promise<string> {
    while (!this.#rest.includes("\n")) {
      const { value, done } = await this.#lines.read();
      if (done) throw new Error("Cannot use the wire: its process ended");
      this.#rest += value;
    }
    const end = this.#rest.indexOf("\n");
    const line = this.#rest.slice(0, end);
    this.#rest = this.#rest.slice(end + 1);
    return line;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close();
    while (!(await this.#lines.read()).done);
    await this.#child.status;
  }
}
