import assert from "node:assert/strict";
import { decodeSession, Flow } from "./flow.ts";
import { Selector } from "./selector.ts";
import { anySelector, ip, ipv4Packet, ipv6Packet } from "./xfrm_fixture.ts";
import { AF_INET, AF_INET6, AF_UNSPEC, type SelectorRecord } from "./xfrm_record.ts";

const flow4 = new Flow();
// 10.9.0.2 port 0x1234 to 10.9.0.1 port 0x5678, UDP, out of interface 10.
const view4 = new DataView(ipv4Packet(40, { ports: 0x12345678 }).buffer);
decodeSession(flow4, view4, 0, 40, AF_INET, 7, 10);
const flow6 = new Flow();
decodeSession(flow6, new DataView(ipv6Packet(60).buffer), 0, 60, AF_INET6, 7, 10);

function matches4(change: Partial<SelectorRecord>): boolean {
  return new Selector({ ...anySelector(AF_INET), ...change }).matches(flow4);
}

function matches6(change: Partial<SelectorRecord>): boolean {
  return new Selector({ ...anySelector(AF_INET6), ...change }).matches(flow6);
}

Deno.test("Selector.matches() compares prefixes", () => {
  assert.equal(matches4({ saddr: [ip("10.9.0.2"), 0, 0, 0], prefixlenS: 32 }), true);
  assert.equal(matches4({ saddr: [ip("10.9.0.3"), 0, 0, 0], prefixlenS: 32 }), false);
  assert.equal(matches4({ saddr: [ip("10.9.0.3"), 0, 0, 0], prefixlenS: 31 }), true);
  assert.equal(matches4({ daddr: [ip("10.0.0.0"), 0, 0, 0], prefixlenD: 8 }), true);
  assert.equal(matches4({ daddr: [ip("138.9.0.1"), 0, 0, 0], prefixlenD: 1 }), false);
  assert.equal(matches4({ daddr: [ip("1.2.3.4"), 0, 0, 0], prefixlenD: 0 }), true);
});

Deno.test("Selector.matches() compares protocol, masked ports and interface", () => {
  assert.equal(matches4({ proto: 17 }), true);
  assert.equal(matches4({ proto: 6 }), false);
  assert.equal(matches4({ sport: 0x1234, sportMask: 0xffff }), true);
  assert.equal(matches4({ sport: 0x1235, sportMask: 0xffff }), false);
  assert.equal(matches4({ sport: 0x1235, sportMask: 0xfffe }), true);
  assert.equal(matches4({ dport: 0x5678, dportMask: 0xffff }), true);
  assert.equal(matches4({ dport: 0x1234, dportMask: 0xffff }), false);
  assert.equal(matches4({ ifindex: 10 }), true);
  assert.equal(matches4({ ifindex: 11 }), false);
});

Deno.test("Selector.matches() compares all four words of IPv6", () => {
  // Source bytes 8 to 23 and destination bytes 24 to 39 of a packet whose bytes count up.
  const s = [0x08090a0b, 0x0c0d0e0f, 0x10111213, 0x14151617] as const;
  const d = [0x18191a1b, 0x1c1d1e1f, 0x20212223, 0x24252627] as const;
  assert.equal(matches6({ saddr: s, prefixlenS: 128, daddr: d, prefixlenD: 128 }), true);
  for (let i = 0; i < 4; i++) {
    const other = s.map((w, k) => k === i ? w ^ 1 : w) as unknown as typeof s;
    assert.equal(matches6({ saddr: other, prefixlenS: 128 }), false);
    assert.equal(matches6({ saddr: other, prefixlenS: 32 * i + 31 }), true);
    const otherD = d.map((w, k) => k === i ? w ^ 1 : w) as unknown as typeof d;
    assert.equal(matches6({ daddr: otherD, prefixlenD: 32 * i + 32 }), false);
  }
});

Deno.test("Selector.matches() takes everything without a family, as an SA with af-unspec does", () => {
  const selector = new Selector(anySelector(AF_UNSPEC));
  assert.equal(selector.matches(flow4) && selector.matches(flow6), true);
});
