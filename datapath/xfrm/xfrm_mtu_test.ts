import assert from "node:assert/strict";
import { encapBytes, xfrmStateMtu } from "./xfrm_mtu.ts";

/** Algorithm: IV, ICV, block; longest inner packet over 1500, bare and in UDP, as Linux 6.1 reports them. */
// deno-fmt-ignore
const ROWS: readonly (readonly [string, number, number, number, number, number])[] = [
  ["rfc4106 128",                8, 16,  4, 1446, 1438],
  ["rfc4106 96",                 8, 12,  4, 1450, 1442],
  ["rfc4106 64",                 8,  8,  4, 1454, 1446],
  ["rfc4309, rfc4543, rfc7539", 8, 16,  4, 1446, 1438],
  ["cbc(aes) sha1-96",          16, 12, 16, 1438, 1422],
  ["cbc(aes) sha256-128",       16, 16, 16, 1438, 1422],
  ["cbc(aes) sha384-192",       16, 24, 16, 1422, 1422],
  ["cbc(aes) sha512-256",       16, 32, 16, 1422, 1406],
  ["cbc(des3_ede) md5-96",       8, 12,  8, 1446, 1438],
  ["ctr(aes) sha256-128",        8, 16,  4, 1446, 1438],
  ["cipher_null sha1-96",        0, 12,  4, 1458, 1450],
  ["cipher_null sha256-128",     0, 16,  4, 1454, 1446],
];

Deno.test("xfrmStateMtu() gives the kernel's numbers for every algorithm", () => {
  for (const [name, iv, icv, block, bare, inUdp] of ROWS) {
    assert.equal(xfrmStateMtu(1500, 0, iv, icv, block), bare, name);
    assert.equal(xfrmStateMtu(1500, 2, iv, icv, block), inUdp, `${name} in UDP`);
  }
});

Deno.test("xfrmStateMtu() is the longest inner packet whose outer one fits", () => {
  for (const [name, iv, icv, block] of ROWS) {
    for (const encap of [0, 1, 2]) {
      for (let mtu = 552; mtu <= 1500; mtu++) {
        const outer = (inner: number) =>
          encapBytes(encap) + 8 + iv + Math.ceil((inner + 2) / block) * block + icv;
        const inner = xfrmStateMtu(mtu, encap, iv, icv, block);
        assert.ok(outer(inner) <= mtu && outer(inner + 1) > mtu, `${name} encap ${encap} mtu ${mtu}`);
      }
    }
  }
});

Deno.test("xfrmStateMtu() after frag needed: 1400 leaves 1346, the floor of 552 leaves 498", () => {
  assert.equal(xfrmStateMtu(1400, 0, 8, 16, 4), 1346);
  assert.equal(xfrmStateMtu(1300, 0, 8, 16, 4), 1246);
  assert.equal(xfrmStateMtu(552, 0, 8, 16, 4), 498);
});

Deno.test("xfrmStateMtu() is never negative", () => {
  for (let mtu = 0; mtu < 120; mtu++) assert.ok(xfrmStateMtu(mtu, 2, 16, 32, 16) >= 0);
});
