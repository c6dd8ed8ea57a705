/** Traffic by the system's own programs, and the counters it leaves. */
import type { LinkStats } from "../../actors/gateway.ts";
import type { Topology } from "./topology.ts";
import type { TunnelEnd } from "./tunnel.ts";

/** IPv6 echoes until one is answered: the first too big request and the first too big reply are lost. */
const V6_TRIES = 3;

/** One echo with `size` bytes of data and its answer; throws when none came. */
export async function ping(topology: Topology, netns: string, to: string, size = 56): Promise<void> {
  // IPv4 without DF may be fragmented behind the encryption. IPv6 may not: each end learns the path's MTU by a loss.
  const tries = to.includes(":") ? V6_TRIES : 1;
  const fragment = to.includes(":") ? [] : ["-M", "dont"];
  let said = "";
  for (let i = 0; i < tries; i++) {
    const words = ["ping", "-n", "-c1", `-W${tries > 1 ? 1 : 3}`, ...fragment, "-s", `${size}`, to];
    const { code, stdout, stderr } = await topology.exec(netns, words);
    if (code === 0) return;
    said = (stdout + stderr).trim();
  }
  throw new Error(`Cannot ping ${to} with ${size} bytes: ${said}`);
}

/** Starts a server of one test and waits until it listens. */
async function iperf(
  topology: Topology,
  from: string,
  to: string,
  address: string,
  words: readonly string[],
) {
  const server = await topology.spawn(to, ["iperf3", "-s", "-1", "--forceflush"]);
  await server.printed(/listening/);
  const json = await topology.must(from, ["iperf3", "-J", "-c", address, "-t1", ...words], {
    timeout: 20_000,
  });
  await server.stop();
  return JSON.parse(json).end;
}

/** Bits a second that arrived. */
export async function iperfTcp(
  topology: Topology,
  from: string,
  to: string,
  address: string,
): Promise<number> {
  return (await iperf(topology, from, to, address, [])).sum_received.bits_per_second;
}

/** Datagrams of 1200 bytes at 20 Mbit/s: slow enough for the tunnel to lose none. */
export async function iperfUdp(topology: Topology, from: string, to: string, address: string) {
  const { sum } = await iperf(topology, from, to, address, ["-u", "-b20M", "-l1200"]);
  return { sent: sum.packets as number, lost: sum.lost_packets as number };
}

/** Counters of both ends once two readings are alike: what was under way has arrived. */
export async function quietCounters(
  a: TunnelEnd,
  b: TunnelEnd,
  ifname: string,
): Promise<[LinkStats, LinkStats]> {
  const read = async () =>
    [
      (await a.daemon.link(a.netns, ifname)).stats64,
      (await b.daemon.link(b.netns, ifname)).stats64,
    ] as [LinkStats, LinkStats];
  let before = await read();
  for (let tries = 0; tries < 50; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    const now = await read();
    if (JSON.stringify(now) === JSON.stringify(before)) return now;
    before = now;
  }
  throw new Error(`Cannot read quiet counters of "${ifname}": they keep changing`);
}
