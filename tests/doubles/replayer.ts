/** Sends packets again that a capture holds. */
import type { Topology } from "./topology.ts";

const SCRIPT = `
import socket, sys
device = sys.argv[1]
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind((device, 0))
for line in sys.stdin:
    out.send(bytes.fromhex(line))
`;

/** Ethernet frames, hex, out of a device of a namespace. */
export async function sendFrames(
  topology: Topology,
  netns: string,
  device: string,
  frames: readonly string[],
) {
  const stdin = frames.map((frame) => `${frame}\n`).join("");
  await topology.must(netns, ["/usr/bin/python3", "-c", SCRIPT, device], { stdin });
}

/** Ethernet frames of a pcap file with their link-layer headers, hex. */
export async function readFrames(path: string): Promise<string[]> {
  const bytes = await Deno.readFile(path);
  const view = new DataView(bytes.buffer);
  const frames: string[] = [];
  for (let at = 24; at + 16 <= bytes.length;) {
    const length = view.getUint32(at + 8, true);
    frames.push(bytes.subarray(at + 16, at + 16 + length).toHex());
    at += 16 + length;
  }
  return frames;
}
