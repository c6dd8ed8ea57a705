/**
 * ICMP echo over IPv4 and IPv6 (RFC 792, RFC 4443 §4.1) by raw sockets: what ping does, for hosts that have none.
 */
import { errno, SyscallError } from "./errno.ts";
import { type Epoll, EPOLLIN } from "./epoll.ts";
import { openIcmp6Socket, sendIcmp4, sendIcmp6 } from "./icmp_socket.ts";
import { close } from "./io.ts";
import { libc } from "./libc.ts";
import { openRawSocket } from "./raw_socket.ts";

const IPPROTO_ICMP = 1;
const IPPROTO_ICMPV6 = 58;
const ICMPV6_FILTER = 1;
/** Types by family: request and reply. */
const ECHO = { 4: { request: 8, reply: 0 }, 6: { request: 128, reply: 129 } } as const;
/** Type (1), code (1), checksum (2), identifier (2), sequence (2), then data. */
const HEADER_BYTES = 8;
const DATA_BYTES = 56;
const RECEIVE_BYTES = 1500;

/** Echoes to one address. Identifier and sequence number tell this object's replies from others'. */
export class IcmpEcho {
  readonly #family: 4 | 6;
  readonly #fd: number;
  readonly #dst: Uint8Array;
  readonly #identifier: number;
  readonly #received = new Uint8Array(RECEIVE_BYTES);

  /** `dst`: 4 or 16 bytes in network order. Opens in the calling thread's namespace. Throws SyscallError. */
  constructor(dst: Uint8Array, identifier: number) {
    this.#family = dst.length === 4 ? 4 : 6;
    this.#fd = this.#family === 4 ? openRawSocket(IPPROTO_ICMP) : openEcho6Socket();
    this.#dst = dst;
    this.#identifier = identifier & 0xffff;
  }

  /** Sends a request with 56 bytes of data, as ping does. Returns the bytes sent, or -errno. */
  send(sequence: number): number {
    const message = new Uint8Array(HEADER_BYTES + DATA_BYTES);
    const view = new DataView(message.buffer);
    message[0] = ECHO[this.#family].request;
    view.setUint16(4, this.#identifier);
    view.setUint16(6, sequence);
    for (let i = 0; i < DATA_BYTES; i++) message[HEADER_BYTES + i] = i;
    if (this.#family === 6) return sendIcmp6(this.#fd, this.#dst, 0, message, message.length, 0);
    view.setUint16(2, internetChecksum(view));
    const dst = new DataView(this.#dst.buffer, this.#dst.byteOffset).getUint32(0);
    return sendIcmp4(this.#fd, dst, 0, message, message.length);
  }

  /** Looks, without waiting, whether the reply to `sequence` has come; drops whatever else has. */
  replied(sequence: number): boolean {
    for (;;) {
      const length = libc.recv(this.#fd, this.#received, BigInt(RECEIVE_BYTES), 0);
      if (length < 0) return false;
      if (this.#isReply(length, sequence)) return true;
    }
  }

  /** Has `epoll` end its wait when something arrives. */
  watch(epoll: Epoll): void {
    epoll.add(this.#fd, EPOLLIN, 0);
  }

  close(): void {
    close(this.#fd);
  }

  #isReply(length: number, sequence: number): boolean {
    const view = new DataView(this.#received.buffer, 0, length);
    // Raw IPv4 sockets deliver the IP header, IPv6 ones don't.
    const at = this.#family === 4 ? (view.getUint8(0) & 15) * 4 : 0;
    return length >= at + HEADER_BYTES + DATA_BYTES &&
      view.getUint8(at) === ECHO[this.#family].reply &&
      view.getUint16(at + 4) === this.#identifier &&
      view.getUint16(at + 6) === sequence;
  }
}

/** A raw ICMPv6 socket that lets echo replies in and nothing else. */
function openEcho6Socket(): number {
  const fd = openIcmp6Socket();
  const filter = new Uint32Array(8).fill(0xffffffff);
  filter[ECHO[6].reply >> 5] &= ~(1 << (ECHO[6].reply & 31));
  const bytes = new Uint8Array(filter.buffer);
  if (libc.setsockopt(fd, IPPROTO_ICMPV6, ICMPV6_FILTER, bytes, bytes.length) === 0) return fd;
  const failed = new SyscallError("Open a raw ICMPv6 socket", "setsockopt ICMPV6_FILTER", errno());
  close(fd);
  throw failed;
}

/** RFC 1071, over an even number of bytes. */
function internetChecksum(view: DataView): number {
  let sum = 0;
  for (let at = 0; at < view.byteLength; at += 2) sum += view.getUint16(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
