import assert from "node:assert/strict";
import { xfrm4UdpEncapRcv } from "./xfrm4_udp_encap_rcv.ts";

const isEsp = (hex: string) => {
  const payload = Uint8Array.fromHex(hex);
  return xfrm4UdpEncapRcv(new DataView(payload.buffer), 0, payload.length);
};

Deno.test("xfrm4UdpEncapRcv() takes ESP, no keepalive, no marker, nothing as short as a header", () => {
  assert.equal(isEsp("000010010000000101"), true);
  assert.equal(isEsp("ffffffff0000000101"), true);
  assert.equal(isEsp(""), false);
  assert.equal(isEsp("ff"), false);
  assert.equal(isEsp("0000100100000001"), false);
  assert.equal(isEsp("00000000" + "11".repeat(40)), false);
});
