/** iperf3 between the two namespaces. */
import type { Bench, Path } from "../peers/contender.ts";

interface Sum {
  readonly bytes: number;
  readonly bits_per_second: number;
}

export interface Iperf3Report {
  readonly end: { readonly sum_received: Sum; readonly sum_received_bidir_reverse?: Sum };
}

/** A server in namespace b, until it is disposed of. */
export async function iperf3Server({ topology, netns }: Bench): Promise<AsyncDisposable> {
  const server = await topology.spawn(netns.b, ["iperf3", "-s", "--forceflush"]);
  await server.printed(/listening/);
  return { [Symbol.asyncDispose]: async () => void await server.stop() };
}

/** A client in namespace a for some seconds. */
export async function runIperf3(
  { topology, netns }: Bench,
  { server }: Path,
  seconds: number,
  words: readonly string[],
): Promise<Iperf3Report> {
  const client = ["iperf3", "-J", "-c", server, "-t", `${seconds}`, ...words];
  return JSON.parse(await topology.must(netns.a, client, { timeout: (seconds + 20) * 1000 }));
}

export function receivedBits({ bytes, bits_per_second: rate }: Sum): { bits: number; rate: number } {
  return { bits: bytes * 8, rate };
}
