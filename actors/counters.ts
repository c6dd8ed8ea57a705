/**
 * Counters that an actor publishes: Float64 cells in shared memory, exact up to 2^53, one writer, any reader.
 *
 * The gateway makes the memory and hands it to the actor, so that counters and sequence leases outlive a worker and
 * can be read without asking a busy one.
 */
import { DROP_ROWS } from "../datapath/drop_reason.ts";

/** Cells of a tunnel: struct rtnl_link_stats64 as far as vti uses it, then one cell per DropReason. */
export const TunnelCell = {
  rxPackets: 0,
  rxBytes: 1,
  rxErrors: 2,
  rxDropped: 3,
  txPackets: 4,
  txBytes: 5,
  txErrors: 6,
  txCarrierErrors: 7,
  txAbortedErrors: 8,
  collisions: 9,
  txDropped: 10,
  drops: 16,
} as const;
export const TUNNEL_CELLS: number = TunnelCell.drops + DROP_ROWS.length;

export function tunnelCounters(): Float64Array<SharedArrayBuffer> {
  return new Float64Array(new SharedArrayBuffer(TUNNEL_CELLS * 8));
}
