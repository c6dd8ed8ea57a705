import assert from "node:assert/strict";
import { PmtuCache } from "./pmtu_cache.ts";
import { ALL_ROUTES, type RouteLookup, type RouteResult } from "./route_lookup.ts";

const R = 0xc0000201, OTHER = 0xc0000209;
const EXPIRES = 600;

class Routes implements RouteLookup {
  route: RouteResult = { errno: 0, oif: 2, mtu: 1500, src: 0, gateway: 0, hopLimit: 0 };
  lookup(): RouteResult {
    return { ...this.route };
  }
}

function make() {
  const routes = new Routes();
  const cache = new PmtuCache(routes, { minPmtu: 552, expiresSeconds: EXPIRES });
  const mtu = (dst = R) => cache.lookup(dst, 0, 0, 0).mtu;
  return { routes, cache, mtu };
}

Deno.test("PmtuCache lowers the MTU of one destination", () => {
  const { cache, mtu } = make();
  assert.equal(cache.update(R, 0, 1300, 0), true);
  assert.deepEqual([mtu(), mtu(R | 0), mtu(OTHER)], [1300, 1300, 1500]);
  assert.equal(cache.update(R, 0, 1200, 0), true);
  assert.equal(mtu(), 1200);
});

Deno.test("PmtuCache never raises an MTU", () => {
  const { routes, cache, mtu } = make();
  for (const said of [1501, 9000]) assert.equal(cache.update(R, 0, said, 0), false);
  assert.equal(mtu(), 1500);
  cache.update(R, 0, 1300, 0);
  assert.equal(cache.update(R, 0, 1400, 0), false);
  assert.equal(mtu(), 1300);
  routes.route.mtu = 1280;
  assert.equal(mtu(), 1280, "a route that got narrower counts at once");
});

Deno.test("PmtuCache has a least MTU, and learns nothing after it", () => {
  const { cache, mtu } = make();
  assert.equal(cache.update(R, 0, 500, 0), true);
  assert.equal(mtu(), 552);
  assert.equal(cache.update(R, 0, 552, 1), false);
  assert.equal(cache.update(R, 0, 0, 1), false);
  assert.equal(mtu(), 552);
  const narrow = make();
  narrow.routes.route.mtu = 500;
  narrow.cache.update(R, 0, 400, 0);
  assert.equal(narrow.mtu(), 500);
});

Deno.test("PmtuCache forgets after its time, counted from the last report", () => {
  const { cache, mtu } = make();
  cache.update(R, 0, 1300, 0);
  assert.equal(cache.update(R, 0, 1300, 100), false);
  assert.equal(cache.expire(EXPIRES), false);
  assert.equal(mtu(), 1300);
  assert.equal(cache.expire(100 + EXPIRES), true);
  assert.equal(mtu(), 1500);
  assert.equal(cache.update(R, 0, 1400, 1000), true);
});

Deno.test("PmtuCache leaves alone a locked MTU, and what has no route or another way out", () => {
  const { routes, cache, mtu } = make();
  routes.route.mtuLocked = true;
  assert.equal(cache.update(R, 0, 1300, 0), false);
  routes.route.mtuLocked = false;
  routes.route.errno = 101;
  assert.equal(cache.update(R, 0, 1300, 0), false);
  routes.route.errno = 0;
  cache.update(R, 0, 1300, 0);
  routes.route.oif = 3;
  assert.equal(mtu(), 1500);
});

Deno.test("PmtuCache keeps a bounded number of destinations", () => {
  const { cache, mtu } = make();
  for (let i = 0; i <= 4096; i++) cache.update(i, 0, 1300, 0);
  assert.deepEqual([mtu(0), mtu(1), mtu(4096)], [1500, 1300, 1300]);
});

Deno.test("PmtuCache knows of a path only by the route that it was learned for", () => {
  const { routes, cache, mtu } = make();
  const learned = { ...routes.route };
  cache.update(R, 0, 1300, 0);
  for (const change of [{ oif: 3 }, { gateway: 9 }, { mtu: 1450 }]) {
    routes.route = { ...learned, ...change };
    assert.equal(mtu(), routes.route.mtu);
  }
  routes.route = learned;
  assert.equal(mtu(), 1300);
});

Deno.test("PmtuCache forgets what it knew of routes that ended", () => {
  const { routes, cache, mtu } = make();
  routes.route.gateway = 9;
  const others = [
    { dst: R, prefix: 32, oif: 2, gateway: 8 },
    { dst: R, prefix: 32, oif: 3, gateway: 9 },
    { dst: OTHER, prefix: 32, oif: 2, gateway: 9 },
    { dst: OTHER, prefix: 29, oif: 2, gateway: 9 },
  ];
  cache.update(R, 0, 1300, 0);
  for (const gone of others) assert.equal(cache.forget(gone), false, JSON.stringify(gone));
  const ended = [
    { dst: R, prefix: 32, oif: 2, gateway: 9 },
    { dst: OTHER | 0, prefix: 28, oif: 2, gateway: 9 },
    { dst: 0, prefix: 0, oif: 2, gateway: null },
    ALL_ROUTES,
  ];
  for (const gone of ended) {
    cache.update(R, 0, 1300, 0);
    assert.deepEqual([mtu(), cache.forget(gone), mtu()], [1300, true, 1500], JSON.stringify(gone));
  }
});
