import assert from "node:assert/strict";
import { IpTunnelTable } from "./ip_tunnel_lookup.ts";
import type { IpTunnelParm } from "./ip_tunnel_parm.ts";

const L = 0xc0000202, R = 0xc0000201, L2 = 0xc0000203, R2 = 0xc0000204, GROUP = 0xe0000005;

function tunnel(actor: number, local: number, remote: number, link: number, up = true): IpTunnelParm {
  return { actor, ifindex: 100 + actor, local, remote, iKey: 0, oKey: 0, link, up, order: actor };
}

/** The four tunnels of the specification's worked examples, in order of insertion. */
function worked(): IpTunnelTable {
  const table = new IpTunnelTable();
  table.set(tunnel(1, L, R, 0));
  table.set(tunnel(2, L, R, 5));
  table.set(tunnel(3, 0, R, 0));
  table.set(tunnel(4, L, 0, 7));
  return table;
}

const cases: [string, number, number, number, number | null][] = [
  ["an exact match with equal link", 5, R, L, 2],
  ["the oldest exact match when no link is equal", 3, R, L, 1],
  ["a wildcard with equal link before exact candidates", 7, R, L, 4],
  ["the wildcard local", 3, R, L2, 3],
  ["the wildcard remote as candidate", 3, R2, L, 4],
  ["nothing", 3, R2, L2, null],
];
for (const [what, link, remote, local, expected] of cases) {
  Deno.test(`lookup() finds ${what}`, () => {
    assert.equal(worked().lookup(link, remote, local)?.actor ?? null, expected);
  });
}

Deno.test("lookup() passes over devices that are down", () => {
  const table = worked();
  table.set(tunnel(1, L, R, 0, false));
  assert.equal(table.lookup(3, R, L)?.actor, 2);
});

Deno.test("lookup() takes the tunnel with neither end only after all others", () => {
  const table = worked();
  table.set(tunnel(9, 0, 0, 0));
  assert.equal(table.lookup(3, R2, L2)?.actor, 9);
  assert.equal(table.lookup(3, R, L2)?.actor, 3);
});

Deno.test("lookup() matches a multicast group that is the tunnel's remote", () => {
  const table = worked();
  table.set(tunnel(5, L, GROUP, 0));
  assert.equal(table.lookup(3, R2, GROUP)?.actor, 5);
});

Deno.test("delete() takes a tunnel out of every later lookup", () => {
  const table = worked();
  assert.equal(table.lookup(5, R, L)?.actor, 2);
  table.delete(2);
  assert.equal(table.lookup(5, R, L)?.actor, 1);
  for (const actor of [1, 3, 4]) table.delete(actor);
  assert.equal(table.lookup(5, R, L), null);
});
