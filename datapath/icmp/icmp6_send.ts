/**
 * ICMPv6 errors about inner IPv6 packets, for a raw socket that adds IP header and checksum. Kernel: net/ipv6/icmp.c
 * icmp6_send(), RFC 4443 §2.4.
 */
import { memcpy } from "../memcpy.ts";
import * as icmpv6 from "../wire/icmpv6.ts";
import * as ipv6 from "../wire/ipv6.ts";

/** Smallest MTU of IPv6: an error with its IP header is no longer (RFC 4443 §2.4 (c)). */
const MIN_MTU = 1280;
/** Bytes that `out` must have. */
export const MAX_ICMP6_MESSAGE = MIN_MTU - ipv6.HEADER_BYTES;

const AUTHENTICATION = 51;
const IPPROTO_ICMPV6 = 58;
/** Bits of a fragment header's offset word. */
const FRAGMENT_OFFSET = 0xfff8;
const MULTICAST = 0xff;

/**
 * Writes the error about the packet of `length` bytes at `at` to `out`; the checksum stays 0. It's addressed to the
 * packet's source. `info` is the word behind the checksum: the MTU for PACKET_TOO_BIG, otherwise 0. Returns its
 * length, or 0 when none may be sent.
 */
export function icmp6Send(
  view: DataView,
  at: number,
  length: number,
  type: number,
  code: number,
  info: number,
  out: DataView,
): number {
  if (!mayAnswer(view, at, length, type)) return 0;
  const room = MAX_ICMP6_MESSAGE - icmpv6.HEADER_BYTES;
  const quoted = length < room ? length : room;
  icmpv6.emit(out, 0, type, code, info);
  memcpy(out, icmpv6.HEADER_BYTES, view, at, quoted);
  return icmpv6.HEADER_BYTES + quoted;
}

/** A packet to a group is answered only when it's too big, for path MTU discovery (RFC 4443 §2.4 (e.3)). */
function mayAnswer(view: DataView, at: number, length: number, type: number): boolean {
  if (!ipv6.checkLen(length) || view.getUint8(at) >> 4 !== 6) return false;
  const toGroup = view.getUint8(at + ipv6.DST) === MULTICAST;
  if (toGroup && type !== icmpv6.PACKET_TOO_BIG) return false;
  return isHost(view, at + ipv6.SRC) && !isErrorOrCut(view, at, length);
}

/** Neither multicast nor :: nor ::1. */
function isHost(view: DataView, address: number): boolean {
  if (view.getUint8(address) === MULTICAST) return false;
  const upper = view.getInt32(address) | view.getInt32(address + 4) | view.getInt32(address + 8);
  return upper !== 0 || view.getUint32(address + 12) > 1;
}

/** True for an ICMPv6 error, and for ICMPv6 whose type is cut off for no good reason. Kernel: is_ineligible(). */
function isErrorOrCut(view: DataView, at: number, length: number): boolean {
  const end = at + length;
  let header = view.getUint8(at + ipv6.NEXT_HEADER);
  let fragment = 0;
  let p = at + ipv6.HEADER_BYTES;
  while (isExtension(header)) {
    if (p + ipv6.FRAGMENT_HEADER_BYTES > end) return false;
    let bytes = ipv6.getExtensionBytes(view, p);
    if (header === ipv6.FRAGMENT_HEADER) {
      fragment = view.getUint16(p + 2);
      // What follows is the middle of something.
      if ((fragment & FRAGMENT_OFFSET) !== 0) return false;
      bytes = ipv6.FRAGMENT_HEADER_BYTES;
    } else if (header === AUTHENTICATION) bytes = (view.getUint8(p + 1) + 2) << 2;
    header = view.getUint8(p);
    p += bytes;
  }
  if (header !== IPPROTO_ICMPV6) return false;
  // A first fragment may end before the ICMPv6 header (RFC 8200 §4.5 lets the receiver say so).
  if (p >= end) return fragment === 0;
  return icmpv6.isError(view.getUint8(p + icmpv6.TYPE));
}

function isExtension(header: number): boolean {
  return header === ipv6.HOP_BY_HOP || header === ipv6.ROUTING || header === ipv6.FRAGMENT_HEADER ||
    header === AUTHENTICATION || header === ipv6.DESTINATION;
}
