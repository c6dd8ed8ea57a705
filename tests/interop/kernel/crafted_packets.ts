/** Packets of a peer that may send anything: IPv4 and ESP as a test wants them, ciphers by node:crypto. */
import { Buffer } from "node:buffer";
import { createCipheriv, createHmac } from "node:crypto";

/** AES-128-GCM with its salt, in the words of `ip xfrm state`. */
export const KEY_WORDS = "aead rfc4106(gcm(aes)) 0x101112131415161718191a1b1c1d1e1fdeadbeef 128";
const KEY = Uint8Array.from({ length: 16 }, (_, i) => 0x10 + i);
const SALT = Uint8Array.of(0xde, 0xad, 0xbe, 0xef);

export const PROTO = {
  icmp: 1,
  ipip: 4,
  udp: 17,
  ipv6: 41,
  esp: 50,
  ah: 51,
  icmpv6: 58,
  none: 59,
  comp: 108,
};

export const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);
export const join = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

/** RFC 1071. */
export function checksum(data: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += data[i]! << (i % 2 === 0 ? 8 : 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

export const be16 = (value: number) => Uint8Array.of(value >> 8, value & 0xff);
export const be32 = (value: number) => join(be16(value >>> 16), be16(value & 0xffff));

export interface Ipv4Options {
  readonly src: string;
  readonly dst: string;
  readonly proto: number;
  readonly tos?: number;
  readonly id?: number;
  /** Flags and fragment offset, as in the header. */
  readonly fragment?: number;
  readonly ttl?: number;
  /** A multiple of 4 bytes. */
  readonly options?: Uint8Array;
  /** Total length where it is to be wrong. */
  readonly length?: number;
}

export function ipv4(options: Ipv4Options, payload: Uint8Array): Uint8Array {
  const address = (text: string) => Uint8Array.from(text.split(".").map(Number));
  const { tos = 0, id = 1, fragment = 0, ttl = 64, options: extra = bytes(0, 0) } = options;
  const { length = 20 + extra.length + payload.length } = options;
  const versionAndIhl = 0x45 + extra.length / 4;
  const header = join(
    ...[Uint8Array.of(versionAndIhl, tos), be16(length), be16(id), be16(fragment)],
    ...[Uint8Array.of(ttl, options.proto), be16(0), address(options.src), address(options.dst), extra],
  );
  header.set(be16(checksum(header)), 10);
  return join(header, payload);
}

/** Addresses in 32 hexadecimal digits. */
export function ipv6(src: string, dst: string, nextHeader: number, payload: Uint8Array): Uint8Array {
  const HOP_LIMIT = 64;
  const fixed = join(
    Uint8Array.of(0x60, 0, 0, 0),
    be16(payload.length),
    Uint8Array.of(nextHeader, HOP_LIMIT),
  );
  return join(fixed, Uint8Array.fromHex(src), Uint8Array.fromHex(dst), payload);
}

/** Without a checksum. */
export function udp(source: number, destination: number, payload: Uint8Array): Uint8Array {
  return join(be16(source), be16(destination), be16(8 + payload.length), be16(0), payload);
}

/** An ICMP echo request with `length` bytes of data. */
export function echo(seq: number, length: number): Uint8Array {
  const message = join(Uint8Array.of(8, 0), be16(0), be16(7), be16(seq), bytes(length, 0x78));
  message.set(be16(checksum(message)), 2);
  return message;
}

/** An ICMP destination unreachable (RFC 792, RFC 1191), quoting the begin of a packet. */
export function unreachable(code: number, mtu: number, quoted: Uint8Array): Uint8Array {
  const message = join(Uint8Array.of(3, code), be16(0), be16(0), be16(mtu), quoted);
  message.set(be16(checksum(message)), 2);
  return message;
}

export interface EspOptions {
  readonly spi: number;
  readonly seq: number;
  readonly nextHeader?: number;
  /** Bytes of padding; absent: what RFC 4303 §2.4 wants. */
  readonly padding?: number;
  /** The pad length where it is to be wrong. */
  readonly padLength?: number;
}

export const espHeader = (spi: number, seq: number): Uint8Array => join(be32(spi), be32(seq));

/** RFC 4303 §2 with RFC 4106. */
export function esp(options: EspOptions, text: Uint8Array): Uint8Array {
  const { nextHeader = PROTO.ipip, padding = (-text.length - 2) & 3, padLength = padding } = options;
  const header = espHeader(options.spi, options.seq);
  const iv = join(be32(0x01020304), be32(options.seq));
  const pad = Uint8Array.from({ length: padding }, (_, i) => i + 1);
  const cipher = createCipheriv("aes-128-gcm", KEY, join(SALT, iv));
  cipher.setAAD(header);
  const sealed = cipher.update(join(text, pad, Uint8Array.of(padLength, nextHeader)));
  cipher.final();
  return join(header, iv, sealed, cipher.getAuthTag());
}

/** HMAC-SHA1-96, in the words of `ip xfrm state`. */
export const AH_WORDS = "auth-trunc hmac(sha1) 0xa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3 96";
const AH_KEY = Uint8Array.from({ length: 20 }, (_, i) => 0xa0 + i);
const AH_ICV_BYTES = 12;

/** An IPv4 packet with AH (RFC 4302) around `text`. */
export function ah(
  spi: number,
  seq: number,
  options: Omit<Ipv4Options, "proto">,
  text: Uint8Array,
): Uint8Array {
  const words = (12 + AH_ICV_BYTES) / 4 - 2;
  const header = join(Uint8Array.of(PROTO.ipip, words, 0, 0), be32(spi), be32(seq));
  const packet = (icv: Uint8Array) => ipv4({ ...options, proto: PROTO.ah }, join(header, icv, text));
  const signed = packet(bytes(AH_ICV_BYTES, 0));
  // RFC 4302 §3.3.3.1.1: TOS, flags, fragment offset, TTL and checksum may change on the way.
  for (const mutable of [1, 6, 7, 8, 10, 11]) signed[mutable] = 0;
  return packet(createHmac("sha1", AH_KEY).update(signed).digest().subarray(0, AH_ICV_BYTES));
}

/** What a test compares of a packet that an end has sent: all but the identification. */
export function describe(packet: Uint8Array): string {
  const view = new DataView(packet.buffer, packet.byteOffset);
  const address = (at: number) => packet.subarray(at, at + 4).join(".");
  const fragment = view.getUint16(6);
  const isFirst = (fragment & 0x1fff) === 0;
  const ports = packet[9] === PROTO.udp && isFirst
    ? ` ports ${view.getUint16(20)} ${view.getUint16(22)}`
    : "";
  return `${address(12)} > ${address(16)} proto ${packet[9]} length ${view.getUint16(2)} tos ${packet[1]} ` +
    `ttl ${packet[8]} fragment 0x${fragment.toString(16)}${ports}`;
}
