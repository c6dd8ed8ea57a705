/**
 * A peer's ends of SAs: packets sealed and opened by node:crypto and node:zlib, so that the gateway's own code judges
 * nothing.
 */
import { createCipheriv, createDecipheriv, createHmac } from "node:crypto";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { be32, bytes, espHeader, ipv4, type Ipv4Options, join, PROTO, udp } from "./crafted_packets.ts";

/** What a packet says of itself, right or wrong. */
export interface SealOptions {
  readonly spi: number;
  readonly seq: number;
  readonly nextHeader: number;
  /** Bytes of padding beyond what the block asks for. */
  readonly morePadding?: number;
  /** The pad length where it is to be wrong. */
  readonly padLength?: number;
  /** IPComp: as its sender found it too short, or bits of the window. */
  readonly windowBits?: number;
}

export type Outer = Omit<Ipv4Options, "proto">;

export interface Seal {
  readonly proto: "esp" | "ah" | "comp";
  /** Of `ip xfrm state`. */
  readonly words: string;
  /** The outer packet. */
  seal(outer: Outer, options: SealOptions, text: Uint8Array): Uint8Array;
  /** What an outer packet has inside. */
  open(packet: Uint8Array): Opened;
}

export interface Opened {
  /** SPI and what else is sent in clear, hex; without sequence number, IV and ICV. */
  readonly header: string;
  /** Null where there is none. */
  readonly seq: number | null;
  /** The text, with the trailer of ESP; null when the ICV is wrong. */
  readonly text: Uint8Array | null;
}

const counted = (from: number, length: number) => Uint8Array.from({ length }, (_, i) => from + i);
const KEY = counted(0x10, 16), SALT = Uint8Array.of(0xde, 0xad, 0xbe, 0xef);
const be32At = (data: Uint8Array, at: number) => new DataView(data.buffer, data.byteOffset).getUint32(at);
const headerBytes = (packet: Uint8Array) => (packet[0]! & 15) * 4;

/** Text, padding, pad length, next header (RFC 4303 §2.4). */
function withTrailer(text: Uint8Array, block: number, options: SealOptions): Uint8Array {
  const padding = block - 1 - (text.length + 1) % block + (options.morePadding ?? 0);
  return join(text, counted(1, padding), Uint8Array.of(options.padLength ?? padding, options.nextHeader));
}

interface Cipher {
  readonly words: string;
  readonly block: number;
  readonly ivBytes: number;
  readonly icvBytes: number;
  seal(header: Uint8Array, iv: Uint8Array, text: Uint8Array): Uint8Array;
  /** Null when the ICV is wrong. */
  open(header: Uint8Array, iv: Uint8Array, sealed: Uint8Array): Uint8Array | null;
}

const GCM: Cipher = {
  words: `aead rfc4106(gcm(aes)) 0x${KEY.toHex()}${SALT.toHex()} 128`,
  block: 4,
  ivBytes: 8,
  icvBytes: 16,
  seal(header, iv, text) {
    const cipher = createCipheriv("aes-128-gcm", KEY, join(SALT, iv));
    cipher.setAAD(header);
    const sealed = cipher.update(text);
    cipher.final();
    return join(sealed, cipher.getAuthTag());
  },
  open(header, iv, sealed) {
    const cipher = createDecipheriv("aes-128-gcm", KEY, join(SALT, iv));
    cipher.setAAD(header);
    cipher.setAuthTag(sealed.subarray(-16));
    const text = cipher.update(sealed.subarray(0, -16));
    try {
      cipher.final();
    } catch {
      return null;
    }
    return new Uint8Array(text);
  },
};

const MAC_KEY = counted(0xa0, 20);
const sha1 = (...parts: Uint8Array[]) =>
  new Uint8Array(createHmac("sha1", MAC_KEY).update(join(...parts)).digest().subarray(0, 12));

/** Encrypts, then authenticates, with the high half of the sequence number where there is one (RFC 4303 §2.2.1). */
function encThenAuth(enc: string, block: number, ivBytes: number, crypt: Crypt, seqHi = bytes(0, 0)): Cipher {
  return {
    words: `enc ${enc} auth-trunc hmac(sha1) 0x${MAC_KEY.toHex()} 96`,
    block,
    ivBytes,
    icvBytes: 12,
    seal(header, iv, text) {
      const sealed = crypt("encrypt", iv, text);
      return join(sealed, sha1(header, iv, sealed, seqHi));
    },
    open(header, iv, sealed) {
      const text = sealed.subarray(0, -12);
      if (sha1(header, iv, text, seqHi).toHex() !== sealed.subarray(-12).toHex()) return null;
      return crypt("decrypt", iv, text);
    },
  };
}
type Crypt = (way: "encrypt" | "decrypt", iv: Uint8Array, text: Uint8Array) => Uint8Array;

const asItIs: Crypt = (_way, _iv, text) => text;
const NULL = encThenAuth('ecb(cipher_null) ""', 4, 0, asItIs);
const nullEsn = (seqHi: number) => encThenAuth('ecb(cipher_null) ""', 4, 0, asItIs, be32(seqHi));
const CBC = encThenAuth(`cbc(aes) 0x${KEY.toHex()}`, 16, 16, (way, iv, text) => {
  const make = way === "encrypt" ? createCipheriv : createDecipheriv;
  const cipher = make("aes-128-cbc", KEY, iv).setAutoPadding(false);
  return new Uint8Array(cipher.update(text));
});

function esp(cipher: Cipher, kind: "bare" | "udp"): Seal {
  const inUdp = kind === "udp";
  return {
    proto: "esp",
    words: `${cipher.words}${inUdp ? " encap espinudp 4500 4500 0.0.0.0" : ""}`,
    seal(outer, options, text) {
      const header = espHeader(options.spi, options.seq);
      const iv = join(bytes(8, 0x33), header).subarray(0, cipher.ivBytes);
      const padded = withTrailer(text, cipher.block, options);
      const payload = join(header, iv, cipher.seal(header, iv, padded));
      return inUdp
        ? ipv4({ ...outer, proto: PROTO.udp }, udp(4500, 4500, payload))
        : ipv4({ ...outer, proto: PROTO.esp }, payload);
    },
    open(packet) {
      const at = headerBytes(packet) + (inUdp ? 8 : 0);
      const header = packet.subarray(at, at + 8);
      const iv = packet.subarray(at + 8, at + 8 + cipher.ivBytes);
      const text = cipher.open(header, iv, packet.subarray(at + 8 + cipher.ivBytes));
      // Of UDP all but the checksum: 0 is as good as a right one.
      const udpHeader = inUdp ? packet.subarray(at - 8, at - 2).toHex() : "";
      return { header: udpHeader + header.subarray(0, 4).toHex(), seq: be32At(header, 4), text };
    },
  };
}

/** Options that do not change on the way (RFC 4302 §3.3.3.1.1.2, and what Linux takes for such): security, alert. */
const IMMUTABLE_OPTIONS = [130, 133, 134, 148, 149];

/** The packet as its ICV sees it: what may change on the way is 0. */
function asSigned(packet: Uint8Array, icvBytes: number): Uint8Array {
  const signed = packet.slice();
  for (const mutable of [1, 6, 7, 8, 10, 11]) signed[mutable] = 0;
  for (let at = 20; at < headerBytes(packet);) {
    const [option, length] = [signed[at]!, signed[at + 1]!];
    if (option === 0) break;
    if (option !== 1 && (length < 2 || at + length > headerBytes(packet))) break;
    if (option !== 1 && !IMMUTABLE_OPTIONS.includes(option)) signed.fill(0, at, at + length);
    at += option === 1 ? 1 : length;
  }
  return signed.fill(0, headerBytes(packet) + 12, headerBytes(packet) + 12 + icvBytes);
}

/** `room` is what the ICV takes with its padding, which may have any value and is under the ICV (RFC 4302 §3.3.3.2.1). */
function ah(hash: string, keyBytes: number, icvBytes: number, room: number, more: string): Seal {
  const key = counted(0xa0, keyBytes);
  const icvOf = (packet: Uint8Array) =>
    new Uint8Array(createHmac(hash, key).update(asSigned(packet, icvBytes)).digest().subarray(0, icvBytes));
  return {
    proto: "ah",
    words: `auth-trunc hmac(${hash}) 0x${key.toHex()} ${icvBytes * 8}${more}`,
    seal(outer, options, text) {
      const header = Uint8Array.of(options.nextHeader, options.padLength ?? (12 + room) / 4 - 2, 0, 0);
      const payload = join(header, espHeader(options.spi, options.seq), bytes(room, 0x99), text);
      const packet = ipv4({ ...outer, proto: PROTO.ah }, payload);
      packet.set(icvOf(packet), headerBytes(packet) + 12);
      return packet;
    },
    open(packet) {
      const at = headerBytes(packet);
      const isRight = icvOf(packet).toHex() === packet.subarray(at + 12, at + 12 + icvBytes).toHex();
      return {
        header: packet.subarray(at, at + 8).toHex(),
        seq: be32At(packet, at + 8),
        text: isRight ? packet.subarray(at + 12 + room) : null,
      };
    },
  };
}

/** RFC 3173 with RFC 2394; Linux has a window of 11 bits. */
const COMP: Seal = {
  proto: "comp",
  words: "comp deflate",
  seal(outer, { spi, nextHeader, windowBits = 11 }, text) {
    const cpi = Uint8Array.of(spi >>> 8, spi);
    const squeezed = new Uint8Array(deflateRawSync(text, { windowBits }));
    return ipv4({ ...outer, proto: PROTO.comp }, join(Uint8Array.of(nextHeader, 0), cpi, squeezed));
  },
  open(packet) {
    const at = headerBytes(packet);
    return {
      header: packet.subarray(at, at + 4).toHex(),
      seq: null,
      text: new Uint8Array(inflateRawSync(packet.subarray(at + 4))),
    };
  },
};

export const SEALS = {
  gcm: esp(GCM, "bare"),
  cbc: esp(CBC, "bare"),
  null: esp(NULL, "bare"),
  nullEsn: esp(nullEsn(0), "bare"),
  gcmInUdp: esp(GCM, "udp"),
  cbcInUdp: esp(CBC, "udp"),
  ahSha1: ah("sha1", 20, 12, 12, ""),
  ahSha256: ah("sha256", 32, 16, 20, ""),
  ahSha256Align4: ah("sha256", 32, 16, 16, " flag align4"),
  comp: COMP,
} as const;

/** As SEALS.nullEsn, later: `seqHi` are the bits of the sequence number that are not sent. */
export const sealWithEsn = (seqHi: number): Seal => esp(nullEsn(seqHi), "bare");
