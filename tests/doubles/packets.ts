/** Inner packets for tests, built and checked the slow and readable way. */
import { type Batch, LENGTH, OFFSET } from "../../datapath/batch.ts";
import fc from "fast-check";

export interface PacketSpec {
  readonly version: 4 | 6;
  readonly protocol: "tcp" | "udp";
  readonly sourcePort: number;
  readonly seq: number;
  readonly flags: number;
  /** TCP options, a multiple of 4 bytes. */
  readonly options: Uint8Array;
  readonly payload: Uint8Array;
  readonly id: number;
  readonly df: boolean;
  readonly ttl: number;
  readonly tos: number;
}

export const ACK = 0x10;

export const PLAIN: PacketSpec = {
  version: 4,
  protocol: "tcp",
  sourcePort: 40000,
  seq: 1000,
  flags: ACK,
  options: new Uint8Array(),
  payload: new Uint8Array(),
  id: 7,
  df: true,
  ttl: 64,
  tos: 0,
};

/** Specs of plausible packets whose payload has up to `maxPayload` bytes. */
export function arbitraryPacket(maxPayload: number): fc.Arbitrary<PacketSpec> {
  return fc.record({
    version: fc.constantFrom(4 as const, 6 as const),
    protocol: fc.constantFrom("tcp" as const, "udp" as const),
    sourcePort: fc.integer({ min: 1, max: 65535 }),
    seq: fc.oneof(fc.nat(0xffff), fc.integer({ min: 0xffff0000, max: 0xffffffff })),
    flags: fc.constantFrom(0x10, 0x18, 0x11, 0x19, 0x90, 0x98),
    options: fc.nat(10).chain((words) => fc.uint8Array({ minLength: words * 4, maxLength: words * 4 })),
    payload: fc.integer({ min: 1, max: maxPayload }).map(somePayload),
    id: fc.nat(65535),
    df: fc.boolean(),
    ttl: fc.integer({ min: 1, max: 255 }),
    tos: fc.nat(255),
  });
}

/** Bytes that differ from place to place, so that a shifted copy shows. */
export function somePayload(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 167 + (i >> 8) * 13 + length) & 0xff);
}

/** A packet with correct lengths and checksums. */
export function buildPacket(spec: PacketSpec): Uint8Array<ArrayBuffer> {
  const ipBytes = spec.version === 4 ? 20 : 40;
  const thBytes = spec.protocol === "tcp" ? 20 + spec.options.length : 8;
  const packet = new Uint8Array(ipBytes + thBytes + spec.payload.length);
  const view = new DataView(packet.buffer);
  const transport = packet.length - ipBytes;
  const protocol = spec.protocol === "tcp" ? 6 : 17;
  if (spec.version === 4) {
    view.setUint16(0, 0x4500 | spec.tos);
    view.setUint16(2, packet.length);
    view.setUint16(4, spec.id);
    view.setUint16(6, spec.df ? 0x4000 : 0);
    view.setUint16(8, spec.ttl << 8 | protocol);
    packet.set([10, 9, 8, 1, 10, 9, 8, 2], 12);
    view.setUint16(10, slowChecksum(packet.subarray(0, 20)));
  } else {
    view.setUint32(0, 0x60000000 | spec.tos << 20 | 0x12345);
    view.setUint16(4, transport);
    view.setUint16(6, protocol << 8 | spec.ttl);
    packet.set([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 8);
    packet.set([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2], 24);
  }
  view.setUint16(ipBytes, spec.sourcePort);
  view.setUint16(ipBytes + 2, 5201);
  if (spec.protocol === "tcp") {
    view.setUint32(ipBytes + 4, spec.seq);
    view.setUint32(ipBytes + 8, 0x01020304);
    view.setUint16(ipBytes + 12, thBytes / 4 << 12 | spec.flags);
    view.setUint16(ipBytes + 14, 501);
    packet.set(spec.options, ipBytes + 20);
  } else {
    view.setUint16(ipBytes + 4, transport);
  }
  packet.set(spec.payload, ipBytes + thBytes);
  const sum = slowChecksum(transportWithPseudo(packet));
  view.setUint16(ipBytes + checkAt(packet), spec.protocol === "udp" ? sum || 0xffff : sum);
  return packet;
}

/** Where the checksum stands in the transport header. */
function checkAt(packet: Uint8Array): number {
  return (packet[packet[0]! >> 4 === 4 ? 9 : 6] === 6) ? 16 : 6;
}

/** vnet header and packet as the kernel hands them over: partial checksum; `gsoSize` 0 is no super-packet. */
export function asRead(packet: Uint8Array, gsoSize: number): Uint8Array<ArrayBuffer> {
  const read = new Uint8Array(10 + packet.length);
  read.set(packet, 10);
  const v4 = packet[0]! >> 4 === 4;
  const ipBytes = v4 ? 20 : 40;
  const tcp = checkAt(packet) === 16;
  const view = new DataView(read.buffer);
  view.setUint8(0, 1);
  const ecn = tcp && (packet[ipBytes + 13]! & 0x80) !== 0 ? 0x80 : 0;
  view.setUint8(1, gsoSize === 0 ? 0 : tcp ? (v4 ? 1 : 4) | ecn : 5);
  view.setUint16(2, ipBytes + (tcp ? packet[ipBytes + 12]! >> 4 << 2 : 8), true);
  view.setUint16(4, gsoSize, true);
  view.setUint16(6, ipBytes, true);
  view.setUint16(8, checkAt(packet), true);
  const pseudo = transportWithPseudo(packet).subarray(0, v4 ? 12 : 40);
  view.setUint16(10 + ipBytes + checkAt(packet), slowChecksum(pseudo) ^ 0xffff);
  return read;
}

/** True when the lengths and checksums of the packet are right. */
export function isSound(packet: Uint8Array): boolean {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  const v4 = packet[0]! >> 4 === 4;
  const lengths = v4 ? view.getUint16(2) === packet.length : view.getUint16(4) === packet.length - 40;
  const ip = !v4 || slowChecksum(packet.subarray(0, 20)) === 0;
  const udp = checkAt(packet) === 16 || view.getUint16((v4 ? 20 : 40) + 4) === packet.length - (v4 ? 20 : 40);
  return lengths && ip && udp && slowChecksum(transportWithPseudo(packet)) === 0;
}

export function packetsOf(batch: Batch): Uint8Array[] {
  return Array.from({ length: batch.count }, (_, i) => {
    const at = batch.i32[OFFSET + i]!;
    return batch.u8.slice(at, at + batch.i32[LENGTH + i]!);
  });
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

/** The pseudo header of RFC 9293 §3.1 or RFC 8200 §8.1, then the transport header and the payload. */
function transportWithPseudo(packet: Uint8Array): Uint8Array {
  const v4 = packet[0]! >> 4 === 4;
  const ipBytes = v4 ? 20 : 40;
  const transport = packet.subarray(ipBytes);
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, transport.length);
  const protocol = packet[v4 ? 9 : 6]!;
  const pseudo = v4
    ? [...packet.subarray(12, 20), 0, protocol, ...length.subarray(2)]
    : [...packet.subarray(8, 40), ...length, 0, 0, 0, protocol];
  const all = new Uint8Array(pseudo.length + transport.length);
  all.set(pseudo);
  all.set(transport, pseudo.length);
  return all;
}

function slowChecksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += bytes[i]! << 8 | (bytes[i + 1] ?? 0);
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return sum ^ 0xffff;
}
