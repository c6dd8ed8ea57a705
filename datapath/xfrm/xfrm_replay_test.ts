/**
 * Anti-replay, one case a line. The expectations follow the rules of RFC 4303 §3.4.3 and appendix A2 and of
 * net/xfrm/xfrm_replay.c; the numbers at the end name the case.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  BITMAP_WORDS,
  CELL_REPLAY,
  CELL_REPLAY_WINDOW,
  makeXfrmCells,
  viewXfrmCells,
  WORD_BITMAP,
  WORD_SEQ,
  WORD_SEQ_HI,
} from "./xfrm_cells.ts";
import {
  REPLAY_BITMAP,
  REPLAY_ESN,
  REPLAY_LEGACY,
  type ReplayState,
  xfrmReplayAdvance,
  xfrmReplayCheck,
  xfrmReplaySeqHi,
} from "./xfrm_replay.ts";

const M32 = 0xffffffff;

function replay(replayKind: number, replayWindow: number, top = 0, hi = 0): ReplayState {
  const { f64, i32 } = viewXfrmCells(makeXfrmCells());
  const x = { replayKind, replayWindow, f64, i32 };
  i32[WORD_SEQ] = top;
  i32[WORD_SEQ_HI] = hi;
  return x;
}

/** Check and, if it may be new, advance, as for a packet whose ICV fits. Returns what became of it. */
function take(x: ReplayState, seq: number): string {
  const [late, seen] = [x.f64[CELL_REPLAY_WINDOW], x.f64[CELL_REPLAY]];
  if (xfrmReplayCheck(x, seq)) {
    const hi = xfrmReplaySeqHi(x, seq);
    xfrmReplayAdvance(x, seq, hi);
    return hi === 0 ? "ok" : `ok hi ${hi}`;
  }
  if (x.f64[CELL_REPLAY_WINDOW] > late) return "window";
  return x.f64[CELL_REPLAY] > seen ? "replay" : "reject";
}

type Case = readonly [seq: number, expected: string];

function run(name: string, x: ReplayState, cases: readonly Case[]): void {
  cases.forEach(([seq, expected], n) => {
    assert.equal(take(x, seq), expected, `${name} case ${n + 1}: seq ${seq.toString(16)}`);
  });
}

Deno.test("xfrmReplayCheck() legacy, window 32, top 100", () => {
  const x = replay(REPLAY_LEGACY, 32);
  run("legacy", x, [
    [1, "ok"], // 1 first packet
    [1, "replay"], // 2 duplicate
    [9, "ok"], // 3 gap
    [9, "replay"], // 4 duplicate of the newest
    [8, "ok"], // 5 late but inside
    [8, "replay"], // 6 late and seen
    [7, "ok"], // 7
    [7, "replay"], // 8
    [100, "ok"], // 9 jump by more than the window
    [100, "replay"], // 10 duplicate
    [69, "ok"], // 11 d = 31, the oldest that fits
    [69, "replay"], // 12 once only
    [68, "window"], // 13 d = 32
    [0, "reject"], // 14 number 0, no statistic
    [101, "ok"], // 15 step by one
    [69, "window"], // 16 fell out
    [70, "ok"], // 17 oldest again
    [200, "ok"], // 18 bitmap cleared
    [199, "ok"], // 19 not seen
    [169, "ok"], // 20 d = 31
    [168, "window"], // 21
    [M32, "ok"], // 22 the last number
    [M32, "replay"], // 23
    [M32 - 31, "ok"], // 24
    [0, "reject"], // 25 no wrap
    [1, "window"], // 26 after the last number only the window is left
  ]);
  assert.equal(x.i32[WORD_SEQ] >>> 0, M32);
});

Deno.test("xfrmReplayCheck() legacy, window 8: the window is what was asked for", () => {
  run("legacy 8", replay(REPLAY_LEGACY, 8), [
    [20, "ok"], // 1
    [13, "ok"], // 2 d = 7
    [12, "window"], // 3 d = 8
    [28, "ok"], // 4 step = window: all cleared
    [21, "ok"], // 5
    [20, "window"], // 6
  ]);
});

Deno.test("xfrmReplayCheck() takes everything without a window, number 0 too, and keeps no state", () => {
  for (const kind of [REPLAY_LEGACY, REPLAY_BITMAP, REPLAY_ESN]) {
    const x = replay(kind, 0);
    run(`no window ${kind}`, x, [[5, "ok"], [5, "ok"], [0, "ok"], [1, "ok"]]);
    assert.equal(x.i32[WORD_SEQ], 0);
  }
});

Deno.test("xfrmReplayCheck() bitmap, windows of 64, 128, 100 and 4096", () => {
  for (const w of [64, 128, 100, 4096]) {
    const x = replay(REPLAY_BITMAP, w);
    run(`bitmap ${w}`, x, [
      [0, "reject"], // 1 number 0
      [1, "ok"], // 2
      [1, "replay"], // 3
      [w, "ok"], // 4 the window is exactly full
      [2, "ok"], // 5
      [1, "replay"], // 6 d = w - 1, still known
      [w + 1, "ok"], // 7
      [1, "window"], // 8 d = w
      [2, "replay"], // 9
      [3, "ok"], // 10
      [10 * w, "ok"], // 11 jump
      [10 * w - 1, "ok"], // 12 cleared
      [9 * w + 1, "ok"], // 13 d = w - 1
      [9 * w, "window"], // 14 d = w
      [10 * w + w, "ok"], // 15 step = w
      [10 * w + 1, "ok"], // 16
      [10 * w, "window"], // 17
      [M32, "ok"], // 18
      [M32 - w + 1, "ok"], // 19
      [5, "window"], // 20 no wrap
    ]);
  }
});

Deno.test("xfrmReplayCheck() ESN, window 32, across the end of the first 2^32", () => {
  const x = replay(REPLAY_ESN, 32, 0xfffffff0);
  run("esn", x, [
    [5, "ok hi 1"], // 1 below bottom 0xffffffd1: the next block
    [5, "replay"], // 2
    [0xfffffff8, "ok"], // 3 case B, bottom 0xffffffe6, d = 13: the block before
    [0xfffffff8, "replay"], // 4
    [0xffffffe6, "ok"], // 5 d = 31
    [0, "ok hi 1"], // 6 number 2^32 itself is a number like others
    [0, "replay"], // 7
    [4, "ok hi 1"], // 8
    [31, "ok hi 1"], // 9 window inside one block again
    [31, "replay"], // 10
    [0, "replay"], // 11 d = 31
    [32, "ok hi 1"], // 12
    [32, "replay"], // 13
    [6, "ok hi 1"], // 14
  ]);
  assert.equal(x.i32[WORD_SEQ_HI], 1);
  // 15: between top and bottom is new, whatever the distance.
  const y = replay(REPLAY_ESN, 32, 5, 1);
  assert.equal(xfrmReplayCheck(y, 0xffffffe0), true);
  assert.equal(xfrmReplaySeqHi(y, 0xffffffe0), 1);
});

Deno.test("xfrmReplayCheck() ESN, the first packets", () => {
  run("esn start", replay(REPLAY_ESN, 32), [
    [0, "reject"], // 1 no number 0 in the first block
    [1, "ok"], // 2
    [1, "replay"], // 3
    [3, "ok"], // 4
    [2, "ok"], // 5
    [2, "replay"], // 6
    [1000, "ok"], // 7
    [969, "ok"], // 8 d = 31
    [968, "ok hi 1"], // 9 below the window: taken for the next block; a forger fails the ICV
  ]);
});

Deno.test("xfrmReplaySeqHi() gives the block before the first to what looks like it, and the ICV refuses it", () => {
  const x = replay(REPLAY_ESN, 32, 5);
  assert.equal(xfrmReplaySeqHi(x, 0xfffffff8), -1);
});

Deno.test("xfrmReplayCheck() changes nothing but statistics", () => {
  const x = replay(REPLAY_BITMAP, 64);
  run("before", x, [[10, "ok"], [12, "ok"]]);
  const before = x.i32.slice();
  for (const seq of [0, 1, 10, 11, 12, 13, 1000]) xfrmReplayCheck(x, seq);
  assert.deepEqual(x.i32, before);
});

Deno.test("xfrmReplayAdvance() leaves the bitmap that ip xfrm state shows", () => {
  const legacy = replay(REPLAY_LEGACY, 32);
  for (const seq of [1, 2, 3]) xfrmReplayAdvance(legacy, seq, 0);
  assert.equal(legacy.i32[WORD_BITMAP], 0x7);
  // Number s has bit (s - 1) mod W of the ring, so the first three packets fill the low bits.
  const esn = replay(REPLAY_ESN, 64);
  for (const seq of [1, 2, 3]) xfrmReplayAdvance(esn, seq, 0);
  assert.deepEqual([...esn.i32.slice(WORD_BITMAP, WORD_BITMAP + 2)], [0x7, 0]);
  xfrmReplayAdvance(esn, 66, 0);
  assert.deepEqual([...esn.i32.slice(WORD_BITMAP, WORD_BITMAP + 2)], [0x6, 0]);
});

Deno.test("the ring stays inside the cells with the largest window", () => {
  const x = replay(REPLAY_ESN, BITMAP_WORDS * 32);
  for (let s = 1; s <= 3 * BITMAP_WORDS * 32; s++) assert.equal(take(x, s), "ok");
  assert.equal(x.i32.length, WORD_BITMAP + BITMAP_WORDS);
});

/** What RFC 4303 asks for, with a set instead of a bitmap: 64-bit numbers, sent as 32 bits. */
class Model {
  top = 0;
  readonly seen = new Set<number>();
  constructor(readonly w: number, readonly start: number) {
    this.top = start;
  }
  take(n: number): boolean {
    if (n <= this.top - this.w || n <= 0 || this.seen.has(n)) return false;
    this.seen.add(n);
    this.top = Math.max(this.top, n);
    return true;
  }
}

Deno.test("xfrmReplayCheck() agrees with a set of numbers, for every kind and window", () => {
  const steps = fc.array(fc.integer({ min: -300, max: 300 }), { maxLength: 200 });
  const windows = fc.constantFrom(1, 2, 31, 32, 33, 64, 100, 128, 4095, 4096);
  fc.assert(fc.property(windows, steps, fc.boolean(), (w, jumps, esn) => {
    // ESN starts shortly before 2^32, so the low half wraps; honest packets are near the top.
    const start = esn ? 0x1_0000_0000 - 100 : 0;
    const x = replay(esn ? REPLAY_ESN : REPLAY_BITMAP, w, start);
    const model = new Model(w, start);
    for (const jump of jumps) {
      const n = model.top + jump;
      // Below the window ESN takes a number for one of the next block: the ICV decides, not this check.
      if (n <= 0 || (esn && n <= model.top - w)) continue;
      if (esn && n === start) continue;
      const took = take(x, n % 0x1_0000_0000).startsWith("ok");
      if (n <= start && esn) model.seen.add(n);
      else assert.equal(took, model.take(n), `number ${n} after top ${model.top}`);
    }
    if (esn) assert.equal((x.i32[WORD_SEQ_HI] >>> 0) * 0x1_0000_0000 + (x.i32[WORD_SEQ] >>> 0), model.top);
    else assert.equal(x.i32[WORD_SEQ] >>> 0, model.top);
  }));
});
