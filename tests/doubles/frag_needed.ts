/** ICMP errors about outer packets, made up by the byte. */
import { close } from "../../ffi/io.ts";
import { openIcmpSocket, sendIcmp4 } from "../../ffi/icmp_socket.ts";
import { openNetns, withNetns } from "../../ffi/netns.ts";

export interface Quoted {
  readonly src: string;
  readonly dst: string;
  readonly spi: number;
  readonly seq: number;
  /** IP protocol; ESP unless told. */
  readonly proto?: number;
  /** ESP in UDP with these ports. */
  readonly udp?: { readonly sport: number; readonly dport: number };
  /** ICMP code; 4, fragmentation needed, unless told. */
  readonly code?: number;
  readonly mtu: number;
  readonly badChecksum?: boolean;
  /** Bytes quoted behind the IP header; all that there are unless told. */
  readonly bytes?: number;
}

const ESP = 50, AH = 51, UDP = 17;
/** Next header, length, reserved (RFC 4302 §2). */
const AH_START = [4, 4, 0, 0];

function addressBytes(text: string): number[] {
  return text.split(".").map(Number);
}

function addressNumber(text: string): number {
  return addressBytes(text).reduce((sum, byte) => sum * 256 + byte, 0);
}

function words(...values: number[]): number[] {
  return values.flatMap((v) => [v >>> 24, (v >>> 16) & 255, (v >>> 8) & 255, v & 255]);
}

function checksum(bytes: readonly number[]): number {
  let total = 0;
  for (let at = 0; at < bytes.length; at += 2) total += bytes[at]! * 256 + (bytes[at + 1] ?? 0);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return ~total & 0xffff;
}

/** An ICMP message, its checksum included. */
export function fragNeeded(quoted: Quoted): Uint8Array<ArrayBuffer> {
  const { src, dst, spi, seq, proto, udp, code = 4, mtu, badChecksum, bytes } = quoted;
  const number = udp === undefined ? proto ?? ESP : UDP;
  const ipsec = [...(number === AH ? AH_START : []), ...words(spi, seq)];
  const payload = udp === undefined ? ipsec : [...words(udp.sport << 16 | udp.dport, 1400 << 16), ...ipsec];
  const ip = [
    0x45,
    0,
    0x05,
    0x78,
    0,
    0,
    0x40,
    0,
    60,
    number,
    0,
    0,
    ...addressBytes(src),
    ...addressBytes(dst),
  ];
  const message = [3, code, 0, 0, 0, 0, mtu >> 8, mtu & 255, ...ip, ...payload.slice(0, bytes)];
  const sum = checksum(message) ^ (badChecksum ? 1 : 0);
  message[2] = sum >> 8;
  message[3] = sum & 255;
  return Uint8Array.from(message);
}

/** Sends a message from a namespace to `to`. */
export function sendIcmp(netns: string, to: string, message: Uint8Array): void {
  const namespace = openNetns(netns);
  try {
    const fd = withNetns(namespace, openIcmpSocket);
    try {
      const sent = sendIcmp4(fd, addressNumber(to), 0, message, message.length);
      if (sent !== message.length) throw new Error(`Cannot send an ICMP error: ${sent}`);
    } finally {
      close(fd);
    }
  } finally {
    close(namespace);
  }
}
