/** Scapy (Debian: python3-scapy) as an independent judge of packets. */
import { hex } from "./packets.ts";

const PYTHON = "/usr/bin/python3";

/** Reads one packet a line in hex; answers with the same packet, its lengths and checksums computed anew. */
const REBUILD = `
import sys, logging
logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.all import IP, IPv6, raw
COMPUTED = ("len", "chksum", "plen", "cksum")
for line in sys.stdin:
    data = bytes.fromhex(line)
    packet = IP(data) if data[0] >> 4 == 4 else IPv6(data)
    layer = packet
    while layer:
        if layer.name.endswith("in ICMP"): break
        for field in COMPUTED:
            if field in layer.fields: delattr(layer, field)
        layer = layer.payload
    print(raw(packet).hex())
`;

/** False when scapy is not installed; a test that needs it is ignored then, which Deno shows. */
export const SCAPY: boolean = (() => {
  try {
    return new Deno.Command(PYTHON, { args: ["-c", "import scapy"], stdout: "null", stderr: "null" })
      .outputSync().success;
  } catch {
    return false;
  }
})();

/** The packets as scapy would have built them, in hex. Headers quoted by an ICMP error are left as they are. */
export async function rebuiltByScapy(packets: readonly Uint8Array[]): Promise<string[]> {
  const child = new Deno.Command(PYTHON, {
    args: ["-c", REBUILD],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const lines = new Blob(packets.map((packet) => hex(packet) + "\n"));
  // Both at once: a pipe that nobody reads blocks its writer.
  const [{ success, stdout, stderr }] = await Promise.all([
    child.output(),
    lines.stream().pipeTo(child.stdin),
  ]);
  if (!success) throw new Error(`Cannot ask scapy: ${new TextDecoder().decode(stderr).trim()}`);
  return new TextDecoder().decode(stdout).trim().split("\n");
}
