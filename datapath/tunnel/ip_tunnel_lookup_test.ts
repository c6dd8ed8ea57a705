import assert from "node:assert/strict";
import fc from "fast-check";
import { IpTunnelTable } from "./ip_tunnel_lookup.ts";
import { type IpTunnelParm, ipv4IsMulticast } from "./ip_tunnel_parm.ts";

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

Deno.test("lookup() takes the newest of the wildcards that fit alike", () => {
  for (const [local, remote] of [[0, R], [L, 0], [0, 0]] as const) {
    const table = new IpTunnelTable();
    table.set(tunnel(1, local, remote, 8));
    table.set(tunnel(2, local, remote, 9));
    assert.equal(table.lookup(3, R, L)?.actor, 2);
    assert.equal(table.lookup(8, R, L)?.actor, 1, "an equal link goes before");
    // A change puts it to the head (ip_tunnel_update).
    table.set({ ...tunnel(1, local, remote, 8), order: 3 });
    assert.equal(table.lookup(3, R, L)?.actor, 1);
  }
});

/** ip_tunnel_lookup() as the kernel has it: four walks of one list, newest first. */
function walk(tunnels: readonly IpTunnelParm[], link: number, remote: number, local: number) {
  const list = tunnels.filter(({ up }) => up).sort((a, b) => b.order - a.order);
  const group = ipv4IsMulticast(local);
  const matches: ((t: IpTunnelParm) => boolean)[] = [
    (t) => t.local === local && t.remote === remote && remote !== 0 && local !== 0,
    (t) => t.remote === remote && t.local === 0 && remote !== 0,
    (t) => local !== 0 && (t.local === local && t.remote === 0 || group && t.remote === local),
    (t) => t.local === 0 && t.remote === 0,
  ];
  let candidate: IpTunnelParm | undefined;
  for (const [pass, match] of matches.entries()) {
    for (const t of list.filter(match)) {
      if (t.link === link) return t.actor;
      if (pass === 0 || candidate === undefined) candidate = t;
    }
  }
  return candidate?.actor ?? null;
}

Deno.test("lookup() agrees with the kernel's walk of one list", () => {
  const address = fc.constantFrom(0, L, R, L2, GROUP);
  const link = fc.constantFrom(0, 5, 6);
  const change = fc.record({
    actor: fc.integer({ min: 1, max: 6 }),
    local: address,
    remote: address,
    link,
    key: fc.nat(2),
    up: fc.boolean(),
    gone: fc.boolean(),
  });
  const question = fc.record({
    link: fc.constantFrom(5, 6, 7),
    remote: fc.constantFrom(L, R, L2),
    local: fc.constantFrom(L, R, L2, GROUP),
  });
  fc.assert(fc.property(fc.array(change, { maxLength: 12 }), fc.array(question), (changes, questions) => {
    const table = new IpTunnelTable();
    const tunnels = new Map<number, IpTunnelParm>();
    changes.forEach(({ actor, local, remote, link, key, up, gone }, order) => {
      const parm = { ...tunnel(actor, local, remote, link, up), iKey: key, oKey: key, order };
      table.set(parm);
      tunnels.set(actor, parm);
      if (!gone) return;
      table.delete(actor);
      tunnels.delete(actor);
    });
    for (const { link, remote, local } of questions) {
      const expected = walk([...tunnels.values()], link, remote, local);
      assert.equal(table.lookup(link, remote, local)?.actor ?? null, expected);
    }
  }));
});
