/**
 * The flow of a packet: what policies and selectors are matched against (struct flowi; net/xfrm/xfrm_policy.c
 * decode_session4() and decode_session6()).
 *
 * One Flow is reused for every packet. All words are 32-bit integers; addresses are in host order, an IPv4 one in
 * its first word with three zeros behind, so that both families compare alike.
 */
import * as ipv4 from "../wire/ipv4.ts";
import * as ipv6 from "../wire/ipv6.ts";
import { AF_INET, AF_INET6 } from "./xfrm_record.ts";

/** Family << 16 | protocol << 8 | TOS bits that routing looks at. */
export const META = 0;
/** Source port << 16 | destination port; ICMP type and code, GRE key, mobility header type stand there too. */
export const PORTS = 1;
export const MARK = 2;
/** Interface that the packet is routed to, 0 none. */
export const OIF = 3;
/** Four words each. */
export const SRC = 4;
export const DST = 8;
export const FLOW_WORDS = 12;

/** TOS bits in an outer route's key (IPTOS_RT_MASK). */
const TOS_MASK = 0x1c;
/** More extension headers than this, and the protocol stays unknown: no honest packet has as many. */
const MAX_EXTENSIONS = 16;
const GRE_CSUM = 0x8000;
const GRE_KEY = 0x2000;
/** Bytes of a GRE header up to the key behind a checksum (RFC 2890 §2). */
const GRE_BYTES = 12;

const ICMP = 1;
const TCP = 6;
const UDP = 17;
const GRE = 47;
const ICMPV6 = 58;
const SCTP = 132;
const MOBILITY = 135;
const UDPLITE = 136;

export class Flow {
  readonly words: Int32Array = new Int32Array(FLOW_WORDS);
  /** Counts the changes of the words, modulo 2^32: while it is the same, so are they. */
  version = 0;

  get family(): number {
    return this.words[META] >>> 16;
  }
  get proto(): number {
    return (this.words[META] >>> 8) & 0xff;
  }
  get tos(): number {
    return this.words[META] & 0xff;
  }

  /** The flow of an outer IPv4 packet without looking at it: `ports` is 0 but for UDP. */
  setOuter(src: number, dst: number, proto: number, ports: number, mark: number, oif: number): void {
    this.set4((AF_INET << 16) | (proto << 8), ports, mark, oif, src, dst);
  }

  /** Sets all words to those of an IPv4 flow; all arguments are 32-bit integers of either sign. */
  set4(meta: number, ports: number, mark: number, oif: number, src: number, dst: number): void {
    const w = this.words;
    const changed = (w[META] ^ meta) | (w[PORTS] ^ ports) | (w[MARK] ^ mark) | (w[OIF] ^ oif) |
      (w[SRC] ^ src) | (w[DST] ^ dst);
    // The words behind an IPv4 address are 0, and META tells the families apart.
    if (changed === 0) return;
    this.version = (this.version + 1) | 0;
    w[META] = meta;
    w[PORTS] = ports;
    w[MARK] = mark;
    w[OIF] = oif;
    w[SRC] = src;
    w[SRC + 1] = w[SRC + 2] = w[SRC + 3] = 0;
    w[DST] = dst;
    w[DST + 1] = w[DST + 2] = w[DST + 3] = 0;
  }

  /** Sets all words to those of an IPv6 flow whose addresses stand at `addresses`, source first. */
  set6(meta: number, ports: number, mark: number, oif: number, view: DataView, addresses: number): void {
    const w = this.words;
    let changed = (w[META] ^ meta) | (w[PORTS] ^ ports) | (w[MARK] ^ mark) | (w[OIF] ^ oif);
    w[META] = meta;
    w[PORTS] = ports;
    w[MARK] = mark;
    w[OIF] = oif;
    for (let k = 0; k < 8; k++) {
      const word = view.getInt32(addresses + 4 * k);
      changed |= w[SRC + k] ^ word;
      w[SRC + k] = word;
    }
    if (changed !== 0) this.version = (this.version + 1) | 0;
  }
}

/**
 * Decodes the packet of `length` bytes at `at`, whose fixed header must be there. A header chain that is cut short
 * leaves protocol or ports 0: such a packet matches only selectors that don't ask.
 */
export function decodeSession(
  flow: Flow,
  view: DataView,
  at: number,
  length: number,
  family: number,
  mark: number,
  oif: number,
): void {
  if (family === AF_INET) decodeSession4(flow, view, at, length, mark, oif);
  else decodeSession6(flow, view, at, length, mark, oif);
}

function decodeSession4(
  flow: Flow,
  view: DataView,
  at: number,
  length: number,
  mark: number,
  oif: number,
): void {
  const proto = view.getUint8(at + ipv4.PROTOCOL);
  const meta = (AF_INET << 16) | (proto << 8) | (view.getUint8(at + ipv4.TOS) & TOS_MASK);
  const header = ipv4.getHeaderBytes(view, at);
  // Even a first fragment has no ports, so that all parts of a packet take one policy.
  const ports = ipv4.isFragment(view, at) ? 0 : decodePorts(view, at + header, length - header, proto);
  flow.set4(meta, ports, mark, oif, view.getInt32(at + ipv4.SRC), view.getInt32(at + ipv4.DST));
}

function decodeSession6(
  flow: Flow,
  view: DataView,
  at: number,
  length: number,
  mark: number,
  oif: number,
): void {
  let meta = AF_INET6 << 16;
  let ports = 0;
  let next = view.getUint8(at + ipv6.NEXT_HEADER);
  let offset = ipv6.HEADER_BYTES;
  let fragment = false;
  for (let n = 0; n <= MAX_EXTENSIONS; n++) {
    // Two bytes of the last header too, or Linux gives no protocol.
    if (offset + 2 > length) break;
    const isFragment = next === ipv6.FRAGMENT_HEADER;
    if (!isFragment && next !== ipv6.HOP_BY_HOP && next !== ipv6.ROUTING && next !== ipv6.DESTINATION) {
      meta |= next << 8;
      // NB: Linux steps over a mobility header like over an extension, and takes what is behind it for its type.
      if (next === MOBILITY) offset += ipv6.getExtensionBytes(view, at + offset);
      if (!fragment) ports = decodePorts(view, at + offset, length - offset, next);
      break;
    }
    const header = at + offset;
    next = view.getUint8(header);
    // NB: of a fragment's header too, whose second byte is reserved.
    offset += ipv6.getExtensionBytes(view, header);
    fragment ||= isFragment;
  }
  flow.set6(meta, ports, mark, oif, view, at + ipv6.SRC);
}

/** What xfrm_flowi_sport() and _dport() give; DCCP has ports, but selectors don't look at them. */
function decodePorts(view: DataView, at: number, length: number, proto: number): number {
  switch (proto) {
    case TCP:
    case UDP:
    case UDPLITE:
    case SCTP:
      return length >= 4 ? view.getInt32(at) : 0;
    case ICMP:
    case ICMPV6:
      return length >= 2 ? (view.getUint8(at) << 16) | view.getUint8(at + 1) : 0;
    case MOBILITY:
      return length >= 3 ? view.getUint8(at + 2) << 16 : 0;
    case GRE:
      return length >= GRE_BYTES ? decodeGreKey(view, at) : 0;
  }
  return 0;
}

function decodeGreKey(view: DataView, at: number): number {
  const flags = view.getUint16(at);
  if ((flags & GRE_KEY) === 0) return 0;
  return view.getInt32(at + ((flags & GRE_CSUM) === 0 ? 4 : 8));
}
