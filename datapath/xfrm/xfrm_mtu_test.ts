import assert from "node:assert/strict";
import { encapBytes, type MtuShape, xfrmStateMtu } from "./xfrm_mtu.ts";
import { IPPROTO_AH, IPPROTO_COMP, IPPROTO_ESP, XfrmModeNumber } from "./xfrm_record.ts";

/** An ESP SA. */
function espShape(encap: number, iv: number, icvLength: number, blockSize: number, tunnel = true): MtuShape {
  const headerBytes = (tunnel ? 20 : 0) + encapBytes(encap) + 8 + iv;
  const mode = tunnel ? XfrmModeNumber.tunnel : XfrmModeNumber.transport;
  return { proto: IPPROTO_ESP, mode, headerBytes, icvLength, blockSize };
}

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
    assert.equal(xfrmStateMtu(espShape(0, iv, icv, block), 1500), bare, name);
    assert.equal(xfrmStateMtu(espShape(2, iv, icv, block), 1500), inUdp, `${name} in UDP`);
  }
});

Deno.test("xfrmStateMtu() is the longest inner packet whose outer one fits", () => {
  for (const [name, iv, icv, block] of ROWS) {
    for (const encap of [0, 1, 2]) {
      for (let mtu = 552; mtu <= 1500; mtu++) {
        const outer = (inner: number) =>
          20 + encapBytes(encap) + 8 + iv + Math.ceil((inner + 2) / block) * block + icv;
        const inner = xfrmStateMtu(espShape(encap, iv, icv, block), mtu);
        assert.ok(outer(inner) <= mtu && outer(inner + 1) > mtu, `${name} encap ${encap} mtu ${mtu}`);
      }
    }
  }
});

Deno.test("xfrmStateMtu() after frag needed: 1400 leaves 1346, the floor of 552 leaves 498", () => {
  assert.equal(xfrmStateMtu(espShape(0, 8, 16, 4), 1400), 1346);
  assert.equal(xfrmStateMtu(espShape(0, 8, 16, 4), 1300), 1246);
  assert.equal(xfrmStateMtu(espShape(0, 8, 16, 4), 552), 498);
});

Deno.test("xfrmStateMtu() is never negative", () => {
  for (let mtu = 0; mtu < 120; mtu++) assert.ok(xfrmStateMtu(espShape(2, 16, 32, 16), mtu) >= 0);
});

Deno.test("xfrmStateMtu() of AH and IPComp takes off the header alone", () => {
  const tunnel = { mode: XfrmModeNumber.tunnel, icvLength: 0, blockSize: 1 };
  assert.equal(xfrmStateMtu({ ...tunnel, proto: IPPROTO_AH, headerBytes: 20 + 24 }, 1500), 1456);
  assert.equal(xfrmStateMtu({ ...tunnel, proto: IPPROTO_AH, headerBytes: 20 + 32 }, 1500), 1448);
  assert.equal(xfrmStateMtu({ ...tunnel, proto: IPPROTO_COMP, headerBytes: 20 }, 1500), 1480);
});

Deno.test("xfrmStateMtu() in transport mode counts the IP header, which is not encrypted", () => {
  // IPv4 header 20, ESP 8, IV 8, text 1448, ICV 16: of the text two bytes are trailer.
  assert.equal(xfrmStateMtu(espShape(0, 8, 16, 4, false), 1500), 1466);
  assert.equal(xfrmStateMtu(espShape(0, 16, 16, 16, false), 1500), 1458);
});
