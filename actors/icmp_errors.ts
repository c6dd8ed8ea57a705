/** Reads the ICMP errors of a namespace, and finds those that are about packets of a tunnel. */
import { type Batch, COUNT, INGRESS, LENGTH, OFFSET, REASON } from "../datapath/batch.ts";
import { DropReason } from "../datapath/drop_reason.ts";
import type { IpTunnelTable } from "../datapath/tunnel/ip_tunnel_lookup.ts";
import { type FragNeeded, vti4Err } from "../datapath/vti/vti4_err.ts";
import { MmsgReceiver } from "../ffi/raw_socket.ts";
import { newBatch } from "../ffi/slab_pointers.ts";

export class IcmpErrors {
  readonly #receiver: MmsgReceiver;
  readonly #batch: Batch = newBatch();
  readonly #tunnels: IpTunnelTable;

  /** `fd` is of openIcmpErrorSocket(). */
  constructor(fd: number, tunnels: IpTunnelTable) {
    this.#receiver = new MmsgReceiver(fd);
    this.#tunnels = tunnels;
  }

  /** Up to a batch of errors: who sends more of them has the rest wait, and be dropped by the socket. */
  read(): FragNeeded[] {
    const batch = this.#batch;
    const { i32, view } = batch;
    const reports: FragNeeded[] = [];
    if (this.#receiver.receive(batch) <= 0) return reports;
    for (let i = 0; i < i32[COUNT]; i++) {
      if (i32[REASON + i] !== DropReason.None) continue;
      const said: FragNeeded = { mark: 0, saddr: 0, daddr: 0, proto: 0, spi: 0, seq: 0, mtu: 0 };
      if (vti4Err(view, i32[OFFSET + i], i32[LENGTH + i], i32[INGRESS + i], this.#tunnels, said)) {
        reports.push(said);
      }
    }
    return reports;
  }
}
