/**
 * Anti-replay (RFC 4303 §3.4.3 and appendix A; net/xfrm/xfrm_replay.c): legacy, bitmap and ESN.
 *
 * Order for a packet: check, then the ICV, then advance. The window lives in the SA's shared cells, so it outlives
 * the actor. W is the window's size, top the highest number accepted, d = top - s the distance of a number s.
 *
 * Legacy keeps bit d of one word for distance d. Bitmap and ESN keep a ring of W bits in which number s has bit
 * (s - 1) mod W. Halves of a number are 32-bit integers of either sign in arguments, so that none needs a heap number.
 * The kernel takes s modulo 2^32 there. For a window that is no power of two this puts elsewhere the bits of a first
 * packet, and of those behind each 2^32, and such a packet is taken twice; here the whole 64-bit number counts.
 */
import { CELL_REPLAY, CELL_REPLAY_WINDOW, WORD_BITMAP, WORD_SEQ, WORD_SEQ_HI } from "./xfrm_cells.ts";

export const REPLAY_LEGACY = 0;
export const REPLAY_BITMAP = 1;
export const REPLAY_ESN = 2;

/** Bits of the legacy window. */
const LEGACY_BITS = 32;
const TWO_32 = 0x1_0000_0000;

/** What the replay check needs of an SA. */
export interface ReplayState {
  readonly replayKind: number;
  readonly replayWindow: number;
  readonly f64: Float64Array;
  readonly i32: Int32Array;
}

/** True when a packet with the wire's 32 bits `seq` may be new; counts the reason when not. Changes no window. */
export function xfrmReplayCheck(x: ReplayState, seq: number): boolean {
  const w = x.replayWindow;
  if (w === 0) return true;
  return x.replayKind === REPLAY_ESN ? checkEsn(x, seq >>> 0, w) : check32(x, seq >>> 0, w);
}

/** High half of the number (RFC 4303 appendix A2.2); 0 without ESN. */
export function xfrmReplaySeqHi(x: ReplayState, seq: number): number {
  if (x.replayKind !== REPLAY_ESN) return 0;
  const s = seq >>> 0;
  const top = x.i32[WORD_SEQ] >>> 0;
  const hi = x.i32[WORD_SEQ_HI];
  const w = x.replayWindow;
  if (w === 0) return hi;
  const bottom = (top - w + 1) >>> 0;
  // |....bottom####top....|   the window lies in one block: what is below it belongs to the next block
  if (top >= w - 1) return (s < bottom ? hi + 1 : hi) | 0;
  // |####top......bottom##|   the window began in the block before
  return (s >= bottom ? hi - 1 : hi) | 0;
}

/**
 * Marks `seq` as seen. Only for packets whose ICV has passed.
 *
 * The process may be killed between any two of the writes, and the window goes on from there. So their order is such
 * that a number that was seen never looks new in between; a few new ones may look seen.
 */
export function xfrmReplayAdvance(x: ReplayState, seq: number, seqHi: number): void {
  if (x.replayWindow === 0) return;
  if (x.replayKind === REPLAY_LEGACY) advanceLegacy(x, seq >>> 0);
  else advanceRing(x, seq >>> 0, seqHi);
}

/** 32-bit numbers: no wrap, so after 0xffffffff only what is left of the window is taken. */
function check32(x: ReplayState, seq: number, w: number): boolean {
  if (seq === 0) return false;
  const top = x.i32[WORD_SEQ] >>> 0;
  if (seq > top) return true;
  const d = top - seq;
  const legacy = x.replayKind === REPLAY_LEGACY;
  if (d >= (legacy ? Math.min(w, LEGACY_BITS) : w)) return reject(x, CELL_REPLAY_WINDOW);
  const seen = legacy ? (x.i32[WORD_BITMAP] >>> d) & 1 : ringBit(x, ringPosition(0, seq, w));
  return seen === 0 || reject(x, CELL_REPLAY);
}

function checkEsn(x: ReplayState, seq: number, w: number): boolean {
  const top = x.i32[WORD_SEQ] >>> 0;
  if (seq === 0 && x.i32[WORD_SEQ_HI] === 0 && top < w - 1) return false;
  const bottom = (top - w + 1) >>> 0;
  if (top >= w - 1) {
    // |new....bottom####top....new|
    if (seq > top || seq < bottom) return true;
  } else if (seq > top && seq < bottom) {
    // |####top...new...bottom##|
    return true;
  }
  if (((top - seq) >>> 0) >= w) return reject(x, CELL_REPLAY_WINDOW);
  return ringBit(x, ringPosition(xfrmReplaySeqHi(x, seq), seq, w)) === 0 || reject(x, CELL_REPLAY);
}

function advanceLegacy(x: ReplayState, seq: number): void {
  const i32 = x.i32;
  const top = i32[WORD_SEQ] >>> 0;
  if (seq > top) {
    const step = seq - top;
    const bits = step < Math.min(x.replayWindow, LEGACY_BITS) ? (i32[WORD_BITMAP] << step) | 1 : 1;
    i32[WORD_BITMAP] = -1;
    i32[WORD_SEQ] = seq;
    i32[WORD_BITMAP] = bits;
  } else {
    i32[WORD_BITMAP] |= 1 << (top - seq);
  }
}

function advanceRing(x: ReplayState, seq: number, seqHi: number): void {
  const i32 = x.i32;
  const w = x.replayWindow;
  const top = i32[WORD_SEQ] >>> 0;
  // One of the block before is behind, whatever its low half.
  const ahead = (seqHi - i32[WORD_SEQ_HI]) | 0;
  const step = ahead * TWO_32 + seq - top;
  if (step > 0) {
    const from = ringPosition(i32[WORD_SEQ_HI], top, w);
    i32[WORD_SEQ_HI] = seqHi;
    i32[WORD_SEQ] = seq;
    clearSkipped(i32, from, step, w);
  }
  const bit = ringPosition(seqHi, seq, w);
  i32[WORD_BITMAP + (bit >>> 5)] |= 1 << (bit & 31);
}

/** Clears the bits of the numbers between the old top and the new one, which is `step` ahead. */
function clearSkipped(i32: Int32Array, from: number, step: number, w: number): void {
  if (step >= w) {
    i32.fill(0, WORD_BITMAP, WORD_BITMAP + ((w + 31) >>> 5));
    return;
  }
  let bit = from;
  for (let i = 0; i < step; i++) {
    bit = bit + 1 === w ? 0 : bit + 1;
    i32[WORD_BITMAP + (bit >>> 5)] &= ~(1 << (bit & 31));
  }
}

/** Position of a number in the ring of w bits; hi is 0 without ESN. */
function ringPosition(hi: number, seq: number, w: number): number {
  if ((w & (w - 1)) === 0) return (seq - 1) & (w - 1);
  // seq 0 of the first block stands for "nothing yet" and gets the last position.
  const position = (hi % w * (TWO_32 % w) + seq + w - 1) % w;
  // Before the first block has gone a window's length, what lies below 0 has the half -1; it must not wrap at 2^64.
  return position < 0 ? position + w : position;
}

function ringBit(x: ReplayState, bit: number): number {
  return (x.i32[WORD_BITMAP + (bit >>> 5)] >>> (bit & 31)) & 1;
}

function reject(x: ReplayState, cell: number): boolean {
  x.f64[cell]++;
  return false;
}
