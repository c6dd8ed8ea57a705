/**
 * The IP part of joining packets to a super-packet. Only headers without options or extension headers take part, so
 * 20 header bytes mean IPv4 and 40 mean IPv6. Kernel: inet_gro_receive(), ipv6_gro_receive().
 */
import * as checksum from "../wire/checksum.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as ipv6 from "../wire/ipv6.ts";

/** Bytes of the IP header of the `length` bytes at `at`, or 0 when the packet can't take part. */
export function ipHeaderBytes(view: DataView, at: number, length: number): number {
  const version = length < ipv4.HEADER_BYTES ? 0 : view.getUint8(at);
  if (version === 0x45) {
    if (view.getUint16(at + ipv4.TOTAL_LENGTH) !== length || ipv4.isFragment(view, at)) return 0;
    // The super-packet gets a new header checksum, which would hide a wrong one.
    return checksum.finish(checksum.sum(view, at, ipv4.HEADER_BYTES, 0)) === 0 ? ipv4.HEADER_BYTES : 0;
  }
  if (version >> 4 !== 6 || length < ipv6.HEADER_BYTES) return 0;
  return view.getUint16(at + ipv6.PAYLOAD_LENGTH) === length - ipv6.HEADER_BYTES ? ipv6.HEADER_BYTES : 0;
}

export function ipProtocol(view: DataView, at: number, ipBytes: number): number {
  return view.getUint8(at + (ipBytes === ipv4.HEADER_BYTES ? ipv4.PROTOCOL : ipv6.NEXT_HEADER));
}

/** Last 32 bits of the source and of the destination address. */
export function ipSrc(view: DataView, at: number, ipBytes: number): number {
  return view.getInt32(at + (ipBytes === ipv4.HEADER_BYTES ? ipv4.SRC : ipv6.DST - 4));
}
export function ipDst(view: DataView, at: number, ipBytes: number): number {
  return view.getInt32(at + ipBytes - 4);
}

/** True when segmenting the first packet's header at `first` again gives the header at `at`, as the `n`th after it. */
export function ipMayJoin(
  piece: DataView,
  first: number,
  view: DataView,
  at: number,
  ipBytes: number,
  n: number,
): boolean {
  return ipBytes === ipv4.HEADER_BYTES
    ? ipv4MayJoin(piece, first, view, at, n)
    : ipv6MayJoin(piece, first, view, at);
}

function ipv4MayJoin(piece: DataView, first: number, view: DataView, at: number, n: number): boolean {
  const fragment = view.getUint16(at + ipv4.FRAGMENT);
  // With DF the ID has no meaning (RFC 6864 §4.1); without, it has to be what segmentation would give.
  if ((fragment & ipv4.DF) === 0) {
    const id = piece.getUint16(first + ipv4.ID) + n & 0xffff;
    if (view.getUint16(at + ipv4.ID) !== id) return false;
  }
  return piece.getUint16(first) === view.getUint16(at) && // version, header length, TOS
    piece.getUint16(first + ipv4.FRAGMENT) === fragment &&
    piece.getUint16(first + ipv4.TTL) === view.getUint16(at + ipv4.TTL) && // TTL, protocol
    piece.getInt32(first + ipv4.SRC) === view.getInt32(at + ipv4.SRC) &&
    piece.getInt32(first + ipv4.DST) === view.getInt32(at + ipv4.DST);
}

function ipv6MayJoin(piece: DataView, first: number, view: DataView, at: number): boolean {
  // Version, traffic class, flow label; next header, hop limit.
  if (piece.getInt32(first) !== view.getInt32(at)) return false;
  if (piece.getUint16(first + ipv6.NEXT_HEADER) !== view.getUint16(at + ipv6.NEXT_HEADER)) return false;
  for (let p = ipv6.SRC; p < ipv6.HEADER_BYTES; p += 4) {
    if (piece.getInt32(first + p) !== view.getInt32(at + p)) return false;
  }
  return true;
}

/** Sum of the pseudo header of `bytes` transport bytes. */
export function ipPseudo(
  view: DataView,
  at: number,
  ipBytes: number,
  protocol: number,
  bytes: number,
): number {
  return ipBytes === ipv4.HEADER_BYTES
    ? checksum.pseudo4(view, at, protocol, bytes)
    : checksum.pseudo6(view, at, protocol, bytes);
}

/** Writes the length of a super-packet of `bytes` bytes into its IP header, and the checksum of IPv4. */
export function ipComplete(piece: DataView, first: number, ipBytes: number, bytes: number): void {
  if (ipBytes === ipv6.HEADER_BYTES) {
    piece.setUint16(first + ipv6.PAYLOAD_LENGTH, bytes - ipBytes);
    return;
  }
  piece.setUint16(first + ipv4.TOTAL_LENGTH, bytes);
  piece.setUint16(first + ipv4.CHECKSUM, 0);
  piece.setUint16(first + ipv4.CHECKSUM, checksum.finish(checksum.sum(piece, first, ipBytes, 0)));
}
