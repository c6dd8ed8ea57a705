/**
 * Tunnels of every kind at one end, and random packets for them: clear ones to be routed into a tunnel, sealed ones from
 * its peer, damaged ones.
 */
import type { Random } from "../../fuzz/random.ts";
import { be16, bytes, checksum, ipv4, join, PROTO, udp } from "./crafted_packets.ts";
import { LOCAL } from "./failure_case.ts";
import { ALL_OPTIONS, type InnerEnds, ipOptions, randomInner } from "./random_inner.ts";
import { type Seal, SEALS } from "./seals.ts";

/** Where clear packets come from and go to: hosts behind a router on the wire. */
export const ROUTER = "192.0.2.201", ROUTER_V6 = "fe80::c9";
const HOSTS = "198.18.0.0/15", HOSTS_V6 = "2001:db8:51::/64";

interface RandomTunnel {
  /** Key, and part of its addresses. */
  readonly number: number;
  readonly seal: Seal;
  /** More words for its states. */
  readonly both?: string;
  readonly in?: string;
  readonly out?: string;
  /** The link's ends; absent: both given. */
  readonly ends?: string;
  readonly policies: "any" | "rich";
  readonly then?: string;
}

const UNSPEC = "flag af-unspec";
export const TUNNELS: readonly RandomTunnel[] = [
  { number: 1, seal: SEALS.gcm, both: UNSPEC, in: "replay-window 32", policies: "rich" },
  { number: 2, seal: SEALS.cbc, both: `${UNSPEC} flag decap-dscp`, in: "replay-window 64", policies: "any" },
  { number: 3, seal: SEALS.gcmInUdp, both: UNSPEC, in: "replay-window 32", policies: "any" },
  { number: 4, seal: SEALS.cbcInUdp, both: `${UNSPEC} flag noecn`, policies: "any" },
  { number: 5, seal: SEALS.ahSha256, both: UNSPEC, in: "replay-window 32", policies: "any" },
  { number: 6, seal: SEALS.ahSha256Align4, both: UNSPEC, policies: "any" },
  { number: 7, seal: SEALS.ahSha1, in: "replay-window 8", policies: "any", then: "mtu 1300" },
  { number: 8, seal: SEALS.null, both: "flag nopmtudisc", policies: "any", then: "mtu 9000" },
  { number: 9, seal: SEALS.gcm, out: "tfcpad 300 extra-flag dont-encap-dscp", policies: "any" },
  { number: 10, seal: SEALS.comp, both: UNSPEC, policies: "any" },
  { number: 11, seal: SEALS.comp, policies: "any" },
  { number: 12, seal: SEALS.gcm, both: "sel proto udp", policies: "any" },
  { number: 13, seal: SEALS.gcm, ends: `local ${LOCAL}`, in: "limit packet-hard 30", policies: "any" },
  {
    number: 14,
    seal: SEALS.nullEsn,
    in: "replay-window 128 flag esn",
    out: "flag esn replay-window 32",
    policies: "any",
  },
];

const peer = (number: number) => `192.0.2.${100 + number}`;
export const PEERS: readonly string[] = TUNNELS.map(({ number }) => peer(number));
/** How the peer with that address seals. */
export const sealOf = (address: string): Seal | undefined =>
  TUNNELS.find(({ number }) => peer(number) === address)?.seal;
/** IPComp has 16 bits. */
const spiIn = (number: number, which = 0) => 0x1000 + number * 0x40 + which;
const spiOut = (number: number, which = 0) => 0x2000 + number * 0x40 + which;

/** What the rich tunnel's policies tell apart: words for IPv4, and for IPv6 where it has them. */
const SELECTORS: readonly (readonly [words: string, families: "4" | "6" | "46"])[] = [
  ["proto tcp dport 80", "46"],
  ["proto udp sport 53", "46"],
  ["proto sctp dport 80", "46"],
  ["proto dccp dport 80", "46"],
  ["proto icmp type 8 code 0", "4"],
  ["proto icmp type 3", "4"],
  ["proto ipv6-icmp type 128 code 0", "6"],
  ["proto ipv6-icmp type 2", "6"],
  ["proto mobility-header type 1", "6"],
  ["proto gre key 1234", "46"],
  ["proto 136", "46"],
  ["proto esp", "46"],
  ["proto ah", "46"],
  ["proto 108", "46"],
  ["proto 59", "46"],
  ["dport 443", "46"],
  ["sport 443", "46"],
  ["proto udp", "46"],
  ["proto tcp", "46"],
  ["proto icmp", "4"],
  ["proto ipv6-icmp", "6"],
  ["proto 253", "46"],
];

/** Commands that make an end; "system" before those for the system's ip. */
export function sceneWords(): string[] {
  return [
    `system route replace ${HOSTS} via ${ROUTER}`,
    `system route replace ${HOSTS_V6} via ${ROUTER_V6} dev eth0`,
    ...TUNNELS.flatMap(tunnelWords),
  ];
}

function tunnelWords(tunnel: RandomTunnel): string[] {
  const { number, seal, both = "" } = tunnel;
  const device = `vti${number}`;
  const state = (src: string, dst: string, spi: number, words: string) =>
    `xfrm state add src ${src} dst ${dst} proto ${seal.proto} spi ${spi} mode tunnel mark ${number} ${both} ${words} ${seal.words}`;
  return [
    `link add ${device} type vti ${tunnel.ends ?? `local ${LOCAL} remote ${peer(number)}`} key ${number}`,
    `system addr add 10.9.${number}.2/24 dev ${device}`,
    `system addr add 2001:db8:9:${number}::2/64 dev ${device} nodad`,
    `link set ${device} up`,
    ...tunnel.then === undefined ? [] : [`system link set ${device} ${tunnel.then}`],
    state(peer(number), LOCAL, spiIn(number), tunnel.in ?? ""),
    state(LOCAL, peer(number), spiOut(number), tunnel.out ?? ""),
    ...["0.0.0.0/0", "::/0"].flatMap((any) => [
      policy(tunnel, "out", `src ${any} dst ${any}`, 100, ""),
      policy(tunnel, "in", `src ${any} dst ${any}`, 100, ""),
    ]),
    ...tunnel.policies === "rich" ? richWords(tunnel, state) : [],
  ];
}

function policy(
  tunnel: RandomTunnel,
  dir: "in" | "out",
  selector: string,
  priority: number,
  reqid: string,
): string {
  const [src, dst] = dir === "in" ? [peer(tunnel.number), LOCAL] : [LOCAL, peer(tunnel.number)];
  return `xfrm policy add ${selector} dir ${dir} mark ${tunnel.number} priority ${priority} ` +
    `tmpl src ${src} dst ${dst} proto ${tunnel.seal.proto} ${reqid} mode tunnel`;
}

/** A state of its own for what a selector picks; inwards it is blocked or asks for a state that is not there. */
function richWords(
  tunnel: RandomTunnel,
  state: (src: string, dst: string, spi: number, words: string) => string,
): string[] {
  const { number } = tunnel;
  const words = SELECTORS.flatMap(([selector, families], i) => {
    const which = i + 1;
    return [
      state(LOCAL, peer(number), spiOut(number, which), `reqid ${which}`),
      ...[...families].flatMap((family) => {
        const any = family === "4" ? "0.0.0.0/0" : "::/0";
        const full = `src ${any} dst ${any} ${selector}`;
        return [
          policy(tunnel, "out", full, which + 10, `reqid ${which}`),
          i % 3 === 2
            ? policy(tunnel, "in", full, which + 10, "")
            : i % 3 === 1
            ? policy(tunnel, "in", full, which + 10, "reqid 999")
            : `xfrm policy add ${full} dir in mark ${number} priority ${which + 10} action block`,
        ];
      }),
    ];
  });
  return [
    ...words,
    `xfrm policy add dst 10.9.${number}.64/26 dir out mark ${number} priority 1 action block`,
    policy(tunnel, "out", `dst 10.9.${number}.128/26`, 2, "reqid 777"),
    policy(tunnel, "in", `src 10.9.${number}.128/26 dst 0.0.0.0/0`, 2, "reqid 777"),
  ];
}

export interface RandomPacket {
  /** One packet, or its fragments. */
  readonly bytes: readonly Uint8Array[];
  /** For whoever looks into a difference. */
  readonly name: string;
}

/** Random packets, one after the other. */
export class RandomPackets {
  readonly #random: Random;
  /** Last sequence number of each tunnel's peer. */
  readonly #seq = new Map<number, number>();
  #hosts = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Whoever has set an end up anew starts from the first sequence number again. */
  restart(): void {
    this.#seq.clear();
  }

  next(): RandomPacket {
    return this.#random.once(2) ? this.#clear() : this.#sealed();
  }

  /** A host of its own: no host gets more than a few ICMP errors. */
  #host(): { host: string; hostV6: string } {
    const n = ++this.#hosts;
    return {
      host: `198.18.${(n >> 8) & 255}.${n & 255}`,
      hostV6: `20010db800510000000000000${n.toString(16).padStart(7, "0")}`,
    };
  }

  /** The far inner address, mostly one host's. */
  #far(number: number): { far: string; farV6: string } {
    const random = this.#random;
    const last = random.once(4) ? random.below(254) + 1 : 1;
    const group = random.once(20) ? "ff0e0000000000000000000000000101" : null;
    return {
      far: `10.9.${number}.${last === 2 ? 1 : last}`,
      farV6: group ??
        `20010db80009${number.toString(16).padStart(4, "0")}00000000000000${
          last === 2 ? "01" : last.toString(16).padStart(2, "0")
        }`,
    };
  }

  #clear(): RandomPacket {
    const { number } = this.#random.pick(TUNNELS);
    const { host, hostV6 } = this.#host(), { far, farV6 } = this.#far(number);
    const ends: InnerEnds = { src: host, dst: far, srcV6: hostV6, dstV6: farV6 };
    return { bytes: [randomInner(this.#random, ends)], name: `clear into vti${number}` };
  }

  #sealed(): RandomPacket {
    const random = this.#random;
    const tunnel = random.pick(TUNNELS);
    const { number, seal } = tunnel;
    const { host, hostV6 } = this.#host(), { far, farV6 } = this.#far(number);
    const dst = random.once(20) ? "224.0.0.5" : random.once(10) ? `10.9.${number}.2` : host;
    const inner = randomInner(random, { src: far, dst, srcV6: farV6, dstV6: hostV6 });
    const isV6 = inner.length > 0 && inner[0]! >> 4 === 6;
    const seq = this.#nextSeq(number);
    const outer = {
      src: random.once(20) ? "192.0.2.99" : peer(number),
      dst: LOCAL,
      tos: random.below(256),
      ttl: random.pick([64, 64, 1, 255]),
      id: random.below(65536),
      ...random.once(8) ? { options: ipOptions(random, ALL_OPTIONS) } : {},
    };
    const nextHeader = random.once(12) ? random.pick([4, 41, 59, 1, 50, 0]) : isV6 ? 41 : 4;
    const options = {
      spi: random.once(20) ? spiIn(number, 1) : spiIn(number),
      seq,
      nextHeader,
      ...random.once(8) ? { morePadding: random.pick([4, 16, 200]) } : {},
      ...random.once(16) ? { padLength: random.below(256) } : {},
      ...random.once(4) ? { windowBits: 15 } : {},
    };
    const text = random.once(10) ? join(inner, bytes(random.below(40), 0x70)) : inner;
    let packet = seal.seal(outer, options, text);
    let name = `sealed for vti${number}, seq ${seq}, next header ${nextHeader}`;
    // Behind a NAT that has moved.
    if (packet[9] === PROTO.udp && random.once(4)) {
      packet.set(be16(1024 + random.below(4)), (packet[0]! & 15) * 4);
    }
    if (random.once(5)) {
      packet = this.#damaged(packet);
      name += ", damaged";
    }
    return { bytes: inFragments(random, packet), name };
  }

  /** Mostly the next one; sometimes one again, an older one, or one far ahead. */
  #nextSeq(number: number): number {
    const random = this.#random;
    const last = this.#seq.get(number) ?? 0;
    if (random.once(8)) return Math.max(0, last - random.below(50));
    const seq = last + (random.once(8) ? random.below(300) : 1);
    this.#seq.set(number, seq);
    return seq;
  }

  /** Damaged behind the outer header, or cut, or longer; the outer header stays sound. */
  #damaged(packet: Uint8Array): Uint8Array {
    const random = this.#random;
    const header = (packet[0]! & 15) * 4;
    let payload: Uint8Array = packet.slice(header);
    switch (random.below(5)) {
      case 0:
        payload = payload.slice(0, random.below(Math.min(payload.length, 64) + 1));
        break;
      case 1:
        payload = join(payload, bytes(1 + random.below(20), 0x5a));
        break;
      case 2:
        if (payload.length > 0) payload[random.below(Math.min(payload.length, 40))]! ^= 1 << random.below(8);
        break;
      case 3:
        if (payload.length > 0) payload[random.below(payload.length)]! ^= 1 << random.below(8);
        break;
      default:
        payload = random.pick([
          bytes(1, 0xff),
          join(bytes(4, 0), payload),
          payload.slice(0, Math.max(0, payload.length - random.below(20))),
          udp(random.pick([4500, 1]), 4500, bytes(random.below(12), random.pick([0, 0xff]))),
        ]);
    }
    const whole = join(packet.subarray(0, header), payload);
    whole.set(be16(whole.length), 2);
    whole.set([0, 0], 10);
    whole.set(be16(checksum(whole.subarray(0, header))), 10);
    return whole;
  }
}

/** RFC 791 §3.2: as many as a wire with an MTU of 1500 needs, sometimes more, in any order. */
function inFragments(random: Random, packet: Uint8Array): Uint8Array[] {
  const header = (packet[0]! & 15) * 4;
  const most = (1500 - header) & ~7;
  const size = random.once(16) ? random.pick([8, 64, 1000]) : most;
  const payload = packet.subarray(header);
  if (payload.length <= size || payload.length / size > 30) return [packet.slice(0, 1500)];
  const parts: Uint8Array[] = [];
  for (let at = 0; at < payload.length; at += size) {
    const part = join(packet.subarray(0, header), payload.subarray(at, at + size));
    const more = at + size < payload.length ? 0x2000 : 0;
    part.set(be16(part.length), 2);
    part.set(be16(more | at / 8), 6);
    part.set([0, 0], 10);
    part.set(be16(checksum(part.subarray(0, header))), 10);
    parts.push(part);
  }
  return random.once(2) ? parts : parts.reverse();
}

/** The last packet of a round: when it has come out of a device, so has all before it. */
export const FENCE_NUMBER = 63;
const FENCE_SEAL = SEALS.gcm;

export function fenceWords(): string[] {
  return tunnelWords({ number: FENCE_NUMBER, seal: FENCE_SEAL, policies: "any" });
}

export function fence(seq: number): { bytes: Uint8Array; inner: string } {
  const inner = ipv4({ src: `10.9.${FENCE_NUMBER}.1`, dst: "224.0.0.9", proto: 253, ttl: 1 }, be16(seq));
  const sealed = FENCE_SEAL.seal(
    { src: peer(FENCE_NUMBER), dst: LOCAL },
    { spi: spiIn(FENCE_NUMBER), seq, nextHeader: 4 },
    inner,
  );
  return { bytes: sealed, inner: inner.toHex() };
}
