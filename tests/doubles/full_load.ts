/** As much traffic in both directions as a test's machine brings into a tunnel, for as long as it is wanted. */
import { type Background, type Topology } from "./topology.ts";
import type { TunnelEnd } from "./tunnel.ts";

const COUNTER = new URL("../soak/counted_udp.py", import.meta.url).pathname;
const PORT = 5555;
/** Datagrams a second in each direction. They come whatever happens; TCP first waits when its packets were lost. */
const DATAGRAMS = 10_000;

export interface FullLoad {
  /** One TCP connection with data both ways, as fast as it goes. It outlives daemons, as a BGP session would. */
  readonly stream: Background;
  stop(): Promise<void>;
}

export async function startFullLoad(topology: Topology, a: TunnelEnd, b: TunnelEnd): Promise<FullLoad> {
  const senders: Background[] = [];
  for (const [from, to, address] of [[a, b, "10.9.0.2"], [b, a, "10.9.0.1"]] as const) {
    // Without a receiver each datagram would be answered by an ICMP error.
    const receiver = await topology.spawn(to.netns, ["python3", COUNTER, "receive", `${PORT}`]);
    await receiver.printed(/ready/);
    const words = ["python3", COUNTER, "send", address, `${PORT}`, `${DATAGRAMS}`];
    senders.push(await topology.spawn(from.netns, words));
  }
  const server = await topology.spawn(b.netns, ["iperf3", "-s", "--forceflush"]);
  await server.printed(/listening/);
  const words = ["iperf3", "-c", "10.9.0.2", "-t", "86400", "--bidir", "--forceflush"];
  const stream = await topology.spawn(a.netns, words);
  await stream.printed(/\[TX-C\].*bits\/sec/);
  return {
    stream,
    async stop() {
      await Promise.all(senders.map((sender) => sender.stop()));
      await stream.stop("SIGINT");
    },
  };
}
