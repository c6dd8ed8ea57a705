/**
 * A batch: up to 64 packets in one slab of memory, the unit that actors exchange.
 *
 * The slab carries everything a receiver needs, because nothing else crosses a worker:
 *
 *     word 0..31     header: envelope of the runtime, then the fields that all packets share
 *     32 + f * 64    one array of 64 words for each packet field f (structure of arrays)
 *     DATA           64 slots of 2048 bytes
 *
 * A packet starts in a slot and may run on into the slots behind it (a jumbo packet); `NEXT_SLOT` is the first free
 * one. Packets don't share a slot, but for those that the kernel delivered as one message: they lie one behind the
 * other, as they came, and no slot is free then.
 */

/** Packets in one batch. */
export const BATCH_PACKETS = 64;
/** Bytes of one slot. */
export const SLOT_BYTES = 2048;
/** Bytes kept free before an inner packet: outer IPv4 20, UDP 8, ESP 8, IV 16, and as much again for nesting. */
export const HEADROOM = 128;
/** Bytes kept free behind a packet: padding to a block of 16, pad length, next header, ICV of at most 32 bytes. */
export const TAILROOM = 64;
/** Where a received ESP header starts, when it has a slot: an IPv4 header without options fits before it. */
export const ESP_AT = 64;

// Header words. The runtime owns the first four and knows nothing of the others.
/** Actor the batch is for. */
export const TO = 0;
/** What the receiver shall do with it (actors/messages.ts). */
export const KIND = 1;
/** Actor whose pool the slab came from. */
export const OWNER = 2;
/** Epoch in which the worker of that pool started; 0 once the pool has given the slab up. */
export const EPOCH = 3;
/** Address of the slab in memory, low and high 32 bits, the same in every worker. */
export const ADDRESS_LO = 4;
export const ADDRESS_HI = 5;
/** Number of packets. */
export const COUNT = 6;
/** First slot that no packet uses. */
export const NEXT_SLOT = 7;
/** Outgoing: tunnel actor whose device the packets were routed into. */
export const TUNNEL = 8;
/** Outgoing: o_key of the tunnel, host order. */
export const OKEY = 9;
/** Outgoing: local and remote address of the tunnel, as u32 in host order; 0 is "any". */
export const LOCAL = 10;
export const REMOTE = 11;
/** Outgoing: ifindex and MTU of the device. */
export const IFINDEX = 12;
export const DEVICE_MTU = 13;
/** Outgoing: ifindex of LINK, 0 when unbound. */
export const LINK = 14;
/** Packet that a stage is at, 0 between stages: after a throw it says which one it was. */
export const CURSOR = 15;

const HEADER_WORDS = 32;
const field = (n: number): number => HEADER_WORDS + n * BATCH_PACKETS;

// Packet fields: word of packet i is `i32[FIELD + i]`.
/** Byte offset of the packet's first byte in the slab. Outgoing: the inner packet, then the outer one. Incoming: the
 * ESP header (see OUTER_AT), then the inner packet. */
export const OFFSET = field(0);
/** Bytes of the packet at OFFSET. */
export const LENGTH = field(1);
/** DropReason, 0 while the packet is on its way. */
export const REASON = field(2);
/** What the reason needs: MTU to report for a packet that is too big. */
export const INFO = field(3);
/** Incoming: tunnel actor that the packet is for; 0 none (yet). */
export const PACKET_TUNNEL = field(4);
/** Incoming: i_key of that tunnel, host order. */
export const IKEY = field(5);
/** Incoming: outer source and destination, u32 host order. Outgoing after encapsulation: the same of the outer packet. */
export const OUTER_SRC = field(6);
export const OUTER_DST = field(7);
/** Outer TOS byte. */
export const OUTER_TOS = field(8);
/** UDP source port << 16 | destination port of an encapsulated packet; 0 for raw ESP. */
export const UDP_PORTS = field(9);
/** Outgoing: 1 when the outer packet has DF set. */
export const OUTER_DF = field(10);
/** Incoming, in the same words: bytes of the IPv4 header right before OFFSET; 0 where no header was received (UDP). */
export const OUTER_HEADER = OUTER_DF;
/** Outer protocol: 50 ESP (incoming: also inside UDP), 17 UDP, 51 AH, 108 IPComp, 4 IPIP, 41 IPv6. */
export const OUTER_PROTO = field(11);
/** Ingress ifindex of a received packet, 0 when not known. */
export const INGRESS = field(12);
/** Length of the inner packet: what counters count. */
export const INNER_LENGTH = field(13);
/** Outgoing: MTU of the outer route, for the decision to fragment. */
export const PATH_MTU = field(14);
/** Incoming, in the same words: encapsulation type of a packet in UDP (xfrm/xfrm_mtu.ts), 0 for a bare one. */
export const ENCAP = PATH_MTU;
/** SA the packet was handled by (its number in the SA table), 0 none. */
export const SA = field(15);

/** Incoming: ifindex of the tunnel's device, 0 where it lives in another namespace than its SAs. */
export const IN_IFINDEX = field(16);

const FIELDS = 17;
/** Byte offset of slot 0. */
export const DATA = 8192;
/** Bytes of a slab. */
export const SLAB_BYTES = DATA + BATCH_PACKETS * SLOT_BYTES;

if ((HEADER_WORDS + FIELDS * BATCH_PACKETS) * 4 > DATA) throw new Error("Batch fields overlap the data area");

/** The memory of a batch, with what ffi/ keeps for it (slab_pointers.ts); opaque here. */
export interface BatchSlab {
  readonly id: number;
  readonly memory: SharedArrayBuffer;
  wrap(): Batch;
}

/** Of batches that neither other workers nor native code see, each in memory of its own. */
const NO_SLAB: BatchSlab = {
  id: 0,
  memory: new SharedArrayBuffer(0),
  wrap: () => new Batch(new ArrayBuffer(SLAB_BYTES)),
};

/** Views of one slab. Made once per slab and hop, never per packet. */
export class Batch {
  readonly slab: BatchSlab;
  readonly buffer: ArrayBuffer;
  readonly i32: Int32Array;
  readonly u8: Uint8Array;
  readonly view: DataView;

  constructor(buffer: ArrayBuffer, slab: BatchSlab = NO_SLAB) {
    this.slab = slab;
    this.buffer = buffer;
    this.i32 = new Int32Array(buffer, 0, DATA >> 2);
    this.u8 = new Uint8Array(buffer);
    this.view = new DataView(buffer);
  }

  get count(): number {
    return this.i32[COUNT];
  }

  /** Forgets the packets; the envelope stays. */
  clear(): void {
    this.i32[COUNT] = 0;
    this.i32[NEXT_SLOT] = 0;
  }

  /**
   * Makes room for a packet of `length` bytes, HEADROOM before and TAILROOM behind it.
   * Returns its index, or -1 when the batch is full. OFFSET and LENGTH are set, every other field is 0.
   */
  append(length: number): number {
    const i32 = this.i32;
    const index = i32[COUNT];
    const slot = i32[NEXT_SLOT];
    const next = slot + slotsFor(length);
    if (index === BATCH_PACKETS || next > BATCH_PACKETS) return -1;
    i32[COUNT] = index + 1;
    i32[NEXT_SLOT] = next;
    for (let f = REASON; f <= SA; f += BATCH_PACKETS) i32[f + index] = 0;
    i32[OFFSET + index] = DATA + slot * SLOT_BYTES + HEADROOM;
    i32[LENGTH + index] = length;
    i32[INNER_LENGTH + index] = length;
    return index;
  }
}

/** Slots that a packet of `length` bytes takes. */
export function slotsFor(length: number): number {
  return (HEADROOM + length + TAILROOM + SLOT_BYTES - 1) >>> 11;
}
