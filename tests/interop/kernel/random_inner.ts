/** Inner packets as anybody may send them: every protocol that a flow is decoded from, sound ones and damaged ones. */
import type { Random } from "../../fuzz/random.ts";
import { be16, bytes, checksum, ipv4, join } from "./crafted_packets.ts";

export interface InnerEnds {
  readonly src: string;
  readonly dst: string;
  /** 32 hexadecimal digits. */
  readonly srcV6: string;
  readonly dstV6: string;
}

const TCP = 6,
  UDP = 17,
  DCCP = 33,
  GRE = 47,
  ESP = 50,
  AH = 51,
  ICMPV6 = 58,
  NONE = 59,
  OSPF = 89,
  COMP = 108;
const ICMP = 1, IGMP = 2, IPIP = 4, IPV6 = 41, SCTP = 132, MOBILITY = 135, UDPLITE = 136;
const HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, DESTINATION = 60;
const PROTOCOLS = [TCP, UDP, UDPLITE, SCTP, DCCP, GRE, ESP, AH, COMP, OSPF, IGMP, IPIP, IPV6, NONE, 253];
const PORTS = [80, 53, 443, 4500, 7];
/** What selectors of the test ask for. */
export const GRE_KEY = 1234;

/** Never longer than fits a wire with an MTU of 1500. */
export function randomInner(
  random: Random,
  ends: InnerEnds,
  families: readonly number[] = [4, 6],
): Uint8Array {
  const packet = families.includes(6) && random.once(3) ? randomV6(random, ends) : randomV4(random, ends);
  return random.once(12) ? withLies(random, packet) : packet;
}

function randomV4(random: Random, { src, dst }: InnerEnds): Uint8Array {
  const proto = random.once(3) ? ICMP : random.pick(PROTOCOLS);
  const options = random.once(8) ? ipOptions(random, INERT_OPTIONS) : bytes(0, 0);
  const payload = transport(random, proto, 1500 - 20 - options.length);
  const df = random.once(2) ? 0x4000 : 0;
  const offset = random.once(8) ? random.pick([0x2000, 0x2001, 1, 100, 0x1fff]) : 0;
  const header = {
    src,
    dst,
    proto,
    tos: random.below(256),
    id: random.below(65536),
    fragment: df | offset,
    options,
  };
  return ipv4({ ...header, ttl: random.pick([64, 64, 64, 255, 2, 1, 0]) }, payload);
}

function randomV6(random: Random, { srcV6, dstV6 }: InnerEnds): Uint8Array {
  const proto = random.once(3) ? ICMPV6 : random.pick([...PROTOCOLS, MOBILITY]);
  const chain: number[] = [];
  while (random.once(2) && chain.length < 4) {
    chain.push(random.pick([chain.length === 0 ? HOP_BY_HOP : DESTINATION, ROUTING, FRAGMENT, DESTINATION]));
  }
  const extensions = chain.map((type, i) => extension(random, type, chain[i + 1] ?? proto));
  const room = 1500 - 40 - extensions.reduce((sum, { length }) => sum + length, 0);
  const payload = join(...extensions, transport(random, proto, room));
  const first = Uint8Array.of(
    0x60 | random.below(16),
    random.below(256),
    random.below(256),
    random.below(256),
  );
  const hopLimit = random.pick([64, 64, 64, 255, 2, 1, 0]);
  const fixed = join(first, be16(payload.length), Uint8Array.of(chain[0] ?? proto, hopLimit));
  return join(fixed, Uint8Array.fromHex(srcV6), Uint8Array.fromHex(dstV6), payload);
}

/** RFC 8200 §4. */
function extension(random: Random, type: number, next: number): Uint8Array {
  if (type === FRAGMENT) {
    const place = random.pick([0, 0, 1, 8, 0x100]);
    return join(Uint8Array.of(next, random.once(4) ? random.below(256) : 0), be16(place), bytes(4, 5));
  }
  const units = random.below(3);
  const body = bytes(8 * units + 6, 0);
  // Segments left is 0; options are padding.
  if (type !== ROUTING) body.set([1, body.length - 2]);
  return join(Uint8Array.of(next, units), body);
}

/** A transport header that may be cut short, and data up to `room` bytes in all. */
function transport(random: Random, proto: number, room: number): Uint8Array {
  const header = transportHeader(random, proto);
  const length = random.pick([
    0,
    1,
    8,
    40,
    500,
    random.below(room),
    room - header.length - random.below(100),
  ]);
  const data = new Uint8Array(Math.max(0, length));
  if (random.once(2)) random.fill(data);
  const whole = join(header, data).slice(0, room);
  if (proto === ICMP && whole.length >= 8) whole.set(be16(checksum(whole)), 2);
  return random.once(10) ? whole.slice(0, random.below(16)) : whole;
}

function transportHeader(random: Random, proto: number): Uint8Array {
  const header = bytes(20, 0);
  random.fill(header);
  switch (proto) {
    case ICMP:
      return join(
        Uint8Array.of(random.pick([8, 0, 3, 5, 11, 40]), random.below(2)),
        be16(0),
        header.slice(0, 24),
      );
    case ICMPV6:
      return join(Uint8Array.of(random.pick([128, 129, 1, 2, 3, 200]), random.below(2)), header.slice(0, 6));
    case MOBILITY:
      return Uint8Array.of(NONE, 0, random.below(4), 0, 0, 0, 0, 0);
    case GRE: {
      const key = join(be16(0), be16(random.pick([GRE_KEY, 7])));
      return join(
        random.pick([be16(0x2000), be16(0xa000), be16(0)]),
        be16(0x0800),
        key,
        key,
        header.slice(0, 4),
      );
    }
    case TCP:
      header[12] = 0x50;
  }
  return join(be16(random.pick(PORTS)), be16(random.pick(PORTS)), header.subarray(4));
}

/** Options that nobody on the way changes or sends back in an ICMP error: none, security, router alert, an unknown one. */
const INERT_OPTIONS: readonly (readonly number[])[] = [[1], [130, 6, 1, 2, 3, 4], [148, 4, 0, 0], [
  158,
  4,
  9,
  9,
]];
/** Besides: record route, a timestamp that is full. */
export const ALL_OPTIONS: readonly (readonly number[])[] = [
  ...INERT_OPTIONS,
  [7, 7, 4, 0, 0, 0, 0],
  [68, 8, 9, 0, 0, 0, 0, 0],
];

/** RFC 791 §3.1, padded. */
export function ipOptions(random: Random, among: readonly (readonly number[])[]): Uint8Array {
  const options: number[] = [];
  for (let n = random.below(4); n > 0; n--) options.push(...random.pick(among));
  return join(Uint8Array.from(options), bytes(-options.length & 3, 0));
}

/** Says something wrong in its header: version, header length, total length, checksum. */
function withLies(random: Random, packet: Uint8Array): Uint8Array {
  const lie = packet.slice();
  switch (random.below(5)) {
    case 0:
      lie[0] = (lie[0]! & 0x0f) | random.pick([0, 0x40, 0x50, 0x60, 0xf0]);
      break;
    case 1:
      lie[0] = (lie[0]! & 0xf0) | random.below(16);
      break;
    case 2:
      lie.set(
        be16(random.pick([0, 19, 20, packet.length - 1, packet.length + 1, 0xffff])),
        random.pick([2, 4]),
      );
      break;
    case 3:
      return lie.slice(0, random.below(lie.length));
    default:
      lie[random.below(Math.min(lie.length, 60))]! ^= 1 << random.below(8);
  }
  return lie;
}
