/** Records, packets and a cipher without crypto, for tests and benches of the datapath. */
import {
  Batch,
  COUNT,
  DATA,
  DEVICE_MTU,
  ENCAP,
  ESP_AT,
  IFINDEX,
  IKEY,
  LENGTH,
  LOCAL,
  NEXT_SLOT,
  OFFSET,
  OKEY,
  OUTER_DST,
  OUTER_HEADER,
  OUTER_PROTO,
  OUTER_SRC,
  OUTER_TOS,
  PACKET_TUNNEL,
  REMOTE,
  SLAB_BYTES,
  SLOT_BYTES,
  UDP_PORTS,
} from "../batch.ts";
import type { AuthTransform } from "../ah/auth.ts";
import { XFRM_MIB, type XfrmMib } from "../drop_reason.ts";
import type { CryptoBackend, EspTransform, EspTransformSpec } from "../esp/aead.ts";
import type { Compressor } from "../ipcomp/compressor.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as ipv6 from "../wire/ipv6.ts";
import type { RouteLookup, RouteResult } from "./route_lookup.ts";
import { makeXfrmCells } from "./xfrm_cells.ts";
import { ENCAP_ESPINUDP } from "./xfrm_mtu.ts";
import {
  AF_INET,
  type Family,
  IPPROTO_ESP,
  IPPROTO_UDP,
  type LifetimeRecord,
  type SelectorRecord,
  type TemplateRecord,
  type XfrmPolicyRecord,
  type XfrmStateRecord,
} from "./xfrm_record.ts";
import { XfrmTable } from "./xfrm_table.ts";

/** "192.0.2.1" as an unsigned number in host order. */
export function ip(text: string): number {
  return text.split(".").reduce((n, byte) => n * 256 + Number(byte), 0);
}

export const L = ip("192.0.2.2");
export const R = ip("192.0.2.1");
export const KEY = 7;
export const SPI_OUT = 0x2002;
export const SPI_IN = 0x1001;

/**
 * Encrypts by XOR with a byte of SPI and sequence number, and authenticates by a sum over everything: wrong as
 * crypto, right as a witness of what was covered, and cheap.
 */
export class FakeTransform implements EspTransform {
  destroyed = false;
  constructor(
    readonly ivLength: number,
    readonly icvLength: number,
    readonly blockSize: number,
    readonly sum: boolean = true,
  ) {}

  seal(batch: Batch, esp: number, length: number, seqHi: number): boolean {
    const start = esp + 8 + this.ivLength;
    batch.u8.fill(0xa5, esp + 8, start);
    if (!this.sum) return true;
    for (let i = start; i < start + length; i++) batch.u8[i] ^= 0x5a;
    this.#icv(batch, esp, length, seqHi, start + length);
    return true;
  }

  open(batch: Batch, esp: number, length: number, seqHi: number): boolean {
    return !this.sum || this.#verify(batch, esp, length, seqHi);
  }

  destroy(): void {
    this.destroyed = true;
  }

  #verify(batch: Batch, esp: number, length: number, seqHi: number): boolean {
    const start = esp + 8 + this.ivLength;
    const sent = batch.u8.slice(start + length, start + length + this.icvLength);
    this.#icv(batch, esp, length, seqHi, start + length);
    if (sent.some((b, i) => b !== batch.u8[start + length + i])) return false;
    for (let i = start; i < start + length; i++) batch.u8[i] ^= 0x5a;
    return true;
  }

  #icv(batch: Batch, esp: number, length: number, seqHi: number, at: number): void {
    let h = seqHi ^ 0x1234567;
    for (let i = esp; i < esp + 8 + this.ivLength + length; i++) h = Math.imul(h ^ batch.u8[i], 0x01000193);
    for (let i = 0; i < this.icvLength; i++) batch.u8[at + i] = h >>> (8 * (i & 3));
  }
}

/** The MAC of AH: a sum as well. */
class FakeAuth implements AuthTransform {
  constructor(readonly icvLength: number, readonly fullLength: number, readonly esn: boolean) {}

  sign(batch: Batch, at: number, length: number, icv: number, seqHi: number): boolean {
    batch.u8.set(this.#icv(batch, at, length, seqHi), icv);
    return true;
  }

  verify(batch: Batch, at: number, length: number, icv: number, seqHi: number): boolean {
    const sent = batch.u8.slice(icv, icv + this.icvLength);
    batch.u8.fill(0, icv, icv + this.icvLength);
    return this.#icv(batch, at, length, seqHi).every((byte, i) => byte === sent[i]);
  }

  destroy(): void {}

  #icv(batch: Batch, at: number, length: number, seqHi: number): Uint8Array {
    let h = this.esn ? seqHi ^ 0x7654321 : 0x1234567;
    for (let i = at; i < at + length; i++) h = Math.imul(h ^ batch.u8[i], 0x01000193);
    return Uint8Array.from({ length: this.icvLength }, (_, i) => h >>> (8 * (i & 3)));
  }
}

/** `sum` false leaves out the checksum as well: what remains is the datapath's own cost. */
export function fakeBackend(
  iv = 8,
  icv = 16,
  block = 4,
  sum = true,
): CryptoBackend & { made: FakeTransform[] } {
  const made: FakeTransform[] = [];
  return {
    name: "noble",
    made,
    create(spec: EspTransformSpec) {
      if (spec.aead?.name === "unknown") return { errno: "ENOSYS", message: "unknown algorithm" };
      const transform = new FakeTransform(iv, icv, block, sum);
      made.push(transform);
      return transform;
    },
    createAuth: ({ auth, esn }) =>
      auth.name === "unknown"
        ? { errno: "ENOSYS", message: "unknown algorithm" }
        : new FakeAuth(auth.truncBits / 8, 32, esn),
  };
}

/** Runs of one byte become that byte and their length less one: no DEFLATE, but of the same kind. */
export class FakeCompressor implements Compressor {
  #result: number[] = [];

  deflate(batch: Batch, at: number, length: number): number {
    this.#result = [];
    for (let i = at; i < at + length;) {
      let run = 1;
      while (run < 256 && i + run < at + length && batch.u8[i + run] === batch.u8[i]) run++;
      this.#result.push(batch.u8[i], run - 1);
      i += run;
    }
    return this.#result.length;
  }

  inflate(batch: Batch, at: number, length: number, most: number): number {
    if (length % 2 !== 0) return -1;
    this.#result = [];
    for (let i = at; i < at + length; i += 2) {
      for (let run = batch.u8[i + 1]; run >= 0; run--) this.#result.push(batch.u8[i]);
      if (this.#result.length > most) return -1;
    }
    return this.#result.length;
  }

  take(batch: Batch, at: number): void {
    batch.u8.set(this.#result, at);
  }
}

/** A route that is the same for everybody; counts how often it was asked. */
export class FakeRoutes implements RouteLookup {
  readonly result: RouteResult = { errno: 0, oif: 2, mtu: 1500, src: L | 0, gateway: 0, hopLimit: 0 };
  asked: number[][] = [];
  lookup(dst: number, src: number, tos: number, mark: number): RouteResult {
    this.asked.push([dst >>> 0, src >>> 0, tos, mark >>> 0]);
    return this.result;
  }
}

export interface TestTable {
  readonly table: XfrmTable;
  readonly routes: FakeRoutes;
  mib(): Partial<Record<XfrmMib, number>>;
}

export function makeTable(backend: CryptoBackend = fakeBackend()): TestTable {
  const cells = new Float64Array(new SharedArrayBuffer(XFRM_MIB.length * 8));
  const routes = new FakeRoutes();
  const compressor = new FakeCompressor();
  const table = new XfrmTable({ backend, compressor, routes, mib: cells, ipDefaultTtl: 64 });
  table.now = 1_700_000_000;
  const mib = () =>
    Object.fromEntries(XFRM_MIB.map((name, i) => [name, cells[i]]).filter(([, n]) => n !== 0));
  return { table, routes, mib };
}

const FOREVER: LifetimeRecord = {
  softBytes: Infinity,
  hardBytes: Infinity,
  softPackets: Infinity,
  hardPackets: Infinity,
};

/** Everything of a family. */
export function anySelector(family: Family): SelectorRecord {
  const any = [0, 0, 0, 0] as const;
  return {
    family,
    saddr: any,
    prefixlenS: 0,
    daddr: any,
    prefixlenD: 0,
    proto: 0,
    sport: 0,
    sportMask: 0,
    dport: 0,
    dportMask: 0,
    ifindex: 0,
  };
}

/** Outgoing SA of the gateway L towards R; change what a test is about. */
export function stateRecord(change: Partial<XfrmStateRecord> = {}): XfrmStateRecord {
  return {
    number: 1,
    family: AF_INET,
    saddr: [L, 0, 0, 0],
    daddr: [R, 0, 0, 0],
    proto: IPPROTO_ESP,
    spi: SPI_OUT,
    mark: { value: KEY, mask: 0xffffffff },
    reqid: 0,
    mode: 1,
    flags: 0,
    extraFlags: 0,
    sel: anySelector(AF_INET),
    lifetime: FOREVER,
    addTime: 1000,
    replayWindow: 0,
    replayKind: "legacy",
    encapType: 0,
    encapSport: 0,
    encapDport: 0,
    outputMark: null,
    tfcpad: 0,
    transform: {
      aead: { name: "rfc4106(gcm(aes))", key: new Uint8Array(20).fill(7), icvBits: 128 },
      esn: false,
    },
    inputRefused: false,
    cells: makeXfrmCells(),
    ...change,
  };
}

/** Incoming SA of the gateway L, from R. */
export function inStateRecord(change: Partial<XfrmStateRecord> = {}): XfrmStateRecord {
  return stateRecord({
    number: 2,
    saddr: [R, 0, 0, 0],
    daddr: [L, 0, 0, 0],
    spi: SPI_IN,
    replayWindow: 32,
    ...change,
  });
}

export function templateRecord(change: Partial<TemplateRecord> = {}): TemplateRecord {
  return {
    family: AF_INET,
    saddr: [L, 0, 0, 0],
    daddr: [R, 0, 0, 0],
    proto: IPPROTO_ESP,
    spi: 0,
    reqid: 0,
    mode: 1,
    optional: false,
    ...change,
  };
}

/** Outgoing policy of the tunnel's mark for IPv4. */
export function policyRecord(change: Partial<XfrmPolicyRecord> = {}): XfrmPolicyRecord {
  return {
    index: 9,
    dir: 1,
    type: 0,
    family: AF_INET,
    sel: anySelector(change.family ?? AF_INET),
    mark: { value: KEY, mask: 0xffffffff },
    block: false,
    priority: 0,
    order: 1,
    templates: [templateRecord()],
    cells: new SharedArrayBuffer(16),
    ...change,
  };
}

/** Incoming policy of the tunnel's mark for IPv4. */
export function inPolicyRecord(change: Partial<XfrmPolicyRecord> = {}): XfrmPolicyRecord {
  const from = templateRecord({ saddr: [R, 0, 0, 0], daddr: [L, 0, 0, 0] });
  return policyRecord({ index: 8, dir: 0, templates: [from], ...change });
}

/** A batch as a tunnel actor sends it: tunnel from L to R with KEY, MTU 1480, ifindex 10. */
export function outBatch(...packets: Uint8Array[]): Batch {
  const batch = new Batch(new ArrayBuffer(SLAB_BYTES));
  const i32 = batch.i32;
  i32[OKEY] = KEY;
  i32[LOCAL] = L;
  i32[REMOTE] = R;
  i32[IFINDEX] = 10;
  i32[DEVICE_MTU] = 1480;
  for (const packet of packets) {
    const i = batch.append(packet.length);
    batch.u8.set(packet, i32[OFFSET + i]);
  }
  return batch;
}

/** A batch as a netns actor sends it: `packets` are outer IPv4 packets, their tunnel found. */
export function inBatch(...packets: Uint8Array[]): Batch {
  const batch = new Batch(new ArrayBuffer(SLAB_BYTES));
  for (const packet of packets) appendOuter(batch, packet);
  return batch;
}

export function appendOuter(batch: Batch, packet: Uint8Array): number {
  const { i32, view, u8 } = batch;
  const i = i32[COUNT]++;
  const slot = i32[NEXT_SLOT]++;
  const header = (packet[0] & 15) << 2;
  const start = DATA + slot * SLOT_BYTES + ESP_AT - header;
  u8.set(packet, start);
  const proto = u8[start + ipv4.PROTOCOL];
  const strip = header + (proto === IPPROTO_UDP ? 8 : 0);
  i32[OFFSET + i] = start + strip;
  i32[LENGTH + i] = packet.length - strip;
  i32[PACKET_TUNNEL + i] = 5;
  i32[IKEY + i] = KEY;
  i32[OUTER_SRC + i] = view.getInt32(start + ipv4.SRC);
  i32[OUTER_DST + i] = view.getInt32(start + ipv4.DST);
  i32[OUTER_TOS + i] = u8[start + ipv4.TOS];
  i32[OUTER_PROTO + i] = proto === IPPROTO_UDP ? IPPROTO_ESP : proto;
  i32[UDP_PORTS + i] = proto === IPPROTO_UDP ? view.getInt32(start + 20) : 0;
  i32[OUTER_HEADER + i] = proto === IPPROTO_UDP ? 0 : header;
  i32[ENCAP + i] = proto === IPPROTO_UDP ? ENCAP_ESPINUDP : 0;
  return i;
}

/** Bytes of packet `i`. */
export function packetOf(batch: Batch, i: number): Uint8Array {
  const at = batch.i32[OFFSET + i];
  return batch.u8.slice(at, at + batch.i32[LENGTH + i]);
}

/** An IPv4 packet of `length` bytes with protocol, TOS, DF and a payload that counts up. */
export function ipv4Packet(
  length: number,
  options: { proto?: number; tos?: number; df?: boolean; src?: string; dst?: string; ports?: number } = {},
): Uint8Array {
  const packet = Uint8Array.from({ length }, (_, i) => i);
  const view = new DataView(packet.buffer);
  const { proto = IPPROTO_UDP, tos = 0, df = true, src = "10.9.0.2", dst = "10.9.0.1", ports } = options;
  ipv4.emit(view, 0, tos, length, 0x4242, df ? ipv4.DF : 0, 64, proto, ip(src), ip(dst));
  if (ports !== undefined) view.setUint32(20, ports);
  return packet;
}

/** An IPv6 packet of `length` bytes, header included. */
export function ipv6Packet(length: number, options: { next?: number; tc?: number } = {}): Uint8Array {
  const packet = Uint8Array.from({ length }, (_, i) => i);
  ipv6.emit(new DataView(packet.buffer), 0, options.tc ?? 0, length - 40, options.next ?? 17, 64);
  return packet;
}
