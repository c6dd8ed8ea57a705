/** This gateway with many tunnels, from a configuration file at each end: packed, AES-128-GCM, raw ESP. */
import { Daemon } from "../../tests/doubles/daemon.ts";
import { type Bench, type Contender, other, reachable, type Side, SIDES, UNDERLAY } from "./contender.ts";

/** What b's ends of the tunnels have for outer addresses: on its loopback device the whole prefix is local. */
const FAR_PREFIX = "198.18.0.0/16";

/** Milliseconds: far above the goal, so that a slow start is measured and not taken for a failed one. */
const READY_TIMEOUT = 120_000;

export function gatewayTunnels(count: number): Contender {
  return {
    name: `packed-raw-${count}`,
    describe: `vti-gateway, packed, ${count} tunnels of one daemon to one other, from files`,
    async start(bench) {
      await linkUnderlay(bench);
      const started = await Promise.all(SIDES.map((side) => startEnd(bench, side, count)));
      const servers = Array.from({ length: count }, (_, k) => inner(k).b);
      // One from the middle.
      const server = servers[count >> 1]!;
      await reachable(bench, server);
      return {
        server,
        pids: started.map(({ pid }) => pid),
        configured: { servers, seconds: Math.max(...started.map(({ seconds }) => seconds)) },
      };
    },
  };
}

async function linkUnderlay({ topology, netns }: Bench): Promise<void> {
  await topology.addresses({ netns: netns.b, ifname: "lo", addresses: [FAR_PREFIX] });
  await topology.must(netns.a, ["ip", "route", "add", FAR_PREFIX, "via", UNDERLAY.b]);
}

async function startEnd({ topology, netns }: Bench, side: Side, count: number) {
  const file = `${await topology.directory()}/gateway.toml`;
  const tunnels = Array.from({ length: count }, (_, k) => tunnelToml(k, side));
  await Deno.writeTextFile(file, tunnels.join("\n"), { mode: 0o600 });
  const start = performance.now();
  const daemon = await Daemon.start(topology, {
    placement: "packed",
    netns: netns[side],
    args: ["--config", file],
    readyTimeout: READY_TIMEOUT,
  });
  return { pid: daemon.process.pid, seconds: (performance.now() - start) / 1000 };
}

/** Addresses of tunnel `k`. */
const outer = (k: number) => ({ a: UNDERLAY.a, b: `198.18.${k >> 8}.${k & 0xff}` });
const inner = (k: number) => ({
  a: `10.97.${k >> 7}.${(k & 0x7f) * 2}`,
  b: `10.97.${k >> 7}.${(k & 0x7f) * 2 + 1}`,
});
/** The SPI of what arrives at a side. */
const spi = (k: number, side: Side) => (side === "a" ? 0x10000 : 0x20000) + k;

function tunnelToml(k: number, here: Side): string {
  const there = other(here);
  const [local, remote] = [outer(k)[here], outer(k)[there]];
  return `
[[link]]
name = "vti${k}"
local = "${local}"
remote = "${remote}"
key = ${k + 1}
addresses = ["${inner(k)[here]}/31"]
${stateToml(k, local, remote, spi(k, there))}
${stateToml(k, remote, local, spi(k, here))}
${policyToml(k, "out", local, remote)}
${policyToml(k, "in", remote, local)}`;
}

function stateToml(k: number, src: string, dst: string, spi: number): string {
  return `[[state]]
src = "${src}"
dst = "${dst}"
proto = "esp"
spi = ${spi}
mode = "tunnel"
mark = ${k + 1}
replay_window = 128
flags = ["af-unspec"]
aead = { name = "rfc4106(gcm(aes))", key = "0x${spi.toString(16).padStart(40, "0")}", icv_bits = 128 }`;
}

function policyToml(k: number, dir: "in" | "out", src: string, dst: string): string {
  return `[[policy]]
dir = "${dir}"
src = "0.0.0.0/0"
dst = "0.0.0.0/0"
mark = ${k + 1}
tmpl = [{ src = "${src}", dst = "${dst}", proto = "esp", mode = "tunnel" }]`;
}
