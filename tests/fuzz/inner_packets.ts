/** Packets as an inner sender may send them: sound ones of all kinds, to be damaged. */
import { asRead, buildPacket, PLAIN, somePayload } from "../doubles/packets.ts";
import type { Random } from "./random.ts";

/** Room for a packet and for what mutate() adds. */
export const MAX_INNER_BYTES = 1400;

const ROUTING = 43;
const FRAGMENT = 44;
const DEST_OPTIONS = 60;
const HOP_BY_HOP = 0;
const ICMP = 1;
const ICMPV6 = 58;

/** Sound inner packets: TCP, UDP, ICMP, errors that quote, fragments, options and extension headers. */
export const INNER_PACKETS: readonly Uint8Array[] = [
  ...([4, 6] as const).flatMap((version) => [
    buildPacket({ ...PLAIN, version, payload: somePayload(600) }),
    buildPacket({ ...PLAIN, version, payload: somePayload(0) }),
    buildPacket({ ...PLAIN, version, protocol: "udp", payload: somePayload(300) }),
    icmpError(version),
  ]),
  withOptions(buildPacket({ ...PLAIN, payload: somePayload(64) }), 40),
  fragment(buildPacket({ ...PLAIN, protocol: "udp", payload: somePayload(256) })),
  withExtensions(buildPacket({ ...PLAIN, version: 6, payload: somePayload(64) }), [HOP_BY_HOP, DEST_OPTIONS]),
  withExtensions(buildPacket({ ...PLAIN, version: 6, payload: somePayload(64) }), [ROUTING, FRAGMENT]),
  withExtensions(
    buildPacket({ ...PLAIN, version: 6, payload: somePayload(64) }),
    Array(20).fill(DEST_OPTIONS),
  ),
];

/** What a TUN device hands over: the vnet header, and packets or super-packets. */
export const TUN_READS: readonly Uint8Array[] = [
  ...INNER_PACKETS.map((packet) => Uint8Array.of(...new Uint8Array(10), ...packet)),
  ...([4, 6] as const).flatMap((version) =>
    (["tcp", "udp"] as const).map((protocol) =>
      asRead(buildPacket({ ...PLAIN, version, protocol, payload: somePayload(20_000) }), 1300)
    )
  ),
];

/** Writes one of INNER_PACKETS to `buffer`; returns its length. */
export function someInner(random: Random, buffer: Uint8Array): number {
  const packet = random.pick(INNER_PACKETS);
  buffer.set(packet);
  return packet.length;
}

function icmpError(version: 4 | 6): Uint8Array {
  const quoted = buildPacket({ ...PLAIN, version, payload: somePayload(40) });
  const packet = buildPacket({ ...PLAIN, version, protocol: "udp", payload: Uint8Array.of(...quoted) });
  const header = version === 4 ? 20 : 40;
  packet[version === 4 ? 9 : 6] = version === 4 ? ICMP : ICMPV6;
  packet[header] = version === 4 ? 3 : 1;
  packet[header + 1] = version === 4 ? 4 : 0;
  return packet;
}

/** With `bytes` of options, no-operation all of them. */
function withOptions(packet: Uint8Array, bytes: number): Uint8Array {
  const longer = Uint8Array.of(
    ...packet.subarray(0, 20),
    ...new Uint8Array(bytes).fill(1),
    ...packet.subarray(20),
  );
  longer[0] = 0x40 | ((20 + bytes) >> 2);
  new DataView(longer.buffer).setUint16(2, longer.length);
  return longer;
}

function fragment(packet: Uint8Array): Uint8Array {
  const copy = packet.slice();
  new DataView(copy.buffer).setUint16(6, 0x2000 | 5);
  return copy;
}

/** With an extension header of 8 bytes for each of `types`. */
function withExtensions(packet: Uint8Array, types: readonly number[]): Uint8Array {
  const chain = types.map((_, i) => Uint8Array.of(types[i + 1] ?? packet[6]!, 0, 1, 4, 0, 0, 0, 0));
  const longer = Uint8Array.of(
    ...packet.subarray(0, 40),
    ...chain.flatMap((h) => [...h]),
    ...packet.subarray(40),
  );
  longer[6] = types[0]!;
  new DataView(longer.buffer).setUint16(4, longer.length - 40);
  return longer;
}
