/** The gateway L and its peer R: records of their SAs and policies, their tables, batches and packets, for tests. */
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
  REASON,
  REMOTE,
  SLAB_BYTES,
  SLOT_BYTES,
  UDP_PORTS,
} from "../batch.ts";
import { DROP_ROWS, type DropName, XFRM_MIB, type XfrmMib } from "../drop_reason.ts";
import type { CryptoBackend } from "../esp/aead.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as ipv6 from "../wire/ipv6.ts";
import { fakeBackend, FakeCompressor } from "./transform_fixture.ts";
import { type RouteLookup, type RouteResult, RTN_LOCAL, type StackRoutes } from "./route_lookup.ts";
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
/** Ends of an SA from R to L. */
export const FROM_R = { saddr: [R, 0, 0, 0], daddr: [L, 0, 0, 0] } as const;

/** A route that is the same for everybody; counts how often it was asked. */
export class FakeRoutes implements RouteLookup, StackRoutes {
  /** Where the stack takes what comes in. */
  way: number = RTN_LOCAL;
  readonly result: RouteResult = { errno: 0, oif: 2, mtu: 1500, src: L | 0, gateway: 0, hopLimit: 0 };
  asked: number[][] = [];
  lookup(dst: number, src: number, tos: number, mark: number): RouteResult {
    this.asked.push([dst >>> 0, src >>> 0, tos, mark >>> 0]);
    return this.result;
  }
  input(): number {
    return this.way;
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
  const table = new XfrmTable({
    backend,
    compressor,
    routes,
    stackRoutes: routes,
    mib: cells,
    ipDefaultTtl: 64,
  });
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
  return stateRecord({ number: 2, ...FROM_R, spi: SPI_IN, replayWindow: 32, ...change });
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
  return policyRecord({ index: 8, dir: 0, templates: [templateRecord(FROM_R)], ...change });
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

/** The same as the peer's tunnel actor sends it, from R to L. */
export function peerBatch(...packets: Uint8Array[]): Batch {
  const batch = outBatch(...packets);
  batch.i32[LOCAL] = R;
  batch.i32[REMOTE] = L;
  return batch;
}

/** Lets the gateway's table receive packets; returns the batch as it is then. */
export function receive(gateway: TestTable, ...packets: Uint8Array[]): Batch {
  const batch = inBatch(...packets);
  gateway.table.receive(batch);
  return batch;
}

/** What became of packet `i`. */
export function reasonOf(batch: Batch, i = 0): DropName {
  return DROP_ROWS[batch.i32[REASON + i]].name as DropName;
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
