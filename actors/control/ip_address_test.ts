import assert from "node:assert/strict";
import fc from "fast-check";
import { AF_INET, AF_INET6 } from "../../datapath/xfrm/xfrm_record.ts";
import { formatIpAddress, parseIpAddress, parseIpPrefix } from "./ip_address.ts";

const u32 = fc.integer({ min: 0, max: 0xffffffff });

Deno.test("parseIpAddress() reads what formatIpAddress() writes", () => {
  fc.assert(fc.property(u32, (word) => {
    const words = [word, 0, 0, 0] as const;
    assert.deepEqual(parseIpAddress(formatIpAddress(AF_INET, words)), { family: AF_INET, words });
  }));
  const sparse = fc.oneof(u32, fc.constant(0), fc.constant(0xffff));
  fc.assert(fc.property(fc.tuple(sparse, sparse, sparse, sparse), (words) => {
    assert.deepEqual(parseIpAddress(formatIpAddress(AF_INET6, words)), { family: AF_INET6, words });
  }));
});

Deno.test("formatIpAddress() writes as inet_ntop(3)", () => {
  const cases: [text: string, canonical: string][] = [
    ["0:0:0:0:0:0:0:0", "::"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["2001:DB8::1", "2001:db8::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["fe80:0:0:0:0:0:0:0", "fe80::"],
    ["::ffff:192.0.2.1", "::ffff:192.0.2.1"],
    ["::192.0.2.1", "::192.0.2.1"],
    ["1::8", "1::8"],
  ];
  for (const [text, canonical] of cases) {
    const parsed = parseIpAddress(text);
    assert.ok(parsed, text);
    assert.equal(formatIpAddress(parsed.family, parsed.words), canonical);
  }
});

Deno.test("parseIpAddress() refuses what inet_pton(3) refuses", () => {
  const texts = [
    "",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "01.2.3.4",
    "1.2.3.4 ",
    "0x1.2.3.4",
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "12345::",
    "g::",
    "1.2.3.4::",
    "::1.2.3",
    "fe80::1%eth0",
    "[::1]",
    "any",
  ];
  for (const text of texts) assert.equal(parseIpAddress(text), null, text);
});

Deno.test("parseIpAddress() and parseIpPrefix() take any text", () => {
  fc.assert(fc.property(fc.string(), (text) => {
    parseIpAddress(text);
    parseIpPrefix(text);
  }));
});

Deno.test("parseIpPrefix() takes an address alone as the whole of it", () => {
  assert.equal(parseIpPrefix("10.0.0.0/8")?.prefixlen, 8);
  assert.equal(parseIpPrefix("10.0.0.1")?.prefixlen, 32);
  assert.equal(parseIpPrefix("::1")?.prefixlen, 128);
  for (const text of ["10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8", "/8", "10.0.0.0/8 "]) {
    assert.equal(parseIpPrefix(text), null, text);
  }
});
