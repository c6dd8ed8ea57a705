/** Where each packet of a tunnel went, by the gateways' counters and by the kernel's own, from one end to the other. */
import assert from "node:assert/strict";
import type { LinkInfo } from "../../actors/gateway.ts";
import type { Topology } from "../doubles/topology.ts";
import type { TunnelEnd } from "../doubles/tunnel.ts";

const IPPROTO_ESP = 50;

/** What the kernel of one end dropped between the two gateways. */
interface KernelDrops {
  /** By the sender's wire: the receiver's queue was full. */
  readonly wire: number;
  /** By the receivers' sockets. */
  readonly sockets: number;
}

/** Counters of one tunnel at both ends, in one direction. */
export interface Ledger {
  /** Packets that the kernel handed to the sender's device; super-packets count as one. */
  readonly handed: number;
  /** What the kernel dropped because the device's queue was full. */
  readonly queue: number;
  readonly sent: number;
  readonly sendErrors: number;
  /** Sent into a worker that was replaced. */
  readonly lost: number;
  readonly received: number;
  readonly receiveErrors: number;
}

/** Packets that the kernel and not a gateway has dropped on the way from one end to the other, all tunnels together. */
export async function droppedBetween(topology: Topology, from: TunnelEnd, to: TunnelEnd): Promise<number> {
  const { wire } = await kernelDrops(topology, from);
  const { sockets } = await kernelDrops(topology, to);
  return wire + sockets;
}

async function kernelDrops(topology: Topology, { netns }: TunnelEnd): Promise<KernelDrops> {
  const [wire] = await kernelLink(topology, netns, "wire");
  const rows = (await topology.must(netns, ["cat", "/proc/net/raw"])).trim().split("\n").slice(1);
  const port = IPPROTO_ESP.toString(16).padStart(4, "0").toUpperCase();
  const esp = rows.map((row) => row.trim().split(/\s+/)).filter(([, local]) => local!.endsWith(`:${port}`));
  assert.ok(esp.length > 0, `no socket for ESP in ${netns}`);
  return {
    wire: wire.stats64.tx.dropped,
    sockets: esp.reduce((sum, row) => sum + Number(row.at(-1)), 0),
  };
}

async function kernelLink(topology: Topology, netns: string, ifname: string): Promise<[LinkInfo]> {
  return JSON.parse(await topology.must(netns, ["ip", "-j", "-s", "link", "show", "dev", ifname]));
}

export async function readLedger(
  topology: Topology,
  from: TunnelEnd,
  to: TunnelEnd,
  ifname: string,
): Promise<Ledger> {
  const [{ stats64: { tx: kernel } }] = await kernelLink(topology, from.netns, ifname);
  const { stats64: { tx }, drops } = await from.daemon.link(from.netns, ifname);
  const { rx } = (await to.daemon.link(to.netns, ifname)).stats64;
  return {
    handed: kernel.packets,
    queue: kernel.dropped,
    sent: tx.packets,
    sendErrors: tx.errors,
    lost: drops.Lost ?? 0,
    received: rx.packets,
    receiveErrors: rx.errors,
  };
}

/** Throws unless what was sent is what was received, refused and dropped by the kernel, exactly. */
export function assertExact(ledgers: readonly Ledger[], kernelDropped: number, direction: string): void {
  const sum = (of: (ledger: Ledger) => number) => ledgers.reduce((total, ledger) => total + of(ledger), 0);
  const arrived = sum((l) => l.received) + sum((l) => l.receiveErrors) + kernelDropped;
  assert.equal(
    arrived,
    sum((l) => l.sent),
    `${direction}: received, refused and dropped is not what was sent`,
  );
}
