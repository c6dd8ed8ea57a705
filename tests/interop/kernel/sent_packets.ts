/** What an end has sent, in words in which two ends that do the same agree: what each chooses for itself is left out. */
import { join, PROTO } from "./crafted_packets.ts";
import { sealOf } from "./random_scene.ts";

/** Of packets that an end has made itself. */
const OWN_ADDRESSES = /^(192\.0\.2\.2|10\.9\.\d+\.2)$/;
const OWN_ADDRESSES_V6 = /^20010db80009....0000000000000002$/;

/**
 * The packets in words, sorted: sockets of different protocols keep no order among each other. What comes to a tunnel by
 * several of them gets its sequence numbers in any order, so these are told apart from the packets.
 */
export function describeSent(packets: readonly Uint8Array[]): string[] {
  const said: string[] = [];
  const fragments = new Map<string, Uint8Array[]>();
  for (const packet of packets) {
    if (isOfLink(packet)) continue;
    if (packet.length < 20 || packet[0]! >> 4 !== 4 || !isFragment(packet)) {
      said.push(...describeWhole(packet));
    } else {
      const key = packet.slice(4, 6).toHex() + packet.slice(9, 10).toHex() + packet.slice(12, 20).toHex();
      fragments.set(key, [...fragments.get(key) ?? [], packet]);
    }
  }
  for (const parts of fragments.values()) said.push(...describeFragments(parts));
  return said.sort();
}

/** What came out of devices. */
export function describeDelivered(packets: readonly Uint8Array[]): string[] {
  return packets.map((packet) => packet.toHex()).sort();
}

const view = (packet: Uint8Array) => new DataView(packet.buffer, packet.byteOffset);
/** Between neighbours: reports of IPv6 groups come when they like. */
const isOfLink = (packet: Uint8Array) =>
  packet[0]! >> 4 === 6 && /^(fe80|0{32})/.test(packet.subarray(8, 24).toHex());
const isFragment = (packet: Uint8Array) => (view(packet).getUint16(6) & 0x3fff) !== 0;
const headerBytes = (packet: Uint8Array) => (packet[0]! & 15) * 4;
const address = (packet: Uint8Array, at: number) => packet.subarray(at, at + 4).join(".");

function describeFragments(parts: readonly Uint8Array[]): string[] {
  const offsetOf = (packet: Uint8Array) => (view(packet).getUint16(6) & 0x1fff) * 8;
  const inOrder = [...parts].sort((a, b) => offsetOf(a) - offsetOf(b));
  const places = inOrder.map((part) => `${offsetOf(part)}+${part.length - headerBytes(part)}`);
  const payload = join(...inOrder.map((part) => part.subarray(headerBytes(part))));
  const whole = join(inOrder[0]!.subarray(0, headerBytes(inOrder[0]!)), payload);
  view(whole).setUint16(2, whole.length);
  view(whole).setUint16(6, view(whole).getUint16(6) & 0x4000);
  const [said, ...numbers] = describeWhole(whole);
  return [`${said}, in fragments ${places}`, ...numbers];
}

function describeWhole(packet: Uint8Array): string[] {
  if (packet.length < 20 || packet[0]! >> 4 !== 4) return [withoutChoices(packet).toHex()];
  const proto = packet[9]!;
  const isSealed = [PROTO.esp, PROTO.ah, PROTO.comp].includes(proto) ||
    (proto === PROTO.udp && view(packet).getUint16(headerBytes(packet)) === 4500);
  if (proto === PROTO.ipip) {
    // What IPComp has not made shorter.
    const at = headerBytes(packet);
    return [`${withoutChoices(packet.slice(0, at)).toHex()} has ${withoutChoices(packet.slice(at)).toHex()}`];
  }
  const seal = isSealed && address(packet, 12) === "192.0.2.2" ? sealOf(address(packet, 16)) : undefined;
  if (seal === undefined) return [withoutChoices(packet).toHex()];
  const { header, seq, text } = seal.open(packet);
  // How short a text gets is its compressor's choice.
  if (proto === PROTO.comp) view(packet).setUint16(2, 0);
  const outer = withoutChoices(packet.slice(0, headerBytes(packet))).toHex();
  const inside = text === null ? "and a wrong ICV" : withoutChoices(text).toHex();
  return [
    `${outer} has ${header} ${inside}`,
    ...seq === null ? [] : [`SA ${header.slice(-8)} number ${seq}`],
  ];
}

/** Identification, unless DF is set, checksum and flow label 0 where an end chose them. */
function withoutChoices(packet: Uint8Array): Uint8Array {
  const same = packet.slice();
  if (packet.length >= 40 && packet[0]! >> 4 === 6 && OWN_ADDRESSES_V6.test(packet.subarray(8, 24).toHex())) {
    same.fill(0, 2, 4)[1]! &= 0xf0;
  }
  if (packet.length < 20 || packet[0]! >> 4 !== 4 || !OWN_ADDRESSES.test(address(packet, 12))) return same;
  view(same).setUint16(10, 0);
  if ((view(same).getUint16(6) & 0x4000) === 0) view(same).setUint16(4, 0);
  return same;
}
