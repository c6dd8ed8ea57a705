/**
 * ICMP errors about inner IPv4 packets, for a raw socket that adds the IP header. Kernel: net/ipv4/icmp.c
 * __icmp_send(), RFC 1122 §3.2.2.
 *
 * Not done: IP options of the inner packet are not echoed into the error's header.
 */
import { memcpy } from "../memcpy.ts";
import * as checksum from "../wire/checksum.ts";
import * as icmp from "../wire/icmp.ts";
import * as ipv4 from "../wire/ipv4.ts";

/** Bytes of an error with its IP header, at the most (RFC 1812 §4.3.2.3). */
const MAX_ERROR = 576;
/** Bytes that `out` must have. */
export const MAX_ICMP_MESSAGE = MAX_ERROR - ipv4.HEADER_BYTES;

const IPPROTO_ICMP = 1;
/** IPTOS_PREC_INTERNETCONTROL. */
const PRECEDENCE = 0xc0;
const TOS_MASK = 0x1e;

/**
 * Writes the error about the packet of `length` bytes at `at` to `out`, checksum included. It's addressed to the
 * packet's source, with the TOS of icmpTos(). `info` is the word behind the checksum: the next hop's MTU for
 * FRAG_NEEDED, otherwise 0. Returns its length, or 0 when none may be sent.
 */
export function icmpSend(
  view: DataView,
  at: number,
  length: number,
  type: number,
  code: number,
  info: number,
  out: DataView,
): number {
  if (!mayAnswer(view, at, length)) return 0;
  const room = MAX_ICMP_MESSAGE - icmp.HEADER_BYTES;
  const quoted = length < room ? length : room;
  const bytes = icmp.HEADER_BYTES + quoted;
  icmp.emit(out, 0, type, code, info);
  memcpy(out, icmp.HEADER_BYTES, view, at, quoted);
  out.setUint16(icmp.CHECKSUM, checksum.finish(checksum.sum(out, 0, bytes, 0)));
  return bytes;
}

/** TOS of the error's IP header: that of the packet, without its precedence and lowest bit. */
export function icmpTos(view: DataView, at: number): number {
  return (view.getUint8(at + ipv4.TOS) & TOS_MASK) | PRECEDENCE;
}

/** One host must have sent the packet to one host, and it must be neither a later fragment nor an ICMP error. */
function mayAnswer(view: DataView, at: number, length: number): boolean {
  if (!ipv4.checkLen(length) || ipv4.getVersion(view, at) !== 4) return false;
  const headerBytes = ipv4.getHeaderBytes(view, at);
  if (headerBytes < ipv4.HEADER_BYTES || headerBytes > length) return false;
  if ((ipv4.getFragment(view, at) & ipv4.OFFSET_MASK) !== 0) return false;
  const src = view.getUint8(at + ipv4.SRC), dst = view.getUint8(at + ipv4.DST);
  // 0/8 this network, 127/8 loopback, 224/4 multicast, 240/4 reserved and broadcast.
  if (src === 0 || src === 127 || src >= 224 || dst >= 224) return false;
  if (view.getUint8(at + ipv4.PROTOCOL) !== IPPROTO_ICMP) return true;
  return headerBytes < length && !icmp.isError(view.getUint8(at + headerBytes + icmp.TYPE));
}
