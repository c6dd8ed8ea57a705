/** Names of protocols and modes, as ip-xfrm(8) and /etc/protocols have them. */
import { getU8 } from "../number.ts";
import { invalidArgument } from "../quit.ts";
import type { XfrmMode } from "../../api/schemas.ts";
import { matches } from "../words.ts";

/** XFRM-PROTO of iproute2. The last three are read, but no gateway has such states. */
export const XFRM_PROTOS = ["esp", "ah", "comp", "route2", "hao", "ipsec-any"] as const;
export type XfrmProtoWord = (typeof XFRM_PROTOS)[number];

/** In iproute2's order, which decides what "t" means. */
const MODES: readonly XfrmMode[] = ["transport", "tunnel", "ro", "in_trigger", "beet"];

/** Upper-layer protocols that selectors name; others go by number. */
const PROTOCOLS: Readonly<Record<string, number>> = {
  "ip": 0,
  "icmp": 1,
  "igmp": 2,
  "ipencap": 4,
  "tcp": 6,
  "udp": 17,
  "dccp": 33,
  "ipv6": 41,
  "gre": 47,
  "esp": 50,
  "ah": 51,
  "ipv6-icmp": 58,
  "eigrp": 88,
  "ospf": 89,
  "pim": 103,
  "ipcomp": 108,
  "vrrp": 112,
  "l2tp": 115,
  "sctp": 132,
  "mobility-header": 135,
  "udplite": 136,
};
const PROTOCOL_NAMES = new Map(Object.entries(PROTOCOLS).map(([name, number]) => [number, name]));

export const IPPROTO_ICMP = 1;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const IPPROTO_DCCP = 33;
export const IPPROTO_GRE = 47;
export const IPPROTO_ICMPV6 = 58;
export const IPPROTO_SCTP = 132;
export const IPPROTO_MH = 135;

export function parseXfrmProto(word: string): XfrmProtoWord {
  const proto = XFRM_PROTOS.find((name) => name === word);
  if (proto === undefined) throw invalidArgument("XFRM-PROTO value is invalid", word);
  return proto;
}

export function parseMode(word: string): XfrmMode {
  const mode = MODES.find((name) => matches(word, name));
  if (mode === undefined) throw invalidArgument("MODE value is invalid", word);
  return mode;
}

/** The number of an upper-layer protocol; 0 any. */
export function parseProtocol(word: string): number {
  const known = word === "any" ? 0 : word === "icmpv6" ? IPPROTO_ICMPV6 : PROTOCOLS[word] ?? getU8(word);
  if (known === null) throw invalidArgument("PROTO value is invalid", word);
  return known;
}

export function protocolName(proto: number): string {
  return PROTOCOL_NAMES.get(proto) ?? String(proto);
}
