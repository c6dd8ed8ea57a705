/** A tunnel's ends set up by the client's words: device, states and policies for IPv4 and IPv6. */
import type { Algorithm } from "./algorithms.ts";
import type { Daemon } from "./daemon.ts";
import type { Topology } from "./topology.ts";
import { VARIANT, withoutOffloads } from "./variant.ts";

export interface TunnelEnd {
  readonly daemon: Daemon;
  readonly netns: string;
  /** Outer address. */
  readonly outer: string;
  /** Inner addresses with prefix length. */
  readonly inner: readonly string[];
  /** SPI of what arrives here. */
  readonly spi: number;
}

export interface TunnelSetup {
  readonly ifname: string;
  /** Mark that device, states and policies share. */
  readonly key: number;
  readonly algorithm: Algorithm;
  readonly udp: boolean;
  /** More words for each state; a replay window of 128 unless told. */
  readonly stateWords?: string;
}

export const encapWords = (udp: boolean): string => udp ? "encap espinudp 4500 4500 0.0.0.0" : "";

/** Words that add the state of one direction. */
export function stateWords(setup: TunnelSetup, from: TunnelEnd, to: TunnelEnd): string {
  return `xfrm state add src ${from.outer} dst ${to.outer} proto esp spi ${to.spi} mode tunnel mark ${setup.key} ` +
    `${setup.stateWords ?? "replay-window 128"} flag af-unspec ${setup.algorithm.words} ${
      encapWords(setup.udp)
    }`;
}

/** Words that add one policy for everything of a family. */
export function policyWords(key: number, dir: "in" | "out", any: string, from: string, to: string): string {
  return `xfrm policy add src ${any} dst ${any} dir ${dir} mark ${key} ` +
    `tmpl src ${from} dst ${to} proto esp mode tunnel`;
}

/** Makes the device with its addresses at one end, up, and tells that end's daemon states and policies. */
export async function setUpEnd(topology: Topology, setup: TunnelSetup, here: TunnelEnd, there: TunnelEnd) {
  const { ifname, key } = setup;
  const ip = (words: string) => here.daemon.ip(here.netns, words);
  await ip(`link add ${ifname} type vti local ${here.outer} remote ${there.outer} key ${key}`);
  await ip(stateWords(setup, here, there));
  await ip(stateWords(setup, there, here));
  for (const any of ["0.0.0.0/0", "::/0"]) {
    await ip(policyWords(key, "out", any, here.outer, there.outer));
    await ip(policyWords(key, "in", any, there.outer, here.outer));
  }
  await ip(`link set ${ifname} up`);
  if (VARIANT.offloads === "off") await topology.must(here.netns, withoutOffloads(ifname));
  await topology.addresses({ netns: here.netns, ifname, addresses: here.inner });
}

export async function setUpTunnel(topology: Topology, setup: TunnelSetup, a: TunnelEnd, b: TunnelEnd) {
  await setUpEnd(topology, setup, a, b);
  await setUpEnd(topology, setup, b, a);
}

export interface Pair {
  readonly topology: Topology;
  readonly a: TunnelEnd;
  readonly b: TunnelEnd;
}

/** Two namespaces with one veth, each served by a daemon that may be the same. */
export async function joinedPair(
  topology: Topology,
  startDaemons: (netns: { a: string; b: string }) => Promise<{ a: Daemon; b: Daemon }>,
): Promise<Pair> {
  const netns = { a: await topology.addNetns("a"), b: await topology.addNetns("b") };
  await topology.veth(
    { netns: netns.a, ifname: "wire", addresses: ["192.0.2.1/24"] },
    { netns: netns.b, ifname: "wire", addresses: ["192.0.2.2/24"] },
  );
  const daemon = await startDaemons(netns);
  return {
    topology,
    a: {
      daemon: daemon.a,
      netns: netns.a,
      outer: "192.0.2.1",
      inner: ["10.9.0.1/24", "2001:db8:9::1/64"],
      spi: 0x1001,
    },
    b: {
      daemon: daemon.b,
      netns: netns.b,
      outer: "192.0.2.2",
      inner: ["10.9.0.2/24", "2001:db8:9::2/64"],
      spi: 0x2002,
    },
  };
}
