import assert from "node:assert/strict";
import * as icmp from "../wire/icmp.ts";
import * as icmpv6 from "../wire/icmpv6.ts";
import { IcmpRateLimit } from "./icmp_rate_limit.ts";

const ONE_EACH = (): number => 1 / 3;
const unreachable = (limit: IcmpRateLimit, dst: number, now: number): boolean =>
  limit.allow(icmp.DEST_UNREACH, icmp.HOST_UNREACH, dst, now);

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
    assert.ok(limit.allow(icmp.DEST_UNREACH, icmp.FRAG_NEEDED, 1, 5000));
    assert.ok(limit.allow(8, 0, 1, 5000));
    assert.ok(limit.allow6(icmpv6.PACKET_TOO_BIG, address, 0, 5000));
  }
  assert.equal(unreachable(limit, 1, 5000), false);
});

Deno.test("IcmpRateLimit limits IPv6 destinations apart from IPv4 ones that look alike", () => {
  const limit = new IcmpRateLimit(ONE_EACH);
  const address = new DataView(new ArrayBuffer(20));
  address.setUint32(16, 0x0a000001);
  assert.equal(count(limit, 10, 0x0a000001, 0, 5000), 6);
  const six = (now: number): boolean => limit.allow6(icmpv6.DEST_UNREACH, address, 4, now);
  assert.deepEqual(Array.from({ length: 7 }, () => six(5000)), [...Array(6).fill(true), false]);
});
