/** Names of protocols and modes, as ip-xfrm(8) and /etc/protocols have them. */
import { getU8 } from "../number.ts";
import { invalidArgument } from "../quit.ts";
import type { XfrmMode } from "../../api/schemas.ts";
import { matches } from "../words.ts";

/** XFRM-PROTO of iproute2. The last three are read, but no gateway has such states. */
const XFRM_PROTOS = ["esp", "ah", "comp", "route2", "hao", "ipsec-any"] as const;
export type XfrmProtoWord = (typeof XFRM_PROTOS)[number];

/** In iproute2's order, which decides what "t" means. */
const MODES: readonly XfrmMode[] = ["transport", "tunnel", "ro", "in_trigger", "beet"];

/** Upper-layer protocols by name where a host has no /etc/protocols. */
const PROTOCOLS = `icmp 1
tcp 6
udp 17
dccp 33
gre 47
esp 50
ah 51
ipv6-icmp 58
sctp 132
mobility-header 135`;

/** Names and aliases by number, in the order of the file: the first of a number is its name (protocols(5)). */
let protocols: readonly (readonly [name: string, number: number])[] | undefined;

function readProtocols(): NonNullable<typeof protocols> {
  if (protocols !== undefined) return protocols;
  let text = PROTOCOLS;
  try {
    text = Deno.readTextFileSync("/etc/protocols");
  } catch {
    // A host may lack it.
  }
  protocols = text.split("\n").flatMap((line) => {
    const [name, number, ...aliases] = line.replace(/#.*/, "").trim().split(/\s+/);
    if (name === "" || number === undefined) return [];
    return [name!, ...aliases].map((name) => [name, Number(number)] as const);
  });
  return protocols;
}

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
  if (word === "any") return 0;
  const number = readProtocols().find(([name]) => name === word)?.[1] ?? getU8(word);
  if (number === null) throw invalidArgument("PROTO value is invalid", word);
  return number;
}

export function protocolName(proto: number): string {
  return readProtocols().find(([, number]) => number === proto)?.[0] ?? String(proto);
}
