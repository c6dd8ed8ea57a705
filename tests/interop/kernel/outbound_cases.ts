/** What the ends themselves may send, and what is said of it on the way. */
import { espHeader, ipv4, KEY_WORDS, PROTO, unreachable } from "./crafted_packets.ts";
import {
  AH,
  ESPINUDP,
  type FailureCase,
  INNER_LOCAL,
  INNER_REMOTE,
  LOCAL,
  REMOTE,
  type Setup,
  SPI_OUT,
  STRANGER,
  tunnel,
  V6_POLICIES,
} from "./failure_case.ts";

const PING = `ping -n -c1 -W0.2 ${INNER_REMOTE}`;
const UNROUTED = "203.0.113.9";
/** Inner networks that cases have taken. */
let networks = 0;

function outbound(name: string, setup: Setup, ...steps: FailureCase["steps"]): FailureCase {
  // A host gets few ICMP errors a second: each case has its own.
  const network = `10.9.${++networks}.`;
  const own = (text: string) => text.replaceAll("10.9.0.", network);
  const words = tunnel(setup).map(own);
  return {
    name: `out: ${name}`,
    words,
    steps: (steps.length === 0 ? [PING] : steps).map((step) => typeof step === "string" ? own(step) : step),
  };
}

/** Peers of their own for what is learnt of a path: it outlives the case. */
export const ROUTED_PEERS: readonly string[] = Array.from({ length: 8 }, (_, i) => `192.0.2.${100 + i}`);
let peers = 0;

/** After a first packet the peer's router says that it was too long (ICMP code 4), or else. */
function complained(name: string, code: number, mtu: number, spi: number, ...steps: string[]): FailureCase {
  const peer = ROUTED_PEERS[peers++]!;
  const sent = ipv4({ src: LOCAL, dst: peer, proto: PROTO.esp, length: 1500 }, espHeader(spi, 1));
  const complaint = ipv4({ src: peer, dst: LOCAL, proto: PROTO.icmp }, unreachable(code, mtu, sent));
  const { words, ...rest } = outbound(name, {}, PING, complaint, ...steps);
  return { words: words.map((text) => text.replaceAll(`${REMOTE} `, `${peer} `)), ...rest };
}
const FRAG_NEEDED = 4, HOST_UNREACHABLE = 1;
const PING_1400 = `${PING} -M do -s 1372`;

export const OUTBOUND_CASES: readonly FailureCase[] = [
  outbound("good", {}),
  outbound("no policy", { policyOut: "" }),
  outbound("no state", { stateOut: "" }),
  ...([
    ["of another mark", `mark 8 tmpl src ${LOCAL} dst ${REMOTE} proto esp mode tunnel`],
    ["for transport", `mark 7 tmpl src ${LOCAL} dst ${REMOTE} proto esp mode transport`],
    ["that blocks", "mark 7 action block"],
    ["without a template", "mark 7"],
    ["for another remote", `mark 7 tmpl src ${LOCAL} dst ${STRANGER} proto esp mode tunnel`],
    ["of another reqid", `mark 7 tmpl src ${LOCAL} dst ${REMOTE} proto esp reqid 5 mode tunnel`],
    ["for other addresses", `dst 10.200.0.0/16 mark 7 tmpl src ${LOCAL} dst ${REMOTE} proto esp mode tunnel`],
  ] as const).map(([name, words]) =>
    outbound(`policy ${name}`, { policyOut: `xfrm policy add dir out ${words}` })
  ),
  ...([
    ["of another mark", "mark 8"],
    ["without a mark", ""],
    ["with a selector that does not fit", "mark 7 sel dst 10.200.0.0/16"],
  ] as const).map(([name, words]) => {
    const stateOut =
      `xfrm state add src ${LOCAL} dst ${REMOTE} proto esp spi ${SPI_OUT} mode tunnel ${words} ${KEY_WORDS}`;
    return outbound(`state ${name}`, { stateOut });
  }),
  outbound("transport states, tunnel templates", { mode: "transport" }),
  outbound("transport state and template that fit the inner packet", {
    stateOut:
      `xfrm state add src ${INNER_LOCAL} dst ${INNER_REMOTE} proto esp spi ${SPI_OUT} mode transport mark 7 ${KEY_WORDS}`,
    policyOut:
      `xfrm policy add dir out mark 7 tmpl src ${INNER_LOCAL} dst ${INNER_REMOTE} proto esp mode transport`,
  }),
  outbound("template and state for another remote", {
    stateOut:
      `xfrm state add src ${LOCAL} dst ${STRANGER} proto esp spi ${SPI_OUT} mode tunnel mark 7 ${KEY_WORDS}`,
    policyOut: `xfrm policy add dir out mark 7 tmpl src ${LOCAL} dst ${STRANGER} proto esp mode tunnel`,
  }),
  outbound("hard limit of 1 packet, three", { out: "limit packet-hard 1" }, PING, PING, PING),
  outbound("hard limit of 100 bytes, three", { out: "limit byte-hard 100" }, PING, PING, PING),
  ...([
    ["last sequence numbers, four", "replay-oseq 0xfffffffd"],
    ["last sequence numbers with a window", "replay-window 64 replay-oseq 0xfffffffd"],
    ["ESN past 2^32", "flag esn replay-window 32 replay-oseq 0xfffffffd"],
  ] as const).flatMap(([name, out]) => [
    outbound(name, { out }, PING, PING, PING, PING),
    outbound(`AH, ${name}`, { ...AH, out }, PING, PING, PING, PING),
  ]),
  outbound("device without a remote", { link: `local ${LOCAL} key 7` }),
  outbound("no route to the remote", { link: `local ${LOCAL} remote ${UNROUTED} key 7` }),
  outbound("policy and state for a remote without a route", {
    link: `local ${LOCAL} remote ${UNROUTED} key 7`,
    stateOut:
      `xfrm state add src ${LOCAL} dst ${UNROUTED} proto esp spi ${SPI_OUT} mode tunnel mark 7 ${KEY_WORDS}`,
    policyOut: `xfrm policy add dir out mark 7 tmpl src ${LOCAL} dst ${UNROUTED} proto esp mode tunnel`,
  }),
  outbound("route to the remote by the device itself", { then: [`system route add ${REMOTE} dev vti1`] }),
  outbound("too big, DF", {}, `${PING} -M do -s 1452`),
  outbound("too big, no DF", {}, `${PING} -M dont -s 1452`),
  outbound("larger than the device, no DF", {}, `${PING} -M dont -s 3000`),
  complained("path MTU 1300", FRAG_NEEDED, 1300, SPI_OUT, PING_1400, PING_1400, `${PING} -M do -s 1218`),
  complained("path MTU 1300, no DF", FRAG_NEEDED, 1300, SPI_OUT, `${PING} -M dont -s 1372`),
  complained("path MTU 100", FRAG_NEEDED, 100, SPI_OUT, PING_1400, PING_1400),
  complained("path MTU 0", FRAG_NEEDED, 0, SPI_OUT, PING_1400, PING_1400),
  complained("path MTU, another SPI", FRAG_NEEDED, 1300, 0x7777, PING_1400, PING_1400),
  complained("path MTU 9000", FRAG_NEEDED, 9000, SPI_OUT, PING_1400, PING_1400),
  complained("host unreachable", HOST_UNREACHABLE, 0, SPI_OUT, PING, PING_1400),
  outbound("in UDP", { both: ESPINUDP }),
  outbound("in UDP, too big, no DF", { both: ESPINUDP }, `${PING} -M dont -s 1452`),
  outbound("DSCP and ECN", {}, `${PING} -Q 0xbb`),
  outbound(
    "DSCP and ECN, state without",
    { out: "flag noecn extra-flag dont-encap-dscp" },
    `${PING} -Q 0xba`,
  ),
  outbound("no PMTU discovery", { out: "flag nopmtudisc" }, `${PING} -M do -s 100`),
  outbound("TFC padding", { out: "tfcpad 500" }),
  outbound("AH", AH),
  outbound("AH padded to 8", { proto: "ah" }),
  outbound("AH, too big, DF", AH, `${PING} -M do -s 1452`),
  outbound("AH, too big, no DF", AH, `${PING} -M dont -s 1452`),
  outbound("AH, DSCP and ECN", AH, `${PING} -Q 0xbb`),
  outbound("device down", { then: ["link set vti1 down"] }),
  outbound("IPv6, no policy", {}, "ping -n -c1 -W0.2 2001:db8:9::1"),
  outbound("IPv6, state for IPv4", { then: V6_POLICIES }, "ping -n -c1 -W0.2 2001:db8:9::1"),
  outbound("IPv6", { both: "flag af-unspec", then: V6_POLICIES }, "ping -n -c1 -W0.2 2001:db8:9::1"),
  outbound(
    "IPv6, too big",
    { both: "flag af-unspec", then: V6_POLICIES },
    "ping -n -c1 -W0.2 -M do -s 1420 2001:db8:9::1",
  ),
];
