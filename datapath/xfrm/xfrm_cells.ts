/**
 * The part of an SA that must outlive the worker that uses it: sequence leases, the replay window, counters.
 *
 * Shared memory made by the gateway; one writer (the SA-table actor), any reader. Float64 cells hold counts exactly
 * up to 2^53, Int32 cells hold the window and the lease.
 *
 * Sequence numbers are leased in blocks of LEASE_PACKETS: an actor takes a block by one atomic add on LEASES and
 * uses only numbers inside it. A successor takes the next block, so that even an actor that was given up and wakes
 * again can't send a number twice (RFC 4303 §3.3.3).
 */

/** Sequence numbers of one lease. */
export const LEASE_PACKETS = 65536;
/** Words of the replay bitmap: 4096 packets at the most. */
export const BITMAP_WORDS = 128;

// Float64 cells.
export const CELL_BYTES = 0;
export const CELL_PACKETS = 1;
/** Seconds since 1970 of the first packet, 0 never. */
export const CELL_USE_TIME = 2;
/** xfrm_stats: out of window, replayed, ICV failures. */
export const CELL_REPLAY_WINDOW = 3;
export const CELL_REPLAY = 4;
export const CELL_FAILED = 5;
/** Last sequence number sent, as one number (hi * 2^32 + lo, exact up to 2^53). */
export const CELL_OSEQ = 6;
/** 0 valid, 1 dying (soft limit passed), 2 expired. */
export const CELL_EXPIRY = 7;
const FLOAT_CELLS = 8;

// Int32 cells, behind the Float64 ones.
/** Leases taken so far: the next lease starts at start + LEASES * LEASE_PACKETS. */
export const WORD_LEASES = 0;
/** Highest sequence number accepted, low and high half. */
export const WORD_SEQ = 1;
export const WORD_SEQ_HI = 2;
export const WORD_BITMAP = 8;
const INT_CELLS = WORD_BITMAP + BITMAP_WORDS;

export interface XfrmCells {
  readonly f64: Float64Array;
  readonly i32: Int32Array;
}

export function makeXfrmCells(): SharedArrayBuffer {
  return new SharedArrayBuffer(FLOAT_CELLS * 8 + INT_CELLS * 4);
}

export function viewXfrmCells(cells: SharedArrayBuffer): XfrmCells {
  return { f64: new Float64Array(cells, 0, FLOAT_CELLS), i32: new Int32Array(cells, FLOAT_CELLS * 8, INT_CELLS) };
}
