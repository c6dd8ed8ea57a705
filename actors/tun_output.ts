/** Writes what comes out of tunnels, joined where it can be. One serves all tunnels of a worker, one after another. */
import type { Batch } from "../datapath/batch.ts";
import { Coalescer, type CoalesceSink } from "../datapath/offload/coalesce.ts";
import { slabSum } from "../datapath/offload/slab_sum.ts";
import { gmpSlabSum } from "../ffi/gmp_sum.ts";
import { TunWriter } from "../ffi/tun_queue.ts";

export class TunOutput implements CoalesceSink {
  readonly #coalescer = new Coalescer(this, true, gmpSlabSum() ?? slabSum);
  readonly #writer = new TunWriter(this.#coalescer.headers);
  /** Packets that the device refused since begin(). */
  refused = 0;

  /** What is added from now on goes to the device of `fd`. */
  begin(fd: number): void {
    this.#writer.fd = fd;
    this.refused = 0;
  }

  add(batch: Batch, i: number): void {
    this.#coalescer.add(batch, i);
  }

  /** Writes what is still held back; to be called before the batch goes away. */
  end(): void {
    this.#coalescer.flush();
  }

  writePacket(batch: Batch, offset: number, length: number): void {
    if (this.#writer.writeSlab(batch, offset, length) < 0) this.refused++;
  }

  writeSuperPacket(batch: Batch, offset: number, headerBytes: number, part: number, packets: number): void {
    const { parts } = this.#coalescer;
    if (this.#writer.writeGathered(batch, offset, headerBytes, parts, part, packets) < 0) {
      this.refused += packets;
    }
  }
}
