/** scapy at the far end of a wire: what esp_judge.py offers, as functions. */
import type { Algorithm } from "./algorithms.ts";

export interface OuterPacket {
  /** All of it, hex. */
  readonly packet: string;
  readonly src: string;
  readonly dst: string;
  readonly ttl: number;
  readonly tos: number;
  readonly df: boolean;
  readonly length: number;
  readonly udp: readonly [number, number] | null;
  /** What is behind the outer header (and UDP's), hex. */
  readonly payload: string;
}

export interface Opened {
  readonly seq: number;
  readonly nh: number;
  readonly padlen: number;
  /** The inner packet, hex. */
  readonly data: string;
}

export interface InnerPacket {
  readonly src: string;
  readonly dst: string;
  readonly length: number;
  readonly reply: { readonly id: number; readonly seq: number; readonly data: string } | null;
}

export interface SendOptions {
  readonly src: string;
  readonly dst: string;
  /** Hex, one packet each. */
  readonly payloads: readonly string[];
  readonly proto?: number;
  readonly udp?: readonly [number, number];
}

export class Judge implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: ReadableStreamDefaultReader<string>;
  #rest = "";

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#writer = child.stdin.getWriter();
    this.#lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Starts it in a namespace, on a device whose other end has the given link-layer address. */
  static async start(netns: string, device: string, gatewayMac: string): Promise<Judge> {
    const script = new URL("esp_judge.py", import.meta.url).pathname;
    const child = new Deno.Command("ip", {
      args: ["netns", "exec", netns, "/usr/bin/python3", script, device, gatewayMac],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const judge = new Judge(child);
    await judge.#answer();
    return judge;
  }

  async #answer(): Promise<Record<string, unknown>> {
    while (!this.#rest.includes("\n")) {
      const { value, done } = await this.#lines.read();
      if (done) throw new Error("Cannot ask the judge: its process ended");
      this.#rest += value;
    }
    const end = this.#rest.indexOf("\n");
    const line = this.#rest.slice(0, end);
    this.#rest = this.#rest.slice(end + 1);
    return JSON.parse(line);
  }

  async #ask<T>(op: string, request: object): Promise<T> {
    await this.#writer.write(new TextEncoder().encode(JSON.stringify({ op, ...request }) + "\n"));
    const answer = await this.#answer();
    if (typeof answer.error === "string") throw new Error(`Cannot ${op}: ${answer.error}`);
    return answer as T;
  }

  /** Makes an SA of that name. */
  async sa(name: string, spi: number, algorithm: Algorithm, esn = false): Promise<void> {
    const { scapy, encKey, authKey } = algorithm;
    if (scapy === null) throw new Error(`Cannot make an SA of ${algorithm.name}: scapy does not know it`);
    const auth = scapy.auth === undefined ? {} : { auth: scapy.auth, auth_key: authKey };
    const icv = scapy.icv === undefined ? {} : { icv: scapy.icv };
    await this.#ask("sa", { name, spi, crypt: scapy.crypt, crypt_key: encKey, esn, ...auth, ...icv });
  }

  /** Seals bytes as ESP of an SA. */
  async seal(
    sa: string,
    data: string,
    seq: number,
    more: { readonly nh?: number; readonly padlen?: number } = {},
  ): Promise<string> {
    return (await this.#ask<{ esp: string }>("seal", { sa, data, seq, ...more })).esp;
  }

  open(sa: string, esp: string): Promise<Opened> {
    return this.#ask("open", { sa, esp });
  }

  /** Makes an AH SA in tunnel mode of that name; `auth` is scapy's word, the key hex. */
  async ah(
    name: string,
    spi: number,
    src: string,
    dst: string,
    auth: string,
    authKey: string,
  ): Promise<void> {
    await this.#ask("ah", { name, spi, src, dst, auth, auth_key: authKey });
  }

  /** A whole outer packet of an AH SA. */
  async sign(sa: string, data: string, seq: number): Promise<string> {
    return (await this.#ask<{ packet: string }>("sign", { sa, data, seq })).packet;
  }

  /** Opens a whole outer packet of an AH SA. */
  verify(sa: string, packet: string): Promise<{ readonly seq: number; readonly data: string }> {
    return this.#ask("verify", { sa, packet });
  }

  /** Sends a whole IPv4 packet. */
  async sendPacket(packet: string): Promise<void> {
    await this.#ask("send_packet", { packet });
  }

  async send(options: SendOptions): Promise<void> {
    await this.#ask("send", options);
  }

  /** The next packet of the protocol from the gateway; null when none came for `timeout` seconds. */
  async receive(proto: number, timeout = 3): Promise<OuterPacket | null> {
    return (await this.#ask<{ packet: OuterPacket | null }>("receive", { proto, timeout })).packet;
  }

  /** An inner echo request, hex. */
  async echo(src: string, dst: string, id: number, seq: number, length: number): Promise<string> {
    return (await this.#ask<{ packet: string }>("echo", { src, dst, id, seq, length })).packet;
  }

  read(packet: string): Promise<InnerPacket> {
    return this.#ask("read", { packet });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close();
    while (!(await this.#lines.read()).done);
    await this.#child.status;
  }
}
