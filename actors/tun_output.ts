/** Writes what comes out of tunnels, joined where it can be. One serves all tunnels of a worker, one after another. */
import type { Batch } from "../datapath/batch.ts";
import { Coalescer, type CoalesceSink, FLOWS } from "../datapath/offload/coalesce.ts";
import { slabSum } from "../datapath/offload/slab_sum.ts";
import { gmpSlabSum } from "../ffi/gmp_sum.ts";
import { TunWriter } from "../ffi/tun_queue.ts";

export class TunOutput implements CoalesceSink {
  readonly #coalescer = new Coalescer(this, true, gmpSlabSum() ?? slabSum);
  readonly #writer = new TunWriter(this.#coalescer.headers);
  /** Packets that were added and not written so far. */
  #held = 0;
  /** Packets that the device refused, and packets at whose writing something threw, until taken(). */
  refused = 0;
  lost = 0;

  /** What is added from now on goes to the device of `fd`. */
  begin(fd: number): void {
    this.#writer.fd = fd;
  }

  /** What it throws may be another packet's fault, which is lost then; this one is not held in any case. */
  add(batch: Batch, i: number): void {
    this.#coalescer.add(batch, i);
    this.#held++;
  }

  /**
   * Writes what is still held back; to be called before the batch goes away. What can't be written is lost, and `threw`
   * hears why.
   */
  end(threw: (error: unknown) => void): void {
    // Each throw frees a flow.
    for (let flow = 0; flow < FLOWS; flow++) {
      try {
        this.#coalescer.flush();
        break;
      } catch (error) {
        threw(error);
      }
    }
    this.lost += this.#held;
    this.#held = 0;
  }

  /** The counts have been taken over. */
  taken(): void {
    this.refused = this.lost = 0;
  }

  writePacket(batch: Batch, offset: number, length: number): void {
    if (this.#writer.writeSlab(batch, offset, length) < 0) this.refused++;
    this.#held--;
  }

  writeSuperPacket(batch: Batch, offset: number, headerBytes: number, part: number, packets: number): void {
    const { parts } = this.#coalescer;
    if (this.#writer.writeGathered(batch, offset, headerBytes, parts, part, packets) < 0) {
      this.refused += packets;
    }
    this.#held -= packets;
  }
}
