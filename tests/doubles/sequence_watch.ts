/**
 * Looks at every packet of a device while it passes, however many there are: which sequence numbers of ESP came, whether
 * one came twice, and what is no ESP. Keeps no packets: a bit for each number.
 */
import type { Background, Topology } from "./topology.ts";

/** Enough for the headers, and for those that an ICMP error quotes. */
const SNAP_BYTES = 96;
/** Some seconds of packets at full load, for when this process gets no time. */
const RING_KIB = 131_072;
const PCAP_HEADER = 24;
const RECORD_HEADER = 16;
const ETHERNET = 14;
/** Frames that are no ESP and are kept to be looked at. */
const MAX_OTHERS = 100_000;

export class SequenceWatch {
  /** ESP packets that passed. */
  packets = 0;
  /** Those whose SPI and number had been there before. */
  twice = 0;
  /** Beginnings of frames that carry no ESP, hex. */
  readonly others: string[] = [];
  readonly #numbers = new Map<number, Numbers>();
  readonly #process: Background;
  readonly #encapPort: number | null;
  readonly #done: Promise<void>;

  private constructor(process: Background, pipe: string, encapPort: number | null) {
    this.#process = process;
    this.#encapPort = encapPort;
    this.#done = this.#read(pipe);
  }

  /** `encapPort`: source port of ESP in UDP; null for bare ESP. Resolves when no packet can slip by any more. */
  static async start(topology: Topology, netns: string, device: string, encapPort: number | null) {
    const pipe = `${await topology.directory()}/${device}.pcap`;
    await topology.must(netns, ["mkfifo", pipe]);
    const ring = ["-U", "--immediate-mode", "-B", `${RING_KIB}`, "-s", `${SNAP_BYTES}`];
    const words = ["tcpdump", "-i", device, ...ring, "-Z", "root", "-w", pipe, "ip", "or", "ip6"];
    const watch = new SequenceWatch(await topology.spawn(netns, words), pipe, encapPort);
    await watch.#process.printed(/listening on/);
    return watch;
  }

  /** Ends it; throws when the kernel dropped packets, since it then proves nothing. */
  async stop(): Promise<void> {
    await this.#process.stop("SIGINT", 30_000);
    await this.#done;
    const dropped = this.#process.output.match(/(\d+) packets? dropped by kernel/)?.[1];
    if (dropped !== "0") throw new Error(`Cannot trust the capture: ${this.#process.output.trim()}`);
  }

  /** Takes records from the pipe; the rest of a piece, less than a record, goes before the next one. */
  async #read(pipe: string): Promise<void> {
    using file = await Deno.open(pipe);
    const buffer = new Uint8Array(1 << 20);
    let held = 0;
    let start = PCAP_HEADER;
    for (;;) {
      const n = await file.read(buffer.subarray(held));
      if (n === null) return;
      held += n;
      const view = new DataView(buffer.buffer, 0, held);
      let at = start;
      while (at + RECORD_HEADER <= held) {
        const length = view.getUint32(at + 8, true);
        if (at + RECORD_HEADER + length > held) break;
        this.#note(view, at + RECORD_HEADER, length);
        at += RECORD_HEADER + length;
      }
      start = at < held ? 0 : at - held;
      buffer.copyWithin(0, at, held);
      held = Math.max(0, held - at);
    }
  }

  #note(view: DataView, frame: number, length: number): void {
    const at = this.#espAt(view, frame);
    if (at < 0 || at + 8 > frame + length) {
      const bytes = new Uint8Array(view.buffer, frame, length);
      if (this.others.length < MAX_OTHERS) this.others.push(bytes.toHex());
      return;
    }
    this.packets++;
    const spi = view.getUint32(at);
    let numbers = this.#numbers.get(spi);
    if (numbers === undefined) this.#numbers.set(spi, numbers = new Numbers());
    if (numbers.add(view.getUint32(at + 4))) this.twice++;
  }

  /** Where the ESP header of a frame stands, -1 nowhere. Outer headers have no options. */
  #espAt(view: DataView, frame: number): number {
    const ip = frame + ETHERNET;
    if (view.getUint16(frame + 12) !== 0x0800) return -1;
    const protocol = view.getUint8(ip + 9);
    if (this.#encapPort === null) return protocol === 50 ? ip + 20 : -1;
    return protocol === 17 && view.getUint16(ip + 20) === this.#encapPort ? ip + 28 : -1;
  }
}

/** A set of sequence numbers, a bit each. */
class Numbers {
  #bits = new Uint8Array(1 << 16);

  /** True when it was there already. */
  add(number: number): boolean {
    const byte = number >>> 3;
    if (byte >= this.#bits.length) {
      const grown = new Uint8Array(Math.max(2 * this.#bits.length, byte + 1));
      grown.set(this.#bits);
      this.#bits = grown;
    }
    const mask = 1 << (number & 7);
    const was = (this.#bits[byte]! & mask) !== 0;
    this.#bits[byte]! |= mask;
    return was;
  }
}
