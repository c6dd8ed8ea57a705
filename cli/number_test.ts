import assert from "node:assert/strict";
import { getAddress, getPrefix, ipv4Number, prefixMatches } from "./address.ts";
import { getInteger, getU16, getU32, getU64, getU8 } from "./number.ts";
import { Quit } from "./quit.ts";

Deno.test("getU32() reads what strtoul() reads, and nothing behind it", () => {
  const read: readonly (readonly [string, number | null])[] = [
    ["0", 0],
    ["10", 10],
    ["0x10", 16],
    ["0XfF", 255],
    ["010", 8],
    [" +7", 7],
    ["4294967295", 0xffffffff],
    ["4294967296", null],
    ["-1", null],
    ["-0", 0],
    ["-18446744073709551615", 1],
    ["-18446744073709551616", null],
    ["", null],
    ["0x", null],
    ["08", null],
    ["7 ", null],
    ["1e3", null],
    ["abc", null],
  ];
  for (const [text, value] of read) assert.equal(getU32(text), value, text);
});

Deno.test("number readers hold their width", () => {
  assert.deepEqual(["255", "256"].map(getU8), [255, null]);
  assert.deepEqual(["65535", "65536"].map(getU16), [65535, null]);
  assert.deepEqual(["2147483647", "2147483648", "-2147483648", "-2147483649", "x"].map(getInteger), [
    2147483647,
    null,
    -2147483648,
    null,
    null,
  ]);
  assert.deepEqual(["18446744073709551615", "18446744073709551616", "-1", "9007199254740991"].map(getU64), [
    "18446744073709551615",
    null,
    "18446744073709551615",
    9007199254740991,
  ]);
});

Deno.test("getPrefix() reads lengths and masks", () => {
  assert.deepEqual(getPrefix("10.0.0.0/8", 0), { family: 4, text: "10.0.0.0", bits: 8 });
  assert.deepEqual(getPrefix("10/255.255.0.0", 0), { family: 4, text: "10.0.0.0", bits: 16 });
  assert.deepEqual(getPrefix("10.1.2.3", 0), { family: 4, text: "10.1.2.3", bits: 32 });
  assert.deepEqual(getPrefix("FE80::1/10", 0), { family: 6, text: "fe80::1", bits: 10 });
  assert.deepEqual(getPrefix("any", 6), { family: 6, text: "::", bits: 0 });
  for (const text of ["10.0.0.0/33", "::/129", "10/255.0.255.0", "10/", "x", ""]) {
    assert.throws(() => getPrefix(text, 0), Quit, text);
  }
  assert.throws(() => getPrefix("::1", 4), /inet prefix is expected rather than "::1"/);
  assert.throws(() => getAddress("1.2.3.4", 6), /inet6 address is expected rather than "1\.2\.3\.4"/);
});

Deno.test("prefixMatches() compares the bits of both families", () => {
  assert.ok(prefixMatches("10.1.2.3", "10.0.0.0", 8));
  assert.ok(!prefixMatches("11.1.2.3", "10.0.0.0", 8));
  assert.ok(prefixMatches("2001:db8::1", "2001:db8:0:0::", 64));
  assert.ok(!prefixMatches("2001:db8:1::1", "2001:db8::", 48));
  assert.ok(prefixMatches("::ffff:10.0.0.1", "::ffff:a00:0", 120));
  assert.ok(!prefixMatches("10.1.2.3", "::", 0));
});

Deno.test("ipv4Number() puts the first byte highest", () => {
  assert.equal(ipv4Number("192.0.2.1"), 0xc0000201);
});
