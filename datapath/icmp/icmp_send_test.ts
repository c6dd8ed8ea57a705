import assert from "node:assert/strict";
import fc from "fast-check";
import * as icmp from "../wire/icmp.ts";
import * as icmpv6 from "../wire/icmpv6.ts";
import { buildPacket, hex, PLAIN, somePayload } from "../../tests/doubles/packets.ts";
import { rebuiltByScapy, SCAPY } from "../../tests/doubles/scapy.ts";
import { icmp6Send, MAX_ICMP6_MESSAGE } from "./icmp6_send.ts";
import { icmpSend, icmpTos, MAX_ICMP_MESSAGE } from "./icmp_send.ts";

const out = new DataView(new ArrayBuffer(2000));

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function fragNeeded(packet: Uint8Array): Uint8Array {
  const n = icmpSend(viewOf(packet), 0, packet.length, icmp.DEST_UNREACH, icmp.FRAG_NEEDED, 1446, out);
  return new Uint8Array(out.buffer.slice(0, n));
}

function tooBig(packet: Uint8Array): Uint8Array {
  const n = icmp6Send(viewOf(packet), 0, packet.length, icmpv6.PACKET_TOO_BIG, 0, 1446, out);
  return new Uint8Array(out.buffer.slice(0, n));
}

const addressUnreachable = (packet: Uint8Array): number =>
  icmp6Send(viewOf(packet), 0, packet.length, icmpv6.DEST_UNREACH, icmpv6.ADDR_UNREACH, 0, out);

const V4 = buildPacket({ ...PLAIN, payload: somePayload(1460) });
const V6 = buildPacket({ ...PLAIN, version: 6, payload: somePayload(1460) });

/** A copy of the packet with bytes changed. */
function changed(packet: Uint8Array, ...changes: [at: number, ...bytes: number[]][]): Uint8Array {
  const copy = packet.slice();
  for (const [at, ...bytes] of changes) copy.set(bytes, at);
  return copy;
}

Deno.test("icmpSend() quotes 548 bytes of a long packet, with the next hop's MTU", () => {
  const message = fragNeeded(V4);
  assert.equal(message.length, MAX_ICMP_MESSAGE);
  assert.deepEqual([...message.subarray(0, 2)], [3, 4]);
  assert.deepEqual([...message.subarray(4, 8)], [0, 0, 1446 >> 8, 1446 & 0xff]);
  assert.deepEqual(message.subarray(8), V4.subarray(0, 548));
});

Deno.test("icmpSend() quotes a short packet whole", () => {
  const short = buildPacket({ ...PLAIN, protocol: "udp", payload: somePayload(3) });
  assert.deepEqual(fragNeeded(short).subarray(8), short);
});

Deno.test({
  name: "icmpSend() gives the message that scapy gives",
  ignore: !SCAPY,
  fn: async () => {
    const packets = [1, 2, 511, 1460].map((n) => buildPacket({ ...PLAIN, payload: somePayload(n) }));
    const errors = packets.map((packet) => {
      const message = fragNeeded(packet);
      const error = new Uint8Array(20 + message.length);
      error.set([0x45, icmpTos(viewOf(packet), 0), 0, 0, 0, 0, 0, 0, 64, 1]);
      error.set(packet.subarray(16, 20), 12);
      error.set(packet.subarray(12, 16), 16);
      error.set(message, 20);
      return error;
    });
    const rebuilt = await rebuiltByScapy(errors);
    assert.deepEqual(errors.map((e) => hex(e.subarray(20))), rebuilt.map((text) => text.slice(40)));
  },
});

Deno.test("icmpSend() answers neither errors nor fragments nor what no single host sent or got", () => {
  const icmpOf = (type: number): Uint8Array => changed(V4, [9, 1], [20, type]);
  const refused: [string, Uint8Array][] = [
    ["a later fragment", changed(V4, [6, 0, 1])],
    ["source 0.0.0.0", changed(V4, [12, 0, 0, 0, 0])],
    ["source 127.0.0.1", changed(V4, [12, 127])],
    ["source 224.0.0.1", changed(V4, [12, 224])],
    ["source 255.255.255.255", changed(V4, [12, 255, 255, 255, 255])],
    ["to 239.1.1.1", changed(V4, [16, 239])],
    ["to 255.255.255.255", changed(V4, [16, 255, 255, 255, 255])],
    ["version 6", changed(V4, [0, 0x65])],
    ["header of 16 bytes", changed(V4, [0, 0x44])],
    ["cut header", V4.slice(0, 19)],
    ["cut options", changed(V4, [0, 0x46]).slice(0, 23)],
    ["cut ICMP", icmpOf(8).slice(0, 20)],
    ...[1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 19, 30, 255].map((
      type,
    ): [string, Uint8Array] => [`ICMP ${type}`, icmpOf(type)]),
  ];
  for (const [name, packet] of refused) assert.equal(fragNeeded(packet).length, 0, name);
  const answered: [string, Uint8Array][] = [
    ["a first fragment", changed(V4, [6, 0x20, 0])],
    ["with options", changed(V4, [0, 0x46])],
    ...[0, 8, 13, 14, 15, 16, 17, 18].map((type): [string, Uint8Array] => [`ICMP ${type}`, icmpOf(type)]),
  ];
  for (const [name, packet] of answered) assert.ok(fragNeeded(packet).length > 0, name);
});

Deno.test("icmpTos() keeps delay, throughput and ECN bits but one, at the precedence of network control", () => {
  const tos = (value: number): number => icmpTos(viewOf(changed(V4, [1, value])), 0);
  assert.deepEqual([0, 0xff, 0x10, 0xb8, 1].map(tos), [0xc0, 0xde, 0xd0, 0xd8, 0xc0]);
});

Deno.test("icmp6Send() fills 1280 bytes with its IP header, with the MTU", () => {
  const message = tooBig(V6);
  assert.equal(message.length, MAX_ICMP6_MESSAGE);
  assert.deepEqual([...message.subarray(0, 8)], [2, 0, 0, 0, 0, 0, 1446 >> 8, 1446 & 0xff]);
  assert.deepEqual(message.subarray(8), V6.subarray(0, 1232));
});

Deno.test("icmp6Send() answers neither errors nor what no single host sent", () => {
  const icmpOf = (type: number): Uint8Array => changed(V6, [6, 58], [40, type]);
  const zero = Array(16).fill(0);
  const behind = (...extension: number[]): Uint8Array =>
    changed(V6, [6, extension[0]!], [40, ...extension.slice(1)]);
  const refused: [string, Uint8Array][] = [
    ["source ::", changed(V6, [8, ...zero])],
    ["source ::1", changed(V6, [8, ...zero], [23, 1])],
    ["source ff02::1", changed(V6, [8, 0xff, 2])],
    ["version 4", changed(V6, [0, 0x45])],
    ["cut header", V6.slice(0, 39)],
    ["cut ICMPv6", icmpOf(128).slice(0, 40)],
    ...[1, 2, 3, 4, 100, 127].map((type): [string, Uint8Array] => [`ICMPv6 ${type}`, icmpOf(type)]),
    ["error behind destination options", behind(60, 58, 0, 1, 4, 0, 0, 0, 0, 1)],
    ["error behind two headers", behind(0, 60, 0, 1, 4, 0, 0, 0, 0, 58, 0, 1, 4, 0, 0, 0, 0, 3)],
    ["error in a first fragment", behind(44, 58, 0, 0, 1, 0, 0, 0, 9, 1)],
    ["error behind authentication", behind(51, 58, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)],
  ];
  for (const [name, packet] of refused) assert.equal(tooBig(packet).length, 0, name);
  const answered: [string, Uint8Array][] = [
    ["echo request", icmpOf(128)],
    ["echo reply behind destination options", behind(60, 58, 0, 1, 4, 0, 0, 0, 0, 129)],
    ["a later fragment", behind(44, 58, 0, 0, 8, 0, 0, 0, 9, 1)],
    ["a first fragment that ends early", behind(44, 58, 0, 0, 1, 0, 0, 0, 9).slice(0, 48)],
    ["a chain that is cut", behind(60, 58).slice(0, 42)],
    ["to ff02::1, too big", changed(V6, [24, 0xff, 2])],
    ["source ::2", changed(V6, [8, ...zero], [23, 2])],
  ];
  for (const [name, packet] of answered) assert.ok(tooBig(packet).length > 0, name);
  assert.equal(addressUnreachable(changed(V6, [24, 0xff, 2])), 0);
  assert.equal(addressUnreachable(V6), MAX_ICMP6_MESSAGE);
});

Deno.test("icmpSend() and icmp6Send() take any bytes without throwing, within their bounds", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), fc.constantFrom(0x45, 0x4f, 0x60), (bytes, first) => {
      if (bytes.length > 0) bytes[0] = first;
      for (const message of [fragNeeded(bytes), tooBig(bytes)]) {
        assert.ok(message.length === 0 || message.length === bytes.length + 8);
      }
    }),
    { numRuns: 3000 },
  );
});
