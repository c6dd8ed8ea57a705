import assert from "node:assert/strict";
import fc from "fast-check";
import * as ipv4 from "../wire/ipv4.ts";
import { decodeSession, DST, Flow, FLOW_WORDS, MARK, OIF, PORTS, SRC } from "./flow.ts";
import { ip, ipv4Packet, ipv6Packet } from "./xfrm_fixture.ts";
import { AF_INET, AF_INET6 } from "./xfrm_record.ts";

function decode(packet: Uint8Array, family: number = AF_INET): Flow {
  const flow = new Flow();
  decodeSession(flow, new DataView(packet.buffer), 0, packet.length, family, 7, 10);
  return flow;
}

const ports = (packet: Uint8Array, family: number = AF_INET): number =>
  decode(packet, family).words[PORTS] >>> 0;

/** An IPv4 packet with this protocol and payload. */
function v4(proto: number, ...payload: number[]): Uint8Array {
  const packet = ipv4Packet(20 + payload.length, { proto });
  packet.set(payload, 20);
  return packet;
}

/** An IPv6 packet whose chain of headers is `payload`. */
function v6(next: number, ...payload: number[]): Uint8Array {
  const packet = ipv6Packet(40 + payload.length, { next });
  packet.set(payload, 40);
  return packet;
}

Deno.test("decodeSession() reads addresses, protocol, TOS bits, mark and interface", () => {
  const flow = decode(ipv4Packet(40, { proto: 6, tos: 0xff }));
  assert.equal(flow.words[SRC] >>> 0, ip("10.9.0.2"));
  assert.equal(flow.words[DST] >>> 0, ip("10.9.0.1"));
  assert.deepEqual([flow.family, flow.proto, flow.tos], [AF_INET, 6, 0x1c]);
  assert.deepEqual([flow.words[MARK], flow.words[OIF]], [7, 10]);
});

Deno.test("decodeSession() reads ports of TCP, UDP, UDP-Lite and SCTP, and of nothing else", () => {
  for (const proto of [6, 17, 136, 132]) assert.equal(ports(v4(proto, 0x12, 0x34, 0x56, 0x78)), 0x12345678);
  for (const proto of [33, 50, 51, 108, 4, 200]) assert.equal(ports(v4(proto, 0x12, 0x34, 0x56, 0x78)), 0);
});

Deno.test("decodeSession() gives ICMP type and code, the GRE key and the mobility type as ports", () => {
  assert.equal(ports(v4(1, 8, 3)), 0x00080003);
  assert.equal(ports(v6(58, 128, 1), AF_INET6), 0x00800001);
  // Of what follows the header of 8 bytes: so does Linux.
  assert.equal(ports(v6(135, 59, 0, 5, 0, 0, 0, 0, 0, 0, 0, 6), AF_INET6), 0x00060000);
  assert.equal(ports(v6(135, 59, 0, 5, 0, 0, 0, 0, 0), AF_INET6), 0);
  assert.equal(ports(v4(47, 0x20, 0, 8, 0, 1, 2, 3, 4, 0, 0, 0, 0)), 0x01020304);
  assert.equal(ports(v4(47, 0xa0, 0, 8, 0, 9, 9, 9, 9, 1, 2, 3, 4)), 0x01020304);
  assert.equal(ports(v4(47, 0, 0, 8, 0, 1, 2, 3, 4, 0, 0, 0, 0)), 0);
});

Deno.test("decodeSession() leaves ports 0 when they are cut off", () => {
  assert.equal(ports(v4(6, 1, 2, 3)), 0);
  assert.equal(ports(v4(1, 8)), 0);
  assert.equal(ports(v4(47, 0x20, 0, 8, 0, 1, 2, 3, 4, 0, 0, 0)), 0);
  const options = v4(17, 1, 2, 3, 4);
  options[0] = 0x4f;
  assert.equal(ports(options), 0);
});

Deno.test("decodeSession() leaves ports 0 for every fragment, the first one too", () => {
  for (const fragment of [ipv4.MF, 1, ipv4.MF | 185]) {
    const packet = v4(17, 0x12, 0x34, 0x56, 0x78);
    new DataView(packet.buffer).setUint16(6, fragment);
    const flow = decode(packet);
    assert.equal(flow.words[PORTS], 0);
    assert.equal(flow.proto, 17);
  }
});

Deno.test("decodeSession() reads ports behind IPv4 options", () => {
  const packet = v4(6, 1, 1, 1, 1, 0x12, 0x34, 0x56, 0x78);
  packet[0] = 0x46;
  assert.equal(ports(packet), 0x12345678);
});

Deno.test("decodeSession() walks IPv6 extension headers", () => {
  const hop = [43, 0, 0, 0, 0, 0, 0, 0];
  const routing = [60, 1, ...new Array(14).fill(0)];
  const destination = [17, 0, 0, 0, 0, 0, 0, 0];
  const flow = decode(v6(0, ...hop, ...routing, ...destination, 0x12, 0x34, 0x56, 0x78), AF_INET6);
  assert.equal(flow.proto, 17);
  assert.equal(flow.words[PORTS], 0x12345678);
  const ah = decode(v6(51, 17, 4, 0, 0, 0, 0, 0, 0), AF_INET6);
  assert.equal(ah.proto, 51);
});

Deno.test("decodeSession() takes only the protocol behind an IPv6 fragment header", () => {
  const flow = decode(v6(44, 17, 0, 0, 1, 0, 0, 0, 9, 0x12, 0x34, 0x56, 0x78), AF_INET6);
  assert.equal(flow.proto, 17);
  assert.equal(flow.words[PORTS], 0);
  // Its reserved byte is taken for a length, as Linux does.
  assert.equal(decode(v6(44, 17, 1, 0, 1, 0, 0, 0, 9, 0x12, 0x34, 0x56, 0x78), AF_INET6).proto, 0);
});

Deno.test("decodeSession() gives up on a chain that is endless or cut short", () => {
  const endless = new Array(8 * 1000).fill(0);
  assert.equal(decode(v6(0, ...endless), AF_INET6).proto, 0);
  assert.equal(decode(v6(43, 17), AF_INET6).proto, 0);
  assert.equal(decode(v6(0, 17, 200, 0, 0, 0, 0, 0, 0), AF_INET6).proto, 0);
  assert.equal(decode(v6(17, 1), AF_INET6).proto, 0);
  assert.equal(decode(v6(17, 1, 2), AF_INET6).proto, 17);
});

Deno.test("decodeSession() reads no byte behind the packet and never throws", () => {
  const inputs = fc.tuple(fc.uint8Array({ minLength: 20, maxLength: 120 }), fc.boolean());
  fc.assert(fc.property(inputs, ([bytes, six]) => {
    const family = six && bytes.length >= 40 ? AF_INET6 : AF_INET;
    const exact = new Flow();
    decodeSession(exact, new DataView(bytes.slice().buffer), 0, bytes.length, family, 0, 0);
    const padded = new Uint8Array(bytes.length + 64).fill(0xff);
    padded.set(bytes);
    const inside = new Flow();
    decodeSession(inside, new DataView(padded.buffer), 0, bytes.length, family, 0, 0);
    assert.deepEqual(inside.words, exact.words);
    assert.equal(exact.words.length, FLOW_WORDS);
  }));
});
