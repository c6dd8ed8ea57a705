/** Sending up to 64 messages with one sendmmsg, each straight from its place in a slab. */
import { type Batch, CURSOR, INFO, REASON } from "../datapath/batch.ts";
import { DropReason } from "../datapath/drop_reason.ts";
import { EAGAIN, EINTR, ENOBUFS, ENOMEM, errno } from "./errno.ts";
import { libc } from "./libc.ts";
import { MESSAGES, type MmsgLayout, MmsgTable, MSG_DONTWAIT } from "./mmsg.ts";

/** Signals in a row after which a send counts as refused. */
const MAX_INTERRUPTS = 16;

export abstract class SlabSender {
  readonly fd: number;
  /** errno of the last packet that the kernel refused, 0 none so far. */
  lastErrno = 0;
  protected readonly table: MmsgTable;
  /** First and last packet that message m carries. */
  protected readonly first = new Uint8Array(MESSAGES);
  protected readonly last = new Uint8Array(MESSAGES);

  protected constructor(fd: number, layout: MmsgLayout) {
    this.fd = fd;
    this.table = new MmsgTable(layout);
  }

  /** Whether an errno for message `m` ends the flush: by default, when the socket is full. */
  protected stops(error: number, _m: number): boolean {
    return error === EAGAIN || error === ENOBUFS || error === ENOMEM;
  }

  /**
   * Sends messages 0 to `messages` - 1 of the table. Returns the first one not handled because of an error that
   * stops, or `messages`. A message that the kernel refuses for itself gets REASON OutError and
   * INFO errno, and the others go on. CURSOR follows: it is behind the last packet that was handled.
   *
   * Ends: each turn handles a message, returns, or counts an interrupt.
   */
  protected flush(batch: Batch, messages: number): number {
    let m = 0;
    let interrupts = 0;
    while (m < messages) {
      const sent = libc.sendmmsg(this.fd, this.table.pointers[m], messages - m, MSG_DONTWAIT);
      if (sent > 0) {
        m += sent;
        batch.i32[CURSOR] = this.last[m - 1] + 1;
        continue;
      }
      const error = errno();
      if (error === EINTR && interrupts++ < MAX_INTERRUPTS) continue;
      this.lastErrno = error;
      if (this.stops(error, m)) return m;
      refusePackets(batch, this.first[m], this.last[m], error);
      batch.i32[CURSOR] = this.last[m] + 1;
      m++;
    }
    return m;
  }
}

/** Gives packets `first` to `last` REASON OutError, with the errno in INFO. */
export function refusePackets(batch: Batch, first: number, last: number, error: number): void {
  const i32 = batch.i32;
  for (let i = first; i <= last; i++) {
    i32[REASON + i] = DropReason.OutError;
    i32[INFO + i] = error;
  }
}
