/** One way from namespace a to namespace b: what bench/compare.ts measures. */
import type { Topology } from "../../tests/doubles/topology.ts";

/** The underlay both ends share: a veth pair of MTU 1500 named "wire". */
export const UNDERLAY = { a: "192.0.2.1", b: "192.0.2.2" } as const;
/** Addresses inside the tunnel. */
export const INNER = { a: "10.98.0.1", b: "10.98.0.2" } as const;

export type Side = "a" | "b";
export const SIDES: readonly Side[] = ["a", "b"];
export const other = (side: Side): Side => side === "a" ? "b" : "a";

export interface Bench {
  readonly topology: Topology;
  /** Names of the two namespaces. */
  readonly netns: Readonly<Record<Side, string>>;
}

export interface Path {
  /** Where a client in namespace a reaches a server in namespace b. */
  readonly server: string;
  /** Processes that carry the traffic: both ends'. */
  readonly pids: readonly number[];
  /** Ends the process of namespace a; the function it resolves to starts it again with the state that it left. */
  readonly stopA?: () => Promise<() => Promise<unknown>>;
  /** Tunnels that the processes were told of when they started, and the seconds until the slower end was ready. */
  readonly configured?: { readonly servers: readonly string[]; readonly seconds: number };
}

export interface Contender {
  readonly name: string;
  readonly describe: string;
  /** Starts fresh processes; returns when a packet has gone through and come back. */
  start(bench: Bench): Promise<Path>;
}

/** Waits until `server` answers from namespace a; a ping of one packet every 0.2 s. */
export async function reachable({ topology, netns }: Bench, server: string): Promise<void> {
  const { code, stdout } = await topology.exec(netns.a, ["ping", "-i0.2", "-c1", "-w10", server]);
  if (code !== 0) throw new Error(`Cannot reach ${server} through the path: ${stdout.trim()}`);
}
