/** What a peer may send. */
import {
  ah,
  bytes,
  echo,
  esp,
  type EspOptions,
  ipv4,
  type Ipv4Options,
  ipv6,
  join,
  KEY_WORDS,
  PROTO,
  udp,
} from "./crafted_packets.ts";
import {
  AH,
  ESPINUDP,
  type FailureCase,
  INNER_LOCAL,
  INNER_REMOTE,
  LOCAL,
  REMOTE,
  type Setup,
  SPI_IN,
  STRANGER,
  tunnel,
  V6_POLICIES,
} from "./failure_case.ts";

const INNER_LOCAL_V6 = "20010db8000900000000000000000002";
const INNER_REMOTE_V6 = "20010db8000900000000000000000001";

const outer = (payload: Uint8Array, more: Partial<Ipv4Options> = {}) =>
  ipv4({ src: REMOTE, dst: LOCAL, proto: PROTO.esp, ...more }, payload);
const inner = (seq = 1, length = 40) =>
  ipv4({ src: INNER_REMOTE, dst: INNER_LOCAL, proto: PROTO.icmp }, echo(seq, length));
const sealed = (text: Uint8Array, more: Partial<EspOptions> = {}) =>
  esp({ spi: SPI_IN, seq: 1, ...more }, text);
const good = (seq = 1) => outer(sealed(inner(seq), { seq }));
/** With one bit of the byte at `at`, counted from the end when negative, the other way round. */
const flipped = (packet: Uint8Array, at: number) => packet.with(at, packet.at(at)! ^ 1);

/** An outer packet in fragments of `size` bytes, each of which begins `overlap` bytes before the end of the one before. */
const fragments = (payload: Uint8Array, size: number, overlap = 0) => {
  const made: Uint8Array[] = [];
  for (let at = 0; at < payload.length; at += size - overlap) {
    const more = at + size < payload.length ? 0x2000 : 0;
    made.push(outer(payload.slice(at, at + size), { id: 77, fragment: more | at / 8 }));
    if (more === 0) break;
  }
  return made;
};

const inbound = (name: string, setup: Setup, ...steps: FailureCase["steps"]): FailureCase => ({
  name: `in: ${name}`,
  words: tunnel(setup),
  steps,
});

const ESP_CASES: readonly FailureCase[] = [
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
  ...(["", "sel src ::/0", "sel src 10.0.0.0/8"].flatMap((both) => [
    inbound(
      `IPv6 inside, state for "${both}"`,
      { both, then: V6_POLICIES },
      outer(
        sealed(ipv6(INNER_REMOTE_V6, INNER_LOCAL_V6, PROTO.none, bytes(8, 0)), { nextHeader: PROTO.ipv6 }),
      ),
    ),
    inbound(`IPv4 inside, state for "${both}"`, { both, then: V6_POLICIES }, good()),
  ])),
  inbound(
    "IPv6 inside, state and policy for IPv4",
    {},
    outer(sealed(ipv6(INNER_REMOTE_V6, INNER_LOCAL_V6, PROTO.none, bytes(8, 0)), { nextHeader: PROTO.ipv6 })),
  ),
  inbound(
    "IPv4 behind the next header of IPv6",
    { both: "flag af-unspec", then: V6_POLICIES },
    outer(sealed(inner(1, 60), { nextHeader: PROTO.ipv6 })),
  ),
  inbound(
    "IPv6 behind the next header of IPv4",
    { both: "flag af-unspec", then: V6_POLICIES },
    outer(sealed(ipv6(INNER_REMOTE_V6, INNER_LOCAL_V6, PROTO.none, bytes(8, 0)))),
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
  inbound(
    "inner length 0",
    {},
    outer(sealed(ipv4({ src: INNER_REMOTE, dst: INNER_LOCAL, proto: PROTO.icmp, length: 0 }, echo(1, 40)))),
  ),
  inbound("inner header length 0", {}, outer(sealed(inner().with(0, 0x40)))),
  inbound(
    "inner IPv6 with options of no length, again and again",
    { both: "flag af-unspec", then: V6_POLICIES },
    outer(sealed(ipv6(INNER_REMOTE_V6, INNER_LOCAL_V6, 0, bytes(64, 0)), { nextHeader: PROTO.ipv6 })),
  ),
  inbound("inner length too short: TFC padding", {}, outer(sealed(join(inner(), bytes(30, 0x70))))),
  inbound("ESP of 4 bytes", {}, outer(Uint8Array.of(0, 0, 0x10, 1))),
  inbound("ESP of 8 bytes", {}, outer(Uint8Array.of(0, 0, 0x10, 1, 0, 0, 0, 1))),
  inbound("ESP of 20 bytes", {}, outer(join(Uint8Array.of(0, 0, 0x10, 1, 0, 0, 0, 1), bytes(12, 0x7a)))),
  inbound("ESP of 31 bytes", {}, outer(join(Uint8Array.of(0, 0, 0x10, 1, 0, 0, 0, 1), bytes(23, 0x7a)))),
  inbound("ESP of 32 bytes", {}, outer(join(Uint8Array.of(0, 0, 0x10, 1, 0, 0, 0, 1), bytes(24, 0x7a)))),
  inbound("pad length too long", {}, outer(sealed(inner(), { padLength: 255 }))),
  inbound("not padded", {}, outer(sealed(inner(1, 41), { padding: 0 }))),
  inbound(
    "two fragments",
    {},
    outer(sealed(inner()).slice(0, 40), { id: 77, fragment: 0x2000 }),
    outer(sealed(inner()).slice(40), { id: 77, fragment: 5 }),
  ),
  inbound("tiny fragments", {}, ...fragments(sealed(inner()), 8)),
  inbound("overlapping fragments", {}, ...fragments(sealed(inner()), 40, 8)),
  inbound("a fragment that is missing", {}, ...fragments(sealed(inner()), 40).slice(0, -1)),
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
  inbound(
    "IKE message",
    { both: ESPINUDP },
    outer(udp(4500, 4500, join(bytes(4, 0), bytes(36, 0x5a))), { proto: PROTO.udp }),
  ),
  inbound("keepalive", { both: ESPINUDP }, outer(udp(4500, 4500, bytes(1, 0xff)), { proto: PROTO.udp })),
];

/** What BEET mode carries: a payload without its header. */
const BEETPH = 94;
const beet = (payload: Uint8Array, nextHeader: number) =>
  outer(sealed(payload, { nextHeader }), { tos: 0x2b, id: 77 });
const BEET_SELECTOR = `sel src ${INNER_REMOTE} dst ${INNER_LOCAL}`;
const beetSetup = (more = BEET_SELECTOR, mode = "beet"): Setup => ({
  stateIn:
    `xfrm state add src ${REMOTE} dst ${LOCAL} proto esp spi ${SPI_IN} mode beet mark 7 ${more} ${KEY_WORDS}`,
  policyIn: `xfrm policy add dir in mark 7 tmpl src ${REMOTE} dst ${LOCAL} proto esp mode ${mode}`,
});

const BEET_CASES: readonly FailureCase[] = [
  inbound("BEET state", beetSetup(), beet(echo(1, 3), PROTO.icmp)),
  inbound("BEET state, tunnel template", beetSetup(BEET_SELECTOR, "tunnel"), beet(echo(1, 3), PROTO.icmp)),
  inbound(
    "BEET state, options",
    beetSetup(),
    beet(join(Uint8Array.of(1, 0, 0, 0), bytes(4, 1), echo(1, 3)), BEETPH),
  ),
  inbound("BEET state, half a pseudo header", beetSetup(), beet(Uint8Array.of(1, 0), BEETPH)),
  inbound("BEET state, IP inside", beetSetup(), good()),
  inbound("BEET state for both families", beetSetup("flag af-unspec"), beet(echo(1, 3), PROTO.icmp)),
];

/** Of what has come out of the device, which has no SA behind it any more. */
const FORWARDING = [
  "system route replace 10.77.0.0/24 via 192.0.2.99",
  "system neigh replace 192.0.2.99 dev eth0 lladdr 02:00:00:00:00:63",
];
const forwarded = () =>
  outer(sealed(ipv4({ src: INNER_REMOTE, dst: "10.77.0.9", proto: PROTO.icmp }, echo(1, 40))));
const IN_TEMPLATE = `tmpl src ${REMOTE} dst ${LOCAL} proto esp mode tunnel`;
const STACK_CASES: readonly FailureCase[] = ([
  ["none", "", ""],
  ["fwd block", "dir fwd action block", ""],
  ["fwd with a template", `dir fwd ${IN_TEMPLATE}`, ""],
  ["fwd of the mark", "dir fwd mark 7 action block", ""],
  ["fwd of the output mark", "dir fwd mark 9 action block", "output-mark 9"],
  ["in block", `dir in src ${INNER_REMOTE} priority 9 action block`, ""],
  ["in with a template", `dir in src ${INNER_REMOTE} priority 9 ${IN_TEMPLATE}`, ""],
  ["in of the output mark", "dir in mark 9 action block", "output-mark 9"],
] as const).flatMap(([name, policy, words]) => {
  const setup = { in: words, then: [...FORWARDING, ...policy === "" ? [] : [`xfrm policy add ${policy}`]] };
  return [
    inbound(`policies of the stack, ${name}, for this host`, setup, good()),
    inbound(
      `policies of the stack, ${name}, for another`,
      setup,
      "sysctl -qw net.ipv4.ip_forward=1",
      forwarded(),
    ),
  ];
});

/** The policy that let the packet in wants its SA again. */
const MARKED_AS_TUNNEL = inbound(
  "policies of the stack, the output mark is the key",
  { in: "output-mark 7" },
  good(),
);

const goodAh = (seq = 1) => ah(SPI_IN, seq, { src: REMOTE, dst: LOCAL }, inner(seq));

const OTHER_CASES: readonly FailureCase[] = [
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
  inbound("bare IPIP, shorter than an IP header", {}, outer(inner().slice(0, 19), { proto: PROTO.ipip })),
];

export const INBOUND_CASES: readonly FailureCase[] = [
  ...ESP_CASES,
  ...BEET_CASES,
  ...STACK_CASES,
  MARKED_AS_TUNNEL,
  ...OTHER_CASES,
];
