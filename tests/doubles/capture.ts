/** Packet captures of a device, read as bytes or through tshark, which decrypts ESP by itself. */
import type { Algorithm } from "./algorithms.ts";
import { type Background, must, type Topology } from "./topology.ts";

/** Room for each packet; the ring is cut into frames of this size, so more of it would mean fewer packets. */
const SNAP_BYTES = 2048;
const RING_KIB = 32_768;

export class Capture {
  readonly path: string;
  readonly #process: Background;

  private constructor(process: Background, path: string) {
    this.#process = process;
    this.path = path;
  }

  /** Starts to capture what matches `filter`; resolves when nothing can slip by any more. */
  static async start(topology: Topology, netns: string, device: string, filter = ""): Promise<Capture> {
    const path = `${await topology.directory()}/${device}.pcap`;
    // Without immediate mode packets wait in a block of the ring for up to a second, and SIGINT loses them.
    const ring = ["-U", "--immediate-mode", "-B", `${RING_KIB}`, "-s", `${SNAP_BYTES}`];
    const options = ["-i", device, ...ring, "-Z", "root", "-w", path];
    const process = await topology.spawn(netns, [
      "tcpdump",
      ...options,
      ...filter.split(" ").filter(Boolean),
    ]);
    await process.printed(/listening on/);
    return new Capture(process, path);
  }

  /** Waits until the file holds as many packets: tcpdump writes a moment after they passed. */
  async holds(count: number): Promise<void> {
    const deadline = Date.now() + 5000;
    let found = 0;
    while ((found = (await readPackets(this.path)).length) < count) {
      if (Date.now() > deadline) {
        throw new Error(`Cannot find ${count} packets in ${this.path}: ${found} came`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Ends it; throws when the kernel dropped packets, since the capture then proves nothing. */
  async stop(): Promise<void> {
    await this.#process.stop("SIGINT");
    const dropped = this.#process.output.match(/(\d+) packets? dropped by kernel/)?.[1];
    if (dropped !== "0") throw new Error(`Cannot trust the capture: ${this.#process.output.trim()}`);
  }
}

/** Bytes of the link-layer header by pcap link type: Ethernet, raw IP, Linux cooked. */
const LINK_HEADER: Readonly<Record<number, number>> = { 1: 14, 12: 0, 101: 0, 113: 16 };

/** The IP packets of a pcap file in the order of their capture, cut to their own length, hex. */
export async function readPackets(path: string): Promise<string[]> {
  const bytes = await Deno.readFile(path);
  if (bytes.length < 24) return [];
  const view = new DataView(bytes.buffer);
  const skip = LINK_HEADER[view.getUint32(20, true)];
  if (skip === undefined) throw new Error(`Cannot read ${path}: link type ${view.getUint32(20, true)}`);
  const packets: string[] = [];
  for (let at = 24; at + 16 <= bytes.length;) {
    const length = view.getUint32(at + 8, true);
    if (at + 16 + length > bytes.length) break;
    const packet = bytes.subarray(at + 16 + skip, at + 16 + length);
    packets.push(packet.subarray(0, ipLength(packet)).toHex());
    at += 16 + length;
  }
  return packets;
}

/** Length by the IPv4 or IPv6 header; Ethernet pads short frames. */
function ipLength(packet: Uint8Array): number {
  const word = (at: number) => packet[at]! << 8 | packet[at + 1]!;
  return packet[0]! >> 4 === 4 ? word(2) : 40 + word(4);
}

export interface KnownSa {
  readonly src: string;
  readonly dst: string;
  readonly spi: number;
  readonly algorithm: Algorithm;
}

export interface EspFrame {
  readonly src: string;
  readonly spi: number;
  readonly seq: number;
  readonly icvGood: boolean;
  /** The inner packet, hex; "" when tshark could not decrypt. */
  readonly inner: string;
}

/** What tshark finds in the ESP packets of a capture, with the keys given to it. */
export async function espFrames(path: string, sas: readonly KnownSa[]): Promise<EspFrame[]> {
  const fields = ["ip.src", "esp.spi", "esp.sequence", "esp.icv_good", "esp.decrypted_data"];
  const out = await must([
    ...["tshark", "-r", path, "-Y", "esp"],
    ...["-o", "esp.enable_encryption_decode:TRUE", "-o", "esp.enable_authentication_check:TRUE"],
    ...sas.flatMap((sa) => ["-o", `uat:esp_sa:${uatRow(sa)}`]),
    ...["-T", "fields", "-E", "occurrence=f", ...fields.flatMap((field) => ["-e", field])],
  ]);
  return out.split("\n").filter(Boolean).map((line) => {
    const [src, spi, seq, good, decrypted] = line.split("\t") as [string, string, string, string, string];
    return {
      src,
      spi: Number(spi),
      seq: Number(seq),
      icvGood: good === "1" || good === "True",
      inner: withoutTrailer(decrypted),
    };
  });
}

/** A row of tshark's table of ESP SAs. */
function uatRow({ src, dst, spi, algorithm }: KnownSa): string {
  if (algorithm.tshark === null) throw new Error(`Cannot ask tshark: it does not know ${algorithm.name}`);
  const key = (hex: string) => hex === "" ? "" : `0x${hex}`;
  const { enc, auth } = algorithm.tshark;
  const spiText = `0x${spi.toString(16).padStart(8, "0")}`;
  return ["IPv4", src, dst, spiText, enc, key(algorithm.encKey), auth, key(algorithm.authKey)]
    .map((cell) => `"${cell}"`).join(",");
}

/** RFC 4303 §2: padding, pad length, next header stand behind the payload. */
function withoutTrailer(decrypted: string): string {
  if (decrypted === "") return "";
  const padLength = parseInt(decrypted.slice(-4, -2), 16);
  return decrypted.slice(0, decrypted.length - 2 * (padLength + 2));
}
