/**
 * An ICMP redirect about a tunnel's packets is the kernel's own to follow: the sockets that send them hear of it.
 *
 *     netns a                          netns r: a bridge             netns s
 *     vti1 10.9.0.1
 *     wire 192.0.2.1 ---------------- 192.0.2.254 ---------------- wire 192.0.2.253
 *     198.51.100.0/24 via 192.0.2.254
 */
import assert from "node:assert/strict";
import { algorithm } from "../doubles/algorithms.ts";
import { Capture, readPackets } from "../doubles/capture.ts";
import { Daemon } from "../doubles/daemon.ts";
import { eventually } from "../doubles/eventually.ts";
import { fragNeeded, sendIcmp } from "../doubles/frag_needed.ts";
import { Topology } from "../doubles/topology.ts";
import { encapWords } from "../doubles/tunnel.ts";

const LOCAL = "192.0.2.1", ROUTER = "192.0.2.254", BETTER = "192.0.2.253", REMOTE = "198.51.100.2";
const SPI = 0x1000;
const REDIRECT = 5, HOST = 1;

async function bridged(topology: Topology): Promise<{ a: string; r: string; s: string }> {
  const [a, r, s] = [
    await topology.addNetns("a"),
    await topology.addNetns("r"),
    await topology.addNetns("s"),
  ];
  const ip = (netns: string, words: string) => topology.must(netns, ["ip", ...words.split(" ")]);
  await ip(r, "link add bridge up type bridge");
  for (const [netns, port, address] of [[a, "left", LOCAL], [s, "right", BETTER]] as const) {
    const end = { netns, ifname: "wire", addresses: [`${address}/24`] };
    await topology.veth(end, { netns: r, ifname: port, addresses: [] });
    await ip(r, `link set ${port} master bridge`);
  }
  await ip(r, `addr add ${ROUTER}/24 dev bridge`);
  await ip(a, `route add 198.51.100.0/24 via ${ROUTER}`);
  for (const device of ["all", "wire"]) {
    await topology.sysctl(a, { [`net/ipv4/conf/${device}/secure_redirects`]: 0 });
  }
  return { a, r, s };
}

for (const udp of [false, true]) {
  Deno.test(`a redirect of the path is followed, ${udp ? "in UDP" : "raw"}`, async () => {
    await using topology = new Topology();
    const { a, r, s } = await bridged(topology);
    const daemon = await Daemon.start(topology, { placement: "packed" });
    await daemon.ip(a, `link add vti1 type vti local ${LOCAL} remote ${REMOTE} key 7`);
    const words = `mode tunnel mark 7 ${algorithm("gcm128").words} ${encapWords(udp)}`;
    await daemon.ip(a, `xfrm state add src ${LOCAL} dst ${REMOTE} proto esp spi ${SPI} ${words}`);
    await daemon.ip(
      a,
      `xfrm policy add dir out mark 7 tmpl src ${LOCAL} dst ${REMOTE} proto esp mode tunnel`,
    );
    await daemon.ip(a, "link set vti1 up");
    await topology.addresses({ netns: a, ifname: "vti1", addresses: ["10.9.0.1/24"] });
    const capture = await Capture.start(topology, s, "wire", `src ${LOCAL} and dst ${REMOTE}`);
    const ping = () => topology.exec(a, ["ping", "-c1", "-W0.1", "10.9.0.2"]);
    await ping();
    assert.equal((await readPackets(capture.path)).length, 0);

    const ports = udp ? { udp: { sport: 4500, dport: 4500 } } : {};
    const message = fragNeeded({ src: LOCAL, dst: REMOTE, spi: SPI, seq: 1, mtu: 0, ...ports });
    await eventually(async () => {
      // The first one only makes the kernel look for the neighbour.
      sendIcmp(r, LOCAL, redirected(message, BETTER));
      await ping();
      assert.ok((await readPackets(capture.path)).length > 0);
    });
  });
}

/** The same quotation in a redirect to `gateway`. */
function redirected(message: Uint8Array<ArrayBuffer>, gateway: string): Uint8Array<ArrayBuffer> {
  const redirect = message.slice();
  redirect.set([REDIRECT, HOST, 0, 0, ...gateway.split(".").map(Number)]);
  const view = new DataView(redirect.buffer);
  let sum = 0;
  for (let at = 0; at < redirect.length; at += 2) sum += view.getUint16(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(2, ~sum & 0xffff);
  return redirect;
}
