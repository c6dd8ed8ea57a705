/**
 * What an ICMP error says of a packet that a tunnel sent (net/ipv4/ip_vti.c vti4_err()).
 *
 * Only "fragmentation needed" is of use: redirects are the kernel's own, and other errors change nothing. ESP in UDP is
 * looked at too; where the kernel does ESP, the socket of port 4500 learns the path's MTU for it.
 */
import type { IpTunnelTable } from "../tunnel/ip_tunnel_lookup.ts";
import * as checksum from "../wire/checksum.ts";
import * as esp from "../wire/esp.ts";
import * as icmp from "../wire/icmp.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as udp from "../wire/udp.ts";
import { NONIKE_BYTES } from "../xfrm/xfrm_mtu.ts";
import { IPPROTO_AH, IPPROTO_COMP, IPPROTO_ESP, IPPROTO_UDP } from "../xfrm/xfrm_record.ts";

/** Bytes behind the quoted IP header that every error has (RFC 792). */
const MIN_QUOTED_BYTES = 8;
/** AH: SPI and sequence number; IPComp: CPI (RFC 4302 §2, RFC 3173 §3). */
const AH_SPI = 4;
const AH_SEQ = 8;
const AH_QUOTED_BYTES = 12;
const COMP_CPI = 2;

/** A packet for which the path was too narrow. 32-bit integers in host order, of either sign. */
export interface FragNeeded {
  /** o_key of its tunnel. */
  mark: number;
  saddr: number;
  daddr: number;
  proto: number;
  spi: number;
  /** Low half of its sequence number; 0 for IPComp, which has none. */
  seq: number;
  /** MTU of the next hop. */
  mtu: number;
}

/**
 * Reads the ICMP message of `length` bytes at `at`, which came in by the interface `link`, into `said`. Returns false
 * for one that says nothing about a tunnel's packet.
 *
 * 1. Frag needed, its checksum right: raw sockets see messages before the kernel has looked.
 * 2. It quotes the header of an IPv4 packet that is no later fragment, and 8 bytes behind it.
 * 3. The quoted addresses are those of a tunnel that is up.
 * 4. SPI and sequence number, where the quotation goes as far.
 */
export function vti4Err(
  view: DataView,
  at: number,
  length: number,
  link: number,
  tunnels: IpTunnelTable,
  said: FragNeeded,
): boolean {
  if (length < icmp.HEADER_BYTES + ipv4.HEADER_BYTES) return false;
  if (view.getUint8(at + icmp.TYPE) !== icmp.DEST_UNREACH) return false;
  if (view.getUint8(at + icmp.CODE) !== icmp.FRAG_NEEDED) return false;
  if (checksum.finish(checksum.sum(view, at, length, 0)) !== 0) return false;
  const ip = at + icmp.HEADER_BYTES;
  const headerBytes = ipv4.getHeaderBytes(view, ip);
  const quoted = length - icmp.HEADER_BYTES - headerBytes;
  if (ipv4.getVersion(view, ip) !== 4 || headerBytes < ipv4.HEADER_BYTES) return false;
  if (quoted < MIN_QUOTED_BYTES || (ipv4.getFragment(view, ip) & ipv4.OFFSET_MASK) !== 0) return false;
  said.saddr = view.getInt32(ip + ipv4.SRC);
  said.daddr = view.getInt32(ip + ipv4.DST);
  const tunnel = tunnels.lookup(link, said.daddr >>> 0, said.saddr >>> 0);
  if (tunnel === null) return false;
  said.mark = tunnel.oKey;
  said.mtu = view.getUint16(at + icmp.NEXT_HOP_MTU);
  return readSpi(view, ip + headerBytes, quoted, view.getUint8(ip + ipv4.PROTOCOL), said);
}

/** `quoted` bytes of what follows the IP header are at `at`. */
function readSpi(view: DataView, at: number, quoted: number, proto: number, said: FragNeeded): boolean {
  said.proto = proto;
  switch (proto) {
    case IPPROTO_ESP:
      return readEsp(view, at, quoted, said);
    case IPPROTO_UDP:
      return readEspInUdp(view, at, quoted, said);
    case IPPROTO_AH:
      if (quoted < AH_QUOTED_BYTES) return false;
      said.spi = view.getInt32(at + AH_SPI);
      said.seq = view.getInt32(at + AH_SEQ);
      return true;
    case IPPROTO_COMP:
      said.spi = view.getUint16(at + COMP_CPI);
      said.seq = 0;
      return true;
    default:
      return false;
  }
}

function readEsp(view: DataView, at: number, quoted: number, said: FragNeeded): boolean {
  if (!esp.checkLen(quoted)) return false;
  said.spi = esp.getSpi(view, at);
  said.seq = esp.getSeq(view, at);
  return true;
}

/** SPI 0 is the marker of the older encapsulation (espinudp-nonike). */
function readEspInUdp(view: DataView, at: number, quoted: number, said: FragNeeded): boolean {
  said.proto = IPPROTO_ESP;
  if (!readEsp(view, at + udp.HEADER_BYTES, quoted - udp.HEADER_BYTES, said)) return false;
  if (said.spi !== 0) return true;
  const skip = udp.HEADER_BYTES + NONIKE_BYTES;
  return readEsp(view, at + skip, quoted - skip, said);
}
