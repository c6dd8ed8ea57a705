/** What can go wrong with one packet, each way: how the tunnel is set up, and what is done then. */
import {
  ah,
  AH_WORDS,
  bytes,
  echo,
  esp,
  espHeader,
  type EspOptions,
  ipv4,
  type Ipv4Options,
  ipv6,
  join,
  KEY_WORDS,
  PROTO,
  udp,
  unreachable,
} from "./crafted_packets.ts";

export const LOCAL = "192.0.2.2", REMOTE = "192.0.2.1";
const STRANGER = "192.0.2.99";
const INNER_LOCAL = "10.9.0.2", INNER_REMOTE = "10.9.0.1";
const INNER_LOCAL_V6 = "20010db8000900000000000000000002",
  INNER_REMOTE_V6 = "20010db8000900000000000000000001";
export const SPI_IN = 0x1001, SPI_OUT = 0x2002;

export interface FailureCase {
  readonly name: string;
  /** Words of `ip`; after "system" for the system's own at both ends. */
  readonly words: readonly string[];
  /** What is done: the peer sends packets, or both ends run a program. */
  readonly steps: readonly (Uint8Array | string)[];
}

/** Words in place of those of a tunnel that works; "" leaves one out. */
interface Setup {
  readonly link?: string;
  readonly proto?: "esp" | "ah";
  /** More words for the states. */
  readonly in?: string;
  readonly out?: string;
  readonly both?: string;
  readonly mode?: string;
  readonly mark?: string;
  readonly stateIn?: string;
  readonly stateOut?: string;
  readonly policyIn?: string;
  readonly policyOut?: string;
  /** More words at the end. */
  readonly then?: readonly string[];
}

function tunnel(setup: Setup = {}): string[] {
  const { mark = "mark 7", mode = "tunnel", both = "", proto = "esp" } = setup;
  const algorithm = proto === "esp" ? KEY_WORDS : AH_WORDS;
  const state = (src: string, dst: string, spi: number, more = "") =>
    `xfrm state add src ${src} dst ${dst} proto ${proto} spi ${spi} mode ${mode} ${mark} ${more} ${both} ${algorithm}`;
  const policy = (dir: string, src: string, dst: string) =>
    `xfrm policy add dir ${dir} ${mark} tmpl src ${src} dst ${dst} proto ${proto} mode tunnel`;
  return [
    `link add vti1 type vti ${setup.link ?? `local ${LOCAL} remote ${REMOTE} key 7`}`,
    "system addr add 10.9.0.2/24 dev vti1",
    "system addr add 2001:db8:9::2/64 dev vti1 nodad",
    "link set vti1 up",
    setup.stateIn ?? state(REMOTE, LOCAL, SPI_IN, `replay-window 32 ${setup.in ?? ""}`),
    setup.stateOut ?? state(LOCAL, REMOTE, SPI_OUT, setup.out),
    setup.policyIn ?? policy("in", REMOTE, LOCAL),
    setup.policyOut ?? policy("out", LOCAL, REMOTE),
    ...setup.then ?? [],
  ].filter((words) => words !== "");
}

const V6_POLICIES = [
  `xfrm policy add src ::/0 dst ::/0 dir out mark 7 tmpl src ${LOCAL} dst ${REMOTE} proto esp mode tunnel`,
  `xfrm policy add src ::/0 dst ::/0 dir in mark 7 tmpl src ${REMOTE} dst ${LOCAL} proto esp mode tunnel`,
];

const outer = (payload: Uint8Array, more: Partial<Ipv4Options> = {}) =>
  ipv4({ src: REMOTE, dst: LOCAL, proto: PROTO.esp, ...more }, payload);
const inner = (seq = 1, length = 40) =>
  ipv4({ src: INNER_REMOTE, dst: INNER_LOCAL, proto: PROTO.icmp }, echo(seq, length));
const sealed = (text: Uint8Array, more: Partial<EspOptions> = {}) =>
  esp({ spi: SPI_IN, seq: 1, ...more }, text);
const good = (seq = 1) => outer(sealed(inner(seq), { seq }));
/** With one bit of the byte at `at`, counted from the end when negative, the other way round. */
const flipped = (packet: Uint8Array, at: number) => packet.with(at, packet.at(at)! ^ 1);
const ESPINUDP = "encap espinudp 4500 4500 0.0.0.0";

const inbound = (name: string, setup: Setup, ...steps: Uint8Array[]): FailureCase => ({
  name: `in: ${name}`,
  words: tunnel(setup),
  steps,
});

const INBOUND: readonly FailureCase[] = [
  inbound("good", {}, good()),
  inbound("replayed", {}, good(), good()),
  inbound("older than the window", {}, good(100), good(2)),
  inbound("sequence number 0", {}, good(0)),
  inbound("window of 64, ESN", { both: "flag esn replay-window 64" }, good()),
  inbound("damaged ICV", {}, flipped(good(), -1)),
  inbound("damaged text", {}, flipped(good(), 40)),
  inbound("no state", { stateIn: "" }, good()),
  inbound("unknown SPI", {}, outer(sealed(inner(), { spi: 0x7777 }))),
  inbound("SPI 0", {}, outer(sealed(inner(), { spi: 0 }))),
  inbound("no policy", { policyIn: "" }, good()),
  ...([
    ["of another mark", `mark 8 tmpl src ${REMOTE} dst ${LOCAL} proto esp mode tunnel`],
    ["without a mark", `tmpl src ${REMOTE} dst ${LOCAL} proto esp mode tunnel`],
    ["of another reqid", `mark 7 tmpl src ${REMOTE} dst ${LOCAL} proto esp reqid 77 mode tunnel`],
    ["of another source", `mark 7 tmpl src ${STRANGER} dst ${LOCAL} proto esp mode tunnel`],
    ["of any source", `mark 7 tmpl proto esp mode tunnel`],
    ["of another mode", `mark 7 tmpl src ${REMOTE} dst ${LOCAL} proto esp mode transport`],
    ["that is optional", `mark 7 tmpl src ${REMOTE} dst ${LOCAL} proto esp reqid 77 mode tunnel level use`],
    ["that blocks", "mark 7 action block"],
    ["without a template", "mark 7"],
    ["for other addresses", `src 10.200.0.0/16 mark 7 tmpl src ${REMOTE} dst ${LOCAL} proto esp mode tunnel`],
  ] as const).map(([name, words]) =>
    inbound(`policy ${name}`, { policyIn: `xfrm policy add dir in ${words}` }, good())
  ),
  ...([
    ["of another mark", "mark 8"],
    ["without a mark", ""],
    ["of a mark with a mask", "mark 0x107 mask 0xff"],
    ["with a selector that does not fit", "mark 7 sel src 10.200.0.0/16"],
    ["with a selector that fits", "mark 7 sel src 10.9.0.0/16"],
    ["of another source", "mark 7 src 192.0.2.99"],
  ] as const).map(([name, words]) => {
    const src = words.includes(" src 192") ? STRANGER : REMOTE;
    const more = words.replace(/ src 192\S+/, "");
    const stateIn =
      `xfrm state add src ${src} dst ${LOCAL} proto esp spi ${SPI_IN} mode tunnel ${more} ${KEY_WORDS}`;
    return inbound(`state ${name}`, { stateIn }, good());
  }),
  inbound("no key, no marks", { link: `local ${LOCAL} remote ${REMOTE}`, mark: "" }, good()),
  inbound("transport state, IP inside", { mode: "transport" }, good()),
  inbound(
    "transport state, ICMP inside",
    { mode: "transport" },
    outer(sealed(echo(1, 3), { nextHeader: PROTO.icmp })),
  ),
  inbound("next header ICMP", {}, outer(sealed(echo(1, 3), { nextHeader: PROTO.icmp }))),
  inbound("next header none", {}, outer(sealed(bytes(40, 0), { nextHeader: PROTO.none }))),
  inbound(
    "IPv6 inside",
    { both: "flag af-unspec", then: V6_POLICIES },
    outer(sealed(ipv6(INNER_REMOTE_V6, INNER_LOCAL_V6, PROTO.none, bytes(8, 0)), { nextHeader: PROTO.ipv6 })),
  ),
  inbound(
    "IPv6 inside, no policy",
    { both: "flag af-unspec" },
    outer(sealed(ipv6(INNER_REMOTE_V6, INNER_LOCAL_V6, PROTO.none, bytes(8, 0)), { nextHeader: PROTO.ipv6 })),
  ),
  inbound("text that is no IP", {}, outer(sealed(bytes(40, 0)))),
  inbound("text shorter than a header", {}, outer(sealed(bytes(8, 0x45)))),
  inbound("no text", {}, outer(sealed(bytes(0, 0)))),
  inbound("damaged inner checksum", {}, outer(sealed(flipped(inner(), 10)))),
  inbound(
    "inner length too long",
    {},
    outer(sealed(ipv4({ src: INNER_REMOTE, dst: INNER_LOCAL, proto: PROTO.icmp, length: 2000 }, echo(1, 0)))),
  ),
  inbound("inner length too short: TFC padding", {}, outer(sealed(join(inner(), bytes(30, 0x70))))),
  inbound("ESP of 4 bytes", {}, outer(Uint8Array.of(0, 0, 0x10, 1))),
  inbound("ESP of 8 bytes", {}, outer(Uint8Array.of(0, 0, 0x10, 1, 0, 0, 0, 1))),
  inbound("ESP of 20 bytes", {}, outer(join(Uint8Array.of(0, 0, 0x10, 1, 0, 0, 0, 1), bytes(12, 0x7a)))),
  inbound("ESP of 31 bytes", {}, outer(join(Uint8Array.of(0, 0, 0x10, 1, 0, 0, 0, 1), bytes(23, 0x7a)))),
  inbound("pad length too long", {}, outer(sealed(inner(), { padLength: 255 }))),
  inbound("not padded", {}, outer(sealed(inner(1, 41), { padding: 0 }))),
  inbound(
    "two fragments",
    {},
    outer(sealed(inner()).slice(0, 40), { id: 77, fragment: 0x2000 }),
    outer(sealed(inner()).slice(40), { id: 77, fragment: 5 }),
  ),
  inbound("from somebody else", {}, outer(sealed(inner()), { src: STRANGER })),
  inbound("ECN and DSCP outside", {}, outer(sealed(inner()), { tos: 0xbb })),
  inbound("device down", { then: ["link set vti1 down"] }, good()),
  inbound("no device for that remote", { link: `local ${LOCAL} remote 192.0.2.55 key 7` }, good()),
  inbound("device without a remote", { link: `local ${LOCAL} key 7` }, good()),
  inbound("device without a local", { link: `remote ${REMOTE} key 7` }, good()),
  inbound("hard limit of 1 packet, two", { in: "limit packet-hard 1" }, good(1), good(2)),
  inbound("hard limit of 100 bytes, three", { in: "limit byte-hard 100" }, good(1), good(2), good(3)),
  inbound("soft limit of 1 packet, three", { in: "limit packet-soft 1" }, good(1), good(2), good(3)),
  inbound("in UDP", { both: ESPINUDP }, outer(udp(4500, 4500, sealed(inner())), { proto: PROTO.udp })),
  inbound("bare, the state wants UDP", { both: ESPINUDP }, good()),
  inbound(
    "in UDP, the state wants it bare",
    {},
    outer(udp(4500, 4500, sealed(inner())), { proto: PROTO.udp }),
  ),
  inbound(
    "in UDP from another port",
    { both: ESPINUDP },
    outer(udp(5555, 4500, sealed(inner())), { proto: PROTO.udp }),
  ),
  inbound("IKE message", { both: ESPINUDP }, outer(udp(4500, 4500, bytes(40, 0)), { proto: PROTO.udp })),
  inbound("keepalive", { both: ESPINUDP }, outer(udp(4500, 4500, bytes(1, 0xff)), { proto: PROTO.udp })),
];

const AH = { proto: "ah", both: "flag align4" } as const;
const goodAh = (seq = 1) => ah(SPI_IN, seq, { src: REMOTE, dst: LOCAL }, inner(seq));

const INBOUND_OTHERS: readonly FailureCase[] = [
  inbound("AH", AH, goodAh()),
  inbound("AH, replayed", AH, goodAh(), goodAh()),
  inbound("AH, damaged ICV", AH, flipped(goodAh(), 33)),
  inbound("AH, damaged text", AH, flipped(goodAh(), -1)),
  inbound(
    "AH, another TOS on the way",
    AH,
    ipv4({ src: REMOTE, dst: LOCAL, proto: PROTO.ah, tos: 8 }, goodAh().slice(20)),
  ),
  inbound(
    "AH, another source on the way",
    AH,
    ipv4({ src: STRANGER, dst: LOCAL, proto: PROTO.ah }, goodAh().slice(20)),
  ),
  inbound("AH of 8 bytes", AH, ipv4({ src: REMOTE, dst: LOCAL, proto: PROTO.ah }, goodAh().slice(20, 28))),
  inbound("AH of 20 bytes", AH, ipv4({ src: REMOTE, dst: LOCAL, proto: PROTO.ah }, goodAh().slice(20, 40))),
  inbound("AH, no state", {}, goodAh()),
  inbound("ESP as AH", {}, outer(sealed(inner()), { proto: PROTO.ah })),
  inbound("AH as ESP", AH, outer(goodAh().slice(20))),
  inbound(
    "IPComp, no state",
    {},
    outer(join(Uint8Array.of(4, 0, 0, 0x55), bytes(40, 0x71)), { proto: PROTO.comp }),
  ),
  inbound("bare IPIP", {}, outer(inner(), { proto: PROTO.ipip })),
];

const PING = `ping -n -c1 -W0.2 ${INNER_REMOTE}`;
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

const OUTBOUND: readonly FailureCase[] = [
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
  outbound("last sequence number, two", { out: "replay-oseq 0xfffffffe" }, PING, PING),
  outbound("device without a remote", { link: `local ${LOCAL} key 7` }),
  outbound("no route to the remote", { link: `local ${LOCAL} remote 203.0.113.9 key 7` }),
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

export const FAILURE_CASES: readonly FailureCase[] = [...INBOUND, ...INBOUND_OTHERS, ...OUTBOUND];
