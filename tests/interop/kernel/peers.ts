/** The gateway and Linux as two ends of a tunnel that are driven and read alike. */
import assert from "node:assert/strict";
import type { Daemon } from "../../doubles/daemon.ts";
import type { Ran, Topology } from "../../doubles/topology.ts";
import { gatewayIp } from "./gateway_client.ts";
import type { Guest } from "./guest.ts";

/** Of the counters, until two are alike. */
const MOST_READINGS = 50;

/** One end, as far as the two are alike. */
export interface End {
  readonly name: string;
  /** Inner addresses. */
  readonly v4: string;
  readonly v6: string;
  /** Runs commands of `ip`; returns what they print. */
  ip(...commands: readonly string[]): Promise<string>;
  /** Runs a program beside the tunnel. */
  run(words: readonly string[]): Promise<Ran>;
}

export function gatewayEnd(topology: Topology, daemon: Daemon, netns: string): End {
  return {
    name: "the gateway",
    v4: "10.9.0.1",
    v6: "2001:db8:9::1",
    ip: async (...commands) => {
      let printed = "";
      for (const text of commands) printed += await gatewayIp(daemon, netns, text);
      return printed;
    },
    run: (words) => topology.exec(netns, words),
  };
}

export function linuxEnd(guest: Guest): End {
  return {
    name: "Linux",
    v4: "10.9.0.2",
    v6: "2001:db8:9::2",
    ip: (...commands) => {
      if (commands.length === 1) return guest.ip(commands[0]!);
      // ip(8) takes many commands at once: starting it is what takes time in the guest.
      return guest.sh(`ip -batch - <<'END'\n${commands.join("\n")}\nEND`);
    },
    run: (words) => guest.run(words),
  };
}

export const ping = (from: End, to: string, size: number, df: "do" | "dont") =>
  from.run(["ping", "-n", "-c1", "-W3", "-M", df, "-s", `${size}`, to]);

interface Traffic {
  readonly bytes: number;
  readonly packets: number;
}

interface Counters {
  /**
   * What `ip -s xfrm state` says of each state, by destination and SPI. What IPComp has left as it was is counted by the
   * companion where it arrives, by the IPComp SA where it leaves: here both are one.
   */
  readonly states: { readonly [name: string]: Traffic & { readonly stats: string } };
  readonly rx: Traffic & { readonly errors: number };
  readonly tx: Traffic;
}

async function counters(end: End): Promise<Counters> {
  const states: Record<string, Traffic & { stats: string }> = {};
  for (const state of (await end.ip("-s xfrm state")).split(/^(?=src )/m)) {
    const [, dst, proto, spi] = state.match(/dst (\S+)\s+proto (\S+) spi (0x\w+)/)!;
    const [, bytes, packets] = state.match(/lifetime current:\s+(\d+)\(bytes\), (\d+)\(packets\)/)!;
    const name = /^(comp|4)$/.test(proto!) ? `${dst} comp` : `${dst} ${proto} ${spi}`;
    const { bytes: more = 0, packets: morePackets = 0 } = states[name] ?? {};
    states[name] = {
      bytes: Number(bytes) + more,
      packets: Number(packets) + morePackets,
      stats: state.match(/stats:\s+(.*)/)![1]!,
    };
  }
  const [{ stats64 }] = JSON.parse(await end.ip("-s -j link show vti1"));
  return { states, ...stats64 };
}

/** Each end's states have carried the same, and what one device has sent the other has received. */
export async function countersAgree(here: End, there: End): Promise<void> {
  const [a, b] = await quietCounters(here, there);
  const traffic = ({ bytes, packets }: Traffic) => ({ bytes, packets });
  assert.deepEqual([traffic(a.tx), traffic(b.tx)], [traffic(b.rx), traffic(a.rx)]);
}

/** The same of bundles: a device receives a packet once for each SA, so its own counters differ. */
export async function statesAgree(here: End, there: End): Promise<void> {
  await quietCounters(here, there);
}

async function quietCounters(here: End, there: End): Promise<readonly [Counters, Counters]> {
  const read = async () => [await counters(here), await counters(there)] as const;
  let [a, b] = await read();
  for (let tries = 0;; tries++) {
    const now = await read();
    const isQuiet = JSON.stringify(now) === JSON.stringify([a, b]);
    [a, b] = now;
    if (isQuiet) break;
    if (tries === MOST_READINGS) throw new Error("Cannot compare counters: they keep changing");
  }
  assert.deepEqual(a.states, b.states);
  assert.deepEqual([a.rx.errors, b.rx.errors], [0, 0]);
  return [a, b];
}
