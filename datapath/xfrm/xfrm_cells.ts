/**
 * The part of an SA that must outlive the worker that uses it: sequence leases, the replay window, counters.
 *
 * Shared memory made by the gateway; one writer (the SA-table actor), any reader. Float64 cells hold counts exactly
 * up to 2^53, Int32 cells hold the window and the leases (xfrm_lease.ts).
 */

/** Words of the replay bitmap: 4096 packets at the most. */
export const BITMAP_WORDS = 128;

// Float64 cells.
export const CELL_BYTES = 0;
export const CELL_PACKETS = 1;
/** When the first packet came (XfrmTable.now), 0 never. */
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
/** Leases taken so far, u32. */
export const WORD_LEASES = 0;
/** Highest sequence number accepted, low and high half. */
export const WORD_SEQ = 1;
export const WORD_SEQ_HI = 2;
/** Leases that may be taken, u32. Written by the gateway, which has then put a bound above them on disk. */
export const WORD_GRANTED = 3;
/** High halves that an SA was given which has none, without ESN: only to be shown. */
export const WORD_GIVEN_SEQ_HI = 4;
export const WORD_GIVEN_OSEQ_HI = 5;
export const WORD_BITMAP = 8;
const INT_CELLS = WORD_BITMAP + BITMAP_WORDS;
export const XFRM_CELLS_BYTES: number = FLOAT_CELLS * 8 + INT_CELLS * 4;

/** Cells of a policy: when it was used, and one that is spare. */
export const POLICY_CELLS_BYTES = 16;

/** Value of WORD_GRANTED where nothing outlives the process. */
const GRANTED_ALL = -1;

export interface XfrmCells {
  readonly f64: Float64Array;
  readonly i32: Int32Array;
}

/** Cells of an SA that no restart has to know of: every lease is granted. */
export function makeXfrmCells(): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(XFRM_CELLS_BYTES);
  viewXfrmCells(memory).i32[WORD_GRANTED] = GRANTED_ALL;
  return memory;
}

export function viewXfrmCells(cells: ArrayBufferLike): XfrmCells {
  return {
    f64: new Float64Array(cells, 0, FLOAT_CELLS),
    i32: new Int32Array(cells, FLOAT_CELLS * 8, INT_CELLS),
  };
}
