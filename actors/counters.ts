/**
 * Counters that an actor publishes: Float64 cells in shared memory, exact up to 2^53, one writer, any reader.
 *
 * The gateway makes the memory and hands its address to the actor, so that counters outlive a worker and can be read
 * without asking a busy one.
 */
import { type Batch, INNER_LENGTH, REASON } from "../datapath/batch.ts";
import { DROP_ROWS, type DropName } from "../datapath/drop_reason.ts";
import { type MemoryAddress, memoryAt } from "../ffi/shared_memory.ts";
import type { LinkStats } from "./gateway.ts";

export type Cells = Float64Array;

/** `count` cells in memory that all threads share. */
export function cellsAt(address: MemoryAddress, count: number): Cells {
  return new Float64Array(memoryAt(address, count * 8));
}

/** Cells of a tunnel: struct rtnl_link_stats64 as far as vti uses it, then one cell per DropReason. */
const RX_PACKETS = 0;
const RX_BYTES = 1;
const RX_ERRORS = 2;
const RX_DROPPED = 3;
const TX_PACKETS = 4;
const TX_BYTES = 5;
const TX_ERRORS = 6;
const TX_CARRIER_ERRORS = 7;
const TX_ABORTED_ERRORS = 8;
const COLLISIONS = 9;
/** Packets read from the device whose batch is not home yet. */
export const IN_FLIGHT = 10;
const DROPS = 16;
export const TUNNEL_CELLS: number = DROPS + DROP_ROWS.length;

/** What each DropReason adds to: up to two cells, -1 none. */
const CELLS_OF: readonly (readonly [number, number])[] = DROP_ROWS.map((row) => {
  switch (row.netdev) {
    case "rx":
      return [RX_ERRORS, RX_DROPPED];
    case "received":
      return [RX_PACKETS, -1];
    case "tx":
      return [TX_ERRORS, -1];
    case "carrier":
      return [TX_ERRORS, TX_CARRIER_ERRORS];
    case "collision":
      return [TX_ERRORS, COLLISIONS];
    case "aborted":
      return [TX_ERRORS, TX_ABORTED_ERRORS];
    case "":
      return [-1, -1];
  }
});
const FIRST = Int8Array.from(CELLS_OF, (c) => c[0]);
const SECOND = Int8Array.from(CELLS_OF, (c) => c[1]);

/** iptunnel_xmit_stats: a packet went out; inner length. */
export function countSent(cells: Cells, batch: Batch, i: number): void {
  cells[TX_PACKETS]++;
  cells[TX_BYTES] += batch.i32[INNER_LENGTH + i];
}

/** vti_rcv_cb: a packet came in; inner length. */
export function countReceived(cells: Cells, batch: Batch, i: number): void {
  cells[RX_PACKETS]++;
  cells[RX_BYTES] += batch.i32[INNER_LENGTH + i];
}

/** Counts packet i by its reason. */
export function countRefused(cells: Cells, batch: Batch, i: number): void {
  const reason = batch.i32[REASON + i];
  countReason(cells, reason, 1);
  if (FIRST[reason] === RX_PACKETS) cells[RX_BYTES] += batch.i32[INNER_LENGTH + i];
}

/** Counts packets that were refused: the cause, and what the device counts for it. */
export function countReason(cells: Cells, reason: number, packets: number): void {
  cells[DROPS + reason] += packets;
  const first = FIRST[reason];
  const second = SECOND[reason];
  if (first >= 0) cells[first] += packets;
  if (second >= 0) cells[second] += packets;
}

/** The cells as `ip -s -j link show` has them. */
export function linkStats(cells: Cells): LinkStats {
  return {
    rx: {
      bytes: cells[RX_BYTES],
      packets: cells[RX_PACKETS],
      errors: cells[RX_ERRORS],
      dropped: cells[RX_DROPPED],
      over_errors: 0,
      multicast: 0,
    },
    tx: {
      bytes: cells[TX_BYTES],
      packets: cells[TX_PACKETS],
      errors: cells[TX_ERRORS],
      dropped: 0,
      carrier_errors: cells[TX_CARRIER_ERRORS],
      collisions: cells[COLLISIONS],
      aborted_errors: cells[TX_ABORTED_ERRORS],
    },
  };
}

/** The causes that occurred. */
export function dropsByCause(cells: Cells): Partial<Record<DropName, number>> {
  const drops: Partial<Record<DropName, number>> = {};
  DROP_ROWS.forEach((row, reason) => {
    if (cells[DROPS + reason] > 0) drops[row.name as DropName] = cells[DROPS + reason];
  });
  return drops;
}
