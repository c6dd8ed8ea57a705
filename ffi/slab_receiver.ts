/** Receiving up to 64 packets with one recvmmsg, each straight into its slot of a slab. */
import {
  ADDRESS_HI,
  ADDRESS_LO,
  type Batch,
  BATCH_PACKETS,
  COUNT,
  DATA,
  ESP_AT,
  LENGTH,
  NEXT_SLOT,
  OFFSET,
  REASON,
  SA,
  SLOT_BYTES,
  TAILROOM,
} from "../datapath/batch.ts";
import { DropReason } from "../datapath/drop_reason.ts";
import { EAGAIN, EINTR, errno } from "./errno.ts";
import { libc } from "./libc.ts";
import { MESSAGES, MmsgTable, MSG_DONTWAIT } from "./mmsg.ts";
import { MSG_CONTROLLEN, MSG_LEN, type NativeTable, nativeTable, storeAddress } from "./struct_layout.ts";

/** Longest message: an IPv4 packet. */
const MAX_MESSAGE = 65536;

/**
 * One message per slot. What does not fit its slot (a jumbo or reassembled packet) runs on into a private area, and is
 * put together behind the others, in as many slots as it needs; what finds no room waits for the next batch.
 */
export abstract class SlabReceiver {
  /** Messages received that wait for room in a batch: call receive() again before waiting for the descriptor. */
  pending = 0;
  readonly fd: number;
  protected readonly table: MmsgTable;
  /** Where a message begins inside its slot. */
  readonly #start: number;
  /** Bytes of a message that its slot takes. */
  readonly #room: number;
  readonly #controlBytes: number;
  /** MESSAGES places of MAX_MESSAGE bytes; the pages that no long message touched cost nothing. */
  readonly #spill: NativeTable = nativeTable(MESSAGES * MAX_MESSAGE);
  /** Messages that wait in #spill, oldest first, and their lengths. */
  readonly #waiting = new Int32Array(MESSAGES);
  readonly #waitingLength = new Int32Array(MESSAGES);
  /** Slab that the iovecs point at. */
  #lo = 0;
  #hi = 0;
  /** Headers that the last recvmmsg wrote to. */
  #used = 0;

  protected constructor(fd: number, start: number, name: boolean, controlBytes: number) {
    this.fd = fd;
    this.#start = start;
    this.#room = SLOT_BYTES - start;
    this.#controlBytes = controlBytes;
    this.table = new MmsgTable({ iovecs: 2, name, control: controlBytes });
    const { table } = this;
    const { lo, hi } = this.#spill;
    for (let m = 0; m < MESSAGES; m++) {
      const iov = table.iov + m * table.iovWords;
      table.i32[iov + 2] = this.#room;
      // The rest lands where it continues the part in the slot, once that is copied before it.
      storeAddress(table.i32, iov + 4, lo, hi, m * MAX_MESSAGE + this.#room);
      table.i32[iov + 6] = MAX_MESSAGE - this.#room;
    }
  }

  /**
   * Fills an empty batch: packets that waited, then those of one recvmmsg. Returns the number of packets in it; 0 when
   * there was nothing, -errno when the socket is of no use. Sets COUNT, NEXT_SLOT and every packet field.
   *
   * 1. Packets that waited come first; if some still do, stop there.
   * 2. Point the iovecs at the slab's slots, unless they do already.
   * 3. recvmmsg.
   * 4. Each message that fits its slot becomes a packet.
   * 5. Each that does not is completed in the private area, then appended to the batch where there is room.
   */
  receive(batch: Batch): number {
    const i32 = batch.i32;
    i32.fill(0, REASON, SA + BATCH_PACKETS);
    i32[COUNT] = 0;
    i32[NEXT_SLOT] = 0;
    if (this.pending > 0) {
      this.#placeWaiting(batch);
      return i32[COUNT];
    }
    this.#aim(i32[ADDRESS_LO], i32[ADDRESS_HI]);
    this.#rearm();
    const received = libc.recvmmsg(this.fd, this.table.pointers[0], MESSAGES, MSG_DONTWAIT, null);
    if (received <= 0) {
      const error = errno();
      return received === 0 || error === EAGAIN || error === EINTR ? 0 : -error;
    }
    this.#used = received;
    const headers = this.table.i32;
    for (let m = 0; m < received; m++) {
      const length = headers[m * MmsgTable.HEADER_WORDS + (MSG_LEN >> 2)];
      if (length > this.#room) this.#setAside(batch, m, length);
      else this.#finish(batch, m, DATA + m * SLOT_BYTES, length);
    }
    i32[NEXT_SLOT] = received;
    if (this.pending > 0) this.#placeWaiting(batch);
    return i32[COUNT];
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

  #finish(batch: Batch, m: number, slot: number, length: number): void {
    const i32 = batch.i32;
    const index = i32[COUNT];
    i32[COUNT] = index + 1;
    const rest = this.land(batch, index, m, slot, slot + this.#start, length);
    i32[OFFSET + index] = slot + ESP_AT;
    i32[LENGTH + index] = rest < 0 ? 0 : rest;
    if (rest < 0) i32[REASON + index] = DropReason.InTruncated;
  }

  #aim(lo: number, hi: number): void {
    if (lo === this.#lo && hi === this.#hi) return;
    const { i32, iov, iovWords } = this.table;
    for (let m = 0; m < MESSAGES; m++) {
      storeAddress(i32, iov + m * iovWords, lo, hi, DATA + m * SLOT_BYTES + this.#start);
    }
    this.#lo = lo;
    this.#hi = hi;
  }

  /** Gives back the room for control data that recvmmsg replaced by what it used. */
  #rearm(): void {
    if (this.#controlBytes === 0) return;
    const { i32 } = this.table;
    for (let m = 0; m < this.#used; m++) {
      i32[m * MmsgTable.HEADER_WORDS + (MSG_CONTROLLEN >> 2)] = this.#controlBytes;
    }
    this.#used = 0;
  }

  #setAside(batch: Batch, m: number, length: number): void {
    const from = DATA + m * SLOT_BYTES + this.#start;
    this.#spill.u8.set(batch.u8.subarray(from, from + this.#room), m * MAX_MESSAGE);
    this.#waiting[this.pending] = m;
    this.#waitingLength[this.pending] = length;
    this.pending++;
  }

  /** Appends waiting messages to the batch, oldest first, for as long as there is room. Allocates: jumbos are rare. */
  #placeWaiting(batch: Batch): void {
    const i32 = batch.i32;
    let placed = 0;
    for (; placed < this.pending; placed++) {
      const m = this.#waiting[placed];
      const length = Math.min(this.#waitingLength[placed], MAX_MESSAGE);
      const first = i32[NEXT_SLOT];
      const next = first + Math.ceil((this.#start + length + TAILROOM) / SLOT_BYTES);
      if (i32[COUNT] === BATCH_PACKETS || next > BATCH_PACKETS) break;
      i32[NEXT_SLOT] = next;
      const slot = DATA + first * SLOT_BYTES;
      const at = m * MAX_MESSAGE;
      batch.u8.set(this.#spill.u8.subarray(at, at + length), slot + this.#start);
      this.#finish(batch, m, slot, length);
    }
    this.#waiting.copyWithin(0, placed, this.pending);
    this.#waitingLength.copyWithin(0, placed, this.pending);
    this.pending -= placed;
  }
}
