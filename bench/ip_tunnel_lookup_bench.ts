/** Nanoseconds of finding a packet's tunnel among 10,000: `deno bench bench/ip_tunnel_lookup_bench.ts`. */
import assert from "node:assert/strict";
import { IpTunnelTable } from "../datapath/tunnel/ip_tunnel_lookup.ts";
import type { IpTunnelParm } from "../datapath/tunnel/ip_tunnel_parm.ts";

const TUNNELS = 10_000;
const LOCAL = 0xc0000201;
const remoteOf = (n: number): number => 0x0a000000 + n * 7;

const tunnels: IpTunnelParm[] = Array.from({ length: TUNNELS }, (_, n) => ({
  actor: n + 1,
  ifindex: 100 + n,
  // One in a hundred takes any local address, and one any remote.
  local: n % 100 === 1 ? 0 : LOCAL,
  remote: n === 2 ? 0 : remoteOf(n),
  iKey: n,
  oKey: n,
  link: n % 3,
  up: n % 50 !== 3,
  order: n,
}));
const table = new IpTunnelTable();
for (const tunnel of tunnels) table.set(tunnel);

/** The kernel's four passes over all tunnels, newest first. */
function plainLookup(link: number, remote: number, local: number): IpTunnelParm | null {
  let candidate: IpTunnelParm | null = null;
  const newest = tunnels.toReversed().filter(({ up }) => up);
  for (const tunnel of newest.filter((t) => t.local === local && t.remote === remote)) {
    if (tunnel.link === link) return tunnel;
    candidate = tunnel;
  }
  for (
    const pass of [
      (t: IpTunnelParm) => t.remote === remote && t.local === 0,
      (t: IpTunnelParm) => t.local === local && t.remote === 0,
      (t: IpTunnelParm) => t.local === 0 && t.remote === 0,
    ]
  ) {
    for (const tunnel of newest.filter(pass)) {
      if (tunnel.link === link) return tunnel;
      candidate ??= tunnel;
    }
  }
  return candidate;
}

for (let n = 0; n < 400; n++) {
  const [link, remote] = [1 + n % 3, n % 5 === 0 ? 0x0b000000 + n : remoteOf(n * 25 % TUNNELS)];
  const local = n % 7 === 0 ? LOCAL + 1 : LOCAL;
  assert.equal(table.lookup(link, remote, local), plainLookup(link, remote, local));
}

let turn = 0;
Deno.bench("lookup(): the same peer again, 10,000 tunnels", () => {
  table.lookup(1, remoteOf(77), LOCAL);
});
Deno.bench("lookup(): another peer each time, 10,000 tunnels", () => {
  turn = (turn + 4099) % TUNNELS;
  table.lookup(1, remoteOf(turn), LOCAL);
});
Deno.bench("lookup(): nobody's packet, 10,000 tunnels", () => {
  turn = (turn + 4099) % TUNNELS;
  table.lookup(1, 0x0b000000 + turn, LOCAL + 1);
});
