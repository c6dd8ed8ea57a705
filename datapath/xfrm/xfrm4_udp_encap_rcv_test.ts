import assert from "node:assert/strict";
import { xfrm4UdpEncapRcv } from "./xfrm4_udp_encap_rcv.ts";
import { ENCAP_ESPINUDP, ENCAP_ESPINUDP_NONIKE, ENCAP_NONE } from "./xfrm_mtu.ts";

const BOTH = ENCAP_ESPINUDP | ENCAP_ESPINUDP_NONIKE;

const typeOf = (hex: string, types = BOTH) => {
  const payload = Uint8Array.fromHex(hex);
  return xfrm4UdpEncapRcv(new DataView(payload.buffer), 0, payload.length, types);
};

Deno.test("xfrm4UdpEncapRcv() takes ESP, no keepalive, no marker, nothing as short as a header", () => {
  assert.equal(typeOf("000010010000000101"), ENCAP_ESPINUDP);
  assert.equal(typeOf("ffffffff0000000101"), ENCAP_ESPINUDP);
  assert.equal(typeOf(""), ENCAP_NONE);
  assert.equal(typeOf("ff"), ENCAP_NONE);
  assert.equal(typeOf("0000100100000001"), ENCAP_NONE);
  assert.equal(typeOf("00000000" + "11".repeat(40)), ENCAP_NONE);
});

Deno.test("xfrm4UdpEncapRcv() knows the eight zeros of the non-IKE draft from an IKE message", () => {
  assert.equal(typeOf("00".repeat(8) + "000010010000000101"), ENCAP_ESPINUDP_NONIKE);
  assert.equal(typeOf("00".repeat(8) + "0000100100000001"), ENCAP_NONE);
  assert.equal(typeOf("00000000" + "00000001" + "11".repeat(40)), ENCAP_NONE);
});

Deno.test("xfrm4UdpEncapRcv() takes only what the port is for", () => {
  const esp = "000010010000000101", nonike = "00".repeat(8) + esp;
  assert.equal(typeOf(esp, ENCAP_ESPINUDP), ENCAP_ESPINUDP);
  assert.equal(typeOf(esp, ENCAP_ESPINUDP_NONIKE), ENCAP_NONE);
  assert.equal(typeOf(nonike, ENCAP_ESPINUDP), ENCAP_NONE);
  assert.equal(typeOf(nonike, ENCAP_ESPINUDP_NONIKE), ENCAP_ESPINUDP_NONIKE);
});
