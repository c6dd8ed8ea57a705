/** Receiving messages with recvmmsg straight into a slab: up to 64, each into a slot, or two that are long. */
import {
  ADDRESS_HI,
  ADDRESS_LO,
  type Batch,
  BATCH_PACKETS,
  COUNT,
  DATA,
  ESP_AT,
  INGRESS,
  LENGTH,
  NEXT_SLOT,
  OFFSET,
  OUTER_DST,
  OUTER_PROTO,
  OUTER_SRC,
  OUTER_TOS,
  REASON,
  SA,
  SLAB_BYTES,
  SLOT_BYTES,
  TAILROOM,
  UDP_PORTS,
} from "../datapath/batch.ts";
import { DropReason } from "../datapath/drop_reason.ts";
import { EAGAIN, EINTR, errno } from "./errno.ts";
import { libc } from "./libc.ts";
import { MESSAGES, type MmsgLayout, MmsgTable, MSG_DONTWAIT } from "./mmsg.ts";
import { pointerAt } from "./slab_pointers.ts";
import { MSG_CONTROLLEN, MSG_LEN } from "./struct_layout.ts";
import { SPILL_BYTES, SpillArea } from "./spill_area.ts";

/** A message of several packets of so many bytes: the next ones are likely to be as long. */
const LONG_BYTES = 16_384;
/** Half of a slab's data: the longest UDP payload fits. */
const HALF_BYTES = (SLAB_BYTES - DATA) >> 1;
/** Where a message begins in its half: room for a vnet header before an inner packet. */
const HALF_AT = 16;
/** Fields that all packets of a message have in common. */
const SHARED_FIELDS = [OUTER_SRC, OUTER_DST, OUTER_TOS, UDP_PORTS, OUTER_PROTO, INGRESS] as const;

/**
 * A message that fits its slot stays where recvmmsg put it. One that does not (a jumbo or reassembled packet), or that
 * holds several packets (UDP_GRO), runs on into a private area, is completed there and copied to free slots; what
 * finds none waits for the next batch. Packets keep the order of the socket.
 *
 * While messages of many packets come, each gets half of a slab, and its packets stay there, one behind the other.
 */
export abstract class SlabReceiver {
  /** Messages received that wait for room in a batch: call receive() again before waiting for the descriptor. */
  pending = 0;
  readonly fd: number;
  protected readonly table: MmsgTable;
  /** Where a message begins inside its slot, and the bytes of it that the slot takes. */
  readonly #start: number;
  readonly #room: number;
  readonly #controlBytes: number;
  readonly #spill = new SpillArea();
  /** Messages that wait, oldest first: number, bytes, bytes of each packet, bytes of the first already delivered. */
  readonly #waiting = new Int32Array(MESSAGES);
  readonly #length = new Int32Array(MESSAGES);
  readonly #segment = new Int32Array(MESSAGES);
  #delivered = 0;
  /** Oldest waiting message. */
  #oldest = 0;
  /** Slab that the iovecs point at. */
  #lo = 0;
  #hi = 0;
  /** Slots that hold received messages while waiting ones are placed: from, and up to but not. */
  #gapStart = 0;
  #gapEnd = 0;
  /** Headers that the last recvmmsg wrote to. */
  #used = 0;
  /** Packets of the longest message of several packets in the last recvmmsg; 0: none was long. */
  #longest = 0;

  /** Messages of one recvmmsg at the most: what is not received into leaves its slot free. */
  readonly #messages: number;

  protected constructor(
    fd: number,
    start: number,
    name: MmsgLayout["name"],
    controlBytes: number,
    messages: number = MESSAGES,
  ) {
    this.fd = fd;
    this.#messages = messages;
    this.#start = start;
    this.#room = SLOT_BYTES - start;
    this.#controlBytes = controlBytes;
    this.table = new MmsgTable({ iovecs: 2, name, control: controlBytes });
    for (let m = 0; m < MESSAGES; m++) {
      this.table.setIovecLength(m, 0, this.#room);
      // The rest lands where it continues the part in the slot, once that is copied before it.
      this.#spill.aim(this.table, m, 1, this.#room);
    }
  }

  /**
   * Fills an empty batch: packets that waited, then those of one recvmmsg. Returns the number of packets in it; 0 when
   * there was nothing, -errno when the socket is of no use. Sets COUNT, NEXT_SLOT and every packet field.
   *
   * 1. Packets that waited come first; nothing else is received before they are gone.
   * 2. Point the iovecs at the slab's slots, unless they do already.
   * 3. recvmmsg.
   * 4. A message that fits its slot becomes a packet there.
   * 5. Any other is completed in the private area and copied to free slots: its own, when no message before it fits,
   *    and those that no message was received into. Once one waits, all later ones do.
   */
  receive(batch: Batch): number {
    const i32 = batch.i32;
    i32[COUNT] = 0;
    i32[NEXT_SLOT] = 0;
    if (this.pending > 0) {
      i32.fill(0, REASON, SA + BATCH_PACKETS);
      this.#placeWaiting(batch);
      return i32[COUNT];
    }
    if (this.#longest > 0) return this.#receiveLong(batch);
    this.#aim(i32[ADDRESS_LO], i32[ADDRESS_HI]);
    const received = this.#recvmmsg(batch, this.#messages);
    if (received <= 0) return received;
    let m = 0;
    while (m < received && !this.#fits(m)) this.#setSlotAside(batch, m++);
    this.#gapStart = m;
    this.#gapEnd = received;
    this.#placeWaiting(batch);
    for (; m < received; m++) {
      if (this.pending === 0 && i32[COUNT] < BATCH_PACKETS && this.#fits(m)) {
        this.#finish(batch, m, DATA + m * SLOT_BYTES, this.#bytes(m));
      } else {
        this.#setSlotAside(batch, m);
        this.#placeWaiting(batch);
      }
    }
    if (this.#gapStart < received && i32[NEXT_SLOT] < received) i32[NEXT_SLOT] = received;
    this.#gapStart = this.#gapEnd = 0;
    if (i32[COUNT] === 0) {
      // A jumbo packet before so many others that it found no room: all are set aside now, so every slot is free.
      i32[NEXT_SLOT] = 0;
      this.#placeWaiting(batch);
    }
    return i32[COUNT];
  }

  /** Returns the number of messages, 0 when there was none, or -errno. Zeroes the packet fields when there was one. */
  #recvmmsg({ i32 }: Batch, messages: number): number {
    const received = libc.recvmmsg(this.fd, this.table.pointers[0], messages, MSG_DONTWAIT, null);
    if (received > 0) {
      this.#used = received;
      i32.fill(0, REASON, SA + BATCH_PACKETS);
      return received;
    }
    const error = errno();
    return received === 0 || error === EAGAIN || error === EINTR ? 0 : -error;
  }

  /**
   * Fills an empty batch as receive() does, with one or two messages.
   *
   * 1. Point the iovecs at the halves of the slab. The second is used only when two messages like the last ones fit a
   *    batch.
   * 2. recvmmsg.
   * 3. Packets stay where they are. A message that is too much for the batch waits in the private area.
   * 4. When neither was long, slots serve better.
   */
  #receiveLong(batch: Batch): number {
    const i32 = batch.i32;
    this.#aimHalves(i32[ADDRESS_LO], i32[ADDRESS_HI]);
    const received = this.#recvmmsg(batch, 2 * this.#longest > BATCH_PACKETS ? 1 : 2);
    if (received <= 0) return received;
    this.#longest = 0;
    i32[NEXT_SLOT] = BATCH_PACKETS;
    for (let m = 0; m < received; m++) {
      const start = DATA + m * HALF_BYTES + HALF_AT;
      const length = this.#bytes(m);
      const segment = Math.max(this.segmentBytes(m, length), 1);
      const packets = Math.ceil(length / segment) || 1;
      this.#noteLong(length, packets);
      if (i32[COUNT] + packets <= BATCH_PACKETS) this.#finishAll(batch, m, start, length, segment, packets);
      else this.#setAside(m, pointerAt(batch, start), length);
    }
    if (i32[COUNT] === 0) {
      // More packets than a batch has.
      i32[NEXT_SLOT] = this.#gapStart = this.#gapEnd = 0;
      this.#placeWaiting(batch);
    }
    return i32[COUNT];
  }

  #noteLong(length: number, packets: number): void {
    if (packets > 1 && length >= LONG_BYTES) this.#longest = Math.max(this.#longest, packets);
  }

  /** Makes packets of message `m`, at byte `start`, where they are. */
  #finishAll(
    batch: Batch,
    m: number,
    start: number,
    length: number,
    segment: number,
    packets: number,
  ): void {
    const i32 = batch.i32;
    const first = i32[COUNT];
    const bytes = Math.min(segment, length);
    const rest = this.land(batch, first, m, start - ESP_AT, start, bytes);
    if (rest < 0) i32[REASON + first] = DropReason.InTruncated;
    i32[OFFSET + first] = start;
    i32[LENGTH + first] = Math.max(rest, 0);
    i32[COUNT] = first + packets;
    if (packets === 1) return;
    for (let f = 0; f < SHARED_FIELDS.length; f++) {
      const field = SHARED_FIELDS[f] + first;
      i32.fill(i32[field], field + 1, field + packets);
    }
    for (let k = 1; k < packets; k++) {
      i32[OFFSET + first + k] = start + k * segment;
      i32[LENGTH + first + k] = segment;
    }
    i32[LENGTH + first + packets - 1] = length - (packets - 1) * segment;
  }

  /**
   * Writes the fields of packet `index` from message `m`, whose `length` bytes begin at byte `start`, and moves the
   * packet so that it is at `slot` + ESP_AT. Returns the bytes from there on, or -1 for a malformed message.
   */
  protected abstract land(
    batch: Batch,
    index: number,
    m: number,
    slot: number,
    start: number,
    length: number,
  ): number;

  /** Bytes of each packet in message `m` of `length` bytes: the last may be shorter. */
  protected segmentBytes(_m: number, length: number): number {
    return length;
  }

  /** Bytes of message `m`, as recvmmsg said. */
  #bytes(m: number): number {
    return this.table.i32[m * MmsgTable.HEADER_WORDS + (MSG_LEN >> 2)];
  }

  /** Whether message `m` is one packet and all of it is in its slot. */
  #fits(m: number): boolean {
    const length = this.#bytes(m);
    return length <= this.#room && this.segmentBytes(m, length) >= length;
  }

  #finish(batch: Batch, m: number, slot: number, length: number): void {
    const i32 = batch.i32;
    const index = i32[COUNT];
    i32[COUNT] = index + 1;
    const rest = this.land(batch, index, m, slot, slot + this.#start, length);
    i32[OFFSET + index] = slot + ESP_AT;
    i32[LENGTH + index] = rest < 0 ? 0 : rest;
    if (rest < 0) i32[REASON + index] = DropReason.InTruncated;
  }

  /** Points the iovecs at a slab's slots, and gives back the room for control data that recvmmsg has changed. */
  #aim(lo: number, hi: number): void {
    const { table } = this;
    this.#restoreControl();
    if (lo === this.#lo && hi === this.#hi) return;
    for (let m = 0; m < MESSAGES; m++) table.setIovecBase(m, 0, lo, hi, DATA + m * SLOT_BYTES + this.#start);
    for (let m = 0; m < 2; m++) table.setIovecLength(m, 0, this.#room);
    this.#lo = lo;
    this.#hi = hi;
  }

  /** Points the iovecs of the first two messages at the halves of a slab. */
  #aimHalves(lo: number, hi: number): void {
    const { table } = this;
    this.#restoreControl();
    for (let m = 0; m < 2; m++) {
      table.setIovecBase(m, 0, lo, hi, DATA + m * HALF_BYTES + HALF_AT);
      table.setIovecLength(m, 0, HALF_BYTES - HALF_AT);
    }
    this.#lo = this.#hi = 0;
  }

  #restoreControl(): void {
    for (let m = 0; m < this.#used; m++) {
      this.table.i32[m * MmsgTable.HEADER_WORDS + (MSG_CONTROLLEN >> 2)] = this.#controlBytes;
    }
    this.#used = 0;
  }

  /** Copies what of message `m` is in its slot to the private area, where the rest is. */
  #setSlotAside(batch: Batch, m: number): void {
    const length = this.#bytes(m);
    this.#setAside(m, pointerAt(batch, DATA + m * SLOT_BYTES + this.#start), this.#room);
    this.#noteLong(length, this.segmentBytes(m, length) < length ? 2 : 1);
  }

  /** Lets message `m` wait in the private area, to which its first `bytes` bytes at `from` are copied. */
  #setAside(m: number, from: Deno.PointerObject, bytes: number): void {
    const length = this.#bytes(m);
    libc.memcpy(this.#spill.pointerAt(m, 0, 0), from, bytes);
    if (this.pending === 0) this.#oldest = 0;
    const last = this.#oldest + this.pending++;
    this.#waiting[last] = m;
    this.#length[last] = Math.min(length, SPILL_BYTES);
    this.#segment[last] = Math.max(this.segmentBytes(m, length), 1);
  }

  #slotsFor(bytes: number): number {
    return (this.#start + bytes + TAILROOM + SLOT_BYTES - 1) >>> 11;
  }

  /** First slot from `slot` on behind which `bytes` can lie without meeting a received message. */
  #freeSlot(slot: number, bytes: number): number {
    return slot < this.#gapEnd && slot + this.#slotsFor(bytes) > this.#gapStart ? this.#gapEnd : slot;
  }

  /** Whether a message of several packets is better begun in an empty batch: what is joined later comes whole then. */
  #shouldWait(count: number, length: number, segment: number): boolean {
    return count > 0 && segment < length && segment * (BATCH_PACKETS - count) < length;
  }

  /** Copies packets of waiting messages into free slots, in order, for as long as there is room. */
  #placeWaiting(batch: Batch): void {
    const i32 = batch.i32;
    while (this.pending > 0) {
      const m = this.#waiting[this.#oldest];
      const length = this.#length[this.#oldest];
      const segment = this.#segment[this.#oldest];
      if (this.#delivered === 0 && this.#shouldWait(i32[COUNT], length, segment)) return;
      do {
        const bytes = Math.min(segment, length - this.#delivered);
        const first = this.#freeSlot(i32[NEXT_SLOT], bytes);
        const next = first + this.#slotsFor(bytes);
        if (i32[COUNT] === BATCH_PACKETS || next > BATCH_PACKETS) return;
        i32[NEXT_SLOT] = next;
        const slot = DATA + first * SLOT_BYTES;
        const from = this.#spill.pointerAt(m, this.#delivered, segment);
        libc.memcpy(pointerAt(batch, slot + this.#start), from, bytes);
        this.#finish(batch, m, slot, bytes);
        this.#delivered += bytes;
      } while (this.#delivered < length);
      this.#delivered = 0;
      this.#oldest++;
      this.pending--;
    }
  }
}
