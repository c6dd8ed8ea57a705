import assert from "node:assert/strict";
import * as icmp from "../wire/icmp.ts";
import * as icmpv6 from "../wire/icmpv6.ts";
import { ANYBODY, DEFAULT_ICMP_LIMITS, IcmpRateLimit, NOBODY, THIS_HOST } from "./icmp_rate_limit.ts";

const ONE_EACH = (): number => 1 / 3;
const unreachable = (limit: IcmpRateLimit, dst: number, now: number, limits = DEFAULT_ICMP_LIMITS): boolean =>
  limit.allow(limits, icmp.DEST_UNREACH, icmp.HOST_UNREACH, dst, now) === ANYBODY;

/** How many of `n` errors pass, to destinations counted on from `first` by `step`. */
function count(limit: IcmpRateLimit, n: number, first: number, step: number, now: number): number {
  let passed = 0;
  for (let i = 0; i < n; i++) if (unreachable(limit, first + i * step, now)) passed++;
  return passed;
}

Deno.test("IcmpRateLimit gives one destination six errors at once, then one a second", () => {
  const limit = new IcmpRateLimit(ONE_EACH);
  assert.equal(count(limit, 20, 0x0a000001, 0, 5000), 6);
  assert.equal(count(limit, 20, 0x0a000001, 0, 5999), 0);
  assert.equal(count(limit, 20, 0x0a000001, 0, 6000), 1);
  assert.equal(count(limit, 20, 0x0a000001, 0, 8500), 2);
  assert.equal(count(limit, 20, 0x0a000001, 0, 60_000), 6);
});

Deno.test("IcmpRateLimit gives all destinations 50 errors at once and 1000 a second", () => {
  const limit = new IcmpRateLimit(ONE_EACH);
  assert.equal(count(limit, 200, 0x0a000001, 1, 5000), 50);
  assert.equal(count(limit, 200, 0x0b000001, 1, 5019), 0);
  assert.equal(count(limit, 200, 0x0c000001, 1, 5020), 20);
  let passed = 0;
  for (let now = 6000; now < 7000; now++) passed += count(limit, 10, 0x0d000001 + now * 16, 1, now);
  assert.ok(passed > 900 && passed <= 1050, `${passed} in a second`);
});

Deno.test("IcmpRateLimit charges two for some and nothing for others, so that what is left can't be counted", () => {
  const passed = [0, 0.99].map((value) => count(new IcmpRateLimit(() => value), 60, 0x0a000001, 1, 5000));
  assert.deepEqual(passed, [60, 25]);
});

Deno.test("IcmpRateLimit leaves path MTU discovery and types without a limit alone", () => {
  const limit = new IcmpRateLimit(ONE_EACH);
  const address = new DataView(new ArrayBuffer(16));
  count(limit, 100, 1, 1, 5000);
  for (let i = 0; i < 100; i++) {
    assert.ok(limit.allow(DEFAULT_ICMP_LIMITS, icmp.DEST_UNREACH, icmp.FRAG_NEEDED, 1, 5000) === ANYBODY);
    assert.ok(limit.allow(DEFAULT_ICMP_LIMITS, 8, 0, 1, 5000) === ANYBODY);
    assert.ok(limit.allow6(DEFAULT_ICMP_LIMITS, icmpv6.PACKET_TOO_BIG, address, 0, 5000) === ANYBODY);
  }
  assert.equal(unreachable(limit, 1, 5000), false);
});

Deno.test("IcmpRateLimit limits IPv6 destinations apart from IPv4 ones that look alike", () => {
  const limit = new IcmpRateLimit(ONE_EACH);
  const address = new DataView(new ArrayBuffer(20));
  address.setUint32(16, 0x0a000001);
  assert.equal(count(limit, 10, 0x0a000001, 0, 5000), 6);
  const six = (now: number): boolean =>
    limit.allow6(DEFAULT_ICMP_LIMITS, icmpv6.DEST_UNREACH, address, 4, now) === ANYBODY;
  assert.deepEqual(Array.from({ length: 7 }, () => six(5000)), [...Array(6).fill(true), false]);
});

Deno.test("IcmpRateLimit keeps to the sysctls it is given, and tells namespaces apart", () => {
  const limits = { ...DEFAULT_ICMP_LIMITS, burst: 1000, perSecond: 50_000 };
  const passed = (change: Partial<typeof limits>, n = 20, limit = new IcmpRateLimit(ONE_EACH)) => {
    let count = 0;
    for (let i = 0; i < n; i++) if (unreachable(limit, 0x0a000001, 5000, { ...limits, ...change })) count++;
    return count;
  };
  assert.equal(passed({}), 6);
  assert.equal(passed({ intervalMs: 0 }), 20, "no limit for one destination");
  assert.equal(passed({ intervalMs: 0, burst: 7 }), 7);
  assert.equal(passed({ mask: 0 }), 20, "no limit for the type");
  assert.equal(passed({ perSecond: 0 }), 0);
  const both = new IcmpRateLimit(ONE_EACH);
  assert.deepEqual([passed({ netns: 1 }, 20, both), passed({ netns: 2 }, 20, both)], [6, 6]);

  const limit = new IcmpRateLimit(ONE_EACH);
  const address = new DataView(new ArrayBuffer(16));
  address.setUint32(12, 1);
  const tooBig = { ...limits, mask6: 1 << icmpv6.PACKET_TOO_BIG };
  const six = Array.from({ length: 8 }, () => limit.allow6(tooBig, icmpv6.PACKET_TOO_BIG, address, 0, 5000));
  assert.deepEqual(six, [...Array(6).fill(ANYBODY), THIS_HOST, THIS_HOST]);
});

Deno.test("IcmpRateLimit limits this host by the bucket of all only", () => {
  const limit = new IcmpRateLimit(ONE_EACH);
  const may = () => limit.allow(DEFAULT_ICMP_LIMITS, icmp.DEST_UNREACH, icmp.HOST_UNREACH, 0x0a000001, 5000);
  const allowed = Array.from({ length: 60 }, may);
  const times = [ANYBODY, THIS_HOST, NOBODY].map((who) => allowed.filter((one) => one === who).length);
  assert.deepEqual(times, [6, 44, 10]);
});
