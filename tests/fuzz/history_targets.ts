/**
 * Histories of one SA against plain references: sets in place of bitmaps and leases, whole numbers in place of halves.
 * Replay windows of every kind across wraps; sequence numbers over successors, actors that wake again, and losses.
 */
import { fakeBackend } from "../../datapath/xfrm/transform_fixture.ts";
import { stateRecord } from "../../datapath/xfrm/xfrm_fixture.ts";
import {
  CELL_OSEQ,
  makeXfrmCells,
  viewXfrmCells,
  WORD_BITMAP,
  WORD_GRANTED,
  WORD_LEASES,
  WORD_SEQ,
  WORD_SEQ_HI,
} from "../../datapath/xfrm/xfrm_cells.ts";
import { lastSequence, LEASE_PACKETS } from "../../datapath/xfrm/xfrm_lease.ts";
import {
  REPLAY_BITMAP,
  REPLAY_ESN,
  REPLAY_LEGACY,
  type ReplayState,
  xfrmReplayAdvance,
  xfrmReplayCheck,
  xfrmReplaySeqHi,
} from "../../datapath/xfrm/xfrm_replay.ts";
import { XfrmState } from "../../datapath/xfrm/xfrm_state.ts";
import { check, type Target } from "./fuzz.ts";
import type { Random } from "./random.ts";

const TWO_32 = 2 ** 32;
/** Histories of a step. */
const HISTORIES = 500;
const MAX_STEPS = 24;

// ---- replay windows --------------------------------------------------------------------------------------------

const WINDOWS = [1, 2, 8, 31, 32, 33, 64, 100, 128, 4095, 4096];

/** RFC 4303 §3.4.3 and appendix A2.2, by a set of whole numbers. */
class PlainWindow {
  readonly #seen: Set<number> = new Set();
  constructor(readonly size: number, public top: number) {
    this.#seen.add(top);
  }

  /** The number that these 32 bits stand for with ESN: the least of them that is not below the window. */
  infer(seq: number): number {
    const least = this.top - this.size + 1;
    return seq + Math.ceil((least - seq) / TWO_32) * TWO_32;
  }

  mayBeNew(n: number): boolean {
    return n > 0 && n > this.top - this.size && !this.#seen.has(n);
  }

  add(n: number): void {
    this.#seen.add(n);
    this.top = Math.max(this.top, n);
  }
}

function makeWindow(random: Random): { x: ReplayState; plain: PlainWindow } {
  const replayKind = random.pick([REPLAY_LEGACY, REPLAY_BITMAP, REPLAY_ESN]);
  const replayWindow = replayKind === REPLAY_LEGACY ? 1 + random.below(32) : random.pick(WINDOWS);
  const near = random.pick(replayKind === REPLAY_ESN ? [0, TWO_32, 7 * TWO_32, 2 ** 47] : [0, TWO_32]);
  const last = replayKind === REPLAY_ESN ? Infinity : TWO_32 - 1;
  const top = Math.min(last, Math.max(0, near + random.below(10_000) - 5000));
  const { f64, i32 } = viewXfrmCells(makeXfrmCells());
  const x = { replayKind, replayWindow, f64, i32 };
  if (top > 0) xfrmReplayAdvance(x, top % TWO_32 | 0, Math.floor(top / TWO_32) | 0);
  return { x, plain: new PlainWindow(replayWindow, top) };
}

/** What a sender may send now: near the top, at the edges of the window, far ahead; some of it again. */
function someNumber(random: Random, { size, top }: PlainWindow, last: number): number {
  const near = random.pick([top, top - size, top + size, top, top + TWO_32 - size]);
  return Math.min(Math.max(1, near + random.below(7) - 3), last);
}

function replayHistory(random: Random): void {
  const { x, plain } = makeWindow(random);
  const esn = x.replayKind === REPLAY_ESN;
  for (let steps = 1 + random.below(MAX_STEPS); steps > 0; steps--) {
    const n = someNumber(random, plain, esn ? Infinity : TWO_32 - 1);
    const seq = n % TWO_32;
    const inferred = esn ? plain.infer(seq) : seq;
    const before = x.i32.slice(0, WORD_BITMAP + 4);
    const passes = xfrmReplayCheck(x, seq | 0);
    const hi = xfrmReplaySeqHi(x, seq | 0);
    check(
      esn ? hi === (Math.floor(inferred / TWO_32) | 0) : hi === 0,
      `high half ${hi} of ${n}, top ${plain.top}`,
    );
    check(before.every((word, i) => x.i32[i] === word), "a check has changed the window");
    // With another high half than the sender's the ICV does not fit, and nothing advances.
    if (inferred !== n) continue;
    check(passes === plain.mayBeNew(n), `${n} after ${plain.top}, window ${plain.size}: ${passes}`);
    if (!passes) continue;
    xfrmReplayAdvance(x, seq | 0, hi);
    plain.add(n);
    const top = (esn ? (x.i32[WORD_SEQ_HI] >>> 0) * TWO_32 : 0) + (x.i32[WORD_SEQ] >>> 0);
    check(top === plain.top, `the top is ${top}, not ${plain.top}`);
  }
}

// ---- sequence numbers ------------------------------------------------------------------------------------------

/** An SA from its making on: whoever sends by it, and all numbers that were sent. */
class Sender {
  readonly #random: Random;
  readonly #esn: boolean;
  readonly #sent = new Set<number>();
  #cells = makeXfrmCells();
  /** All that were ever made from these cells: any may still run. */
  #actors: XfrmState[] = [];
  /** On disk: leases below it may have been taken. */
  #bound: number;
  /** The SA begins behind this number. */
  #begun: number;

  constructor(random: Random) {
    this.#random = random;
    this.#esn = random.once(2);
    const { f64 } = viewXfrmCells(this.#cells);
    const last = lastSequence(this.#esn);
    const near = random.pick([0, LEASE_PACKETS, TWO_32 - 2 * LEASE_PACKETS, last - LEASE_PACKETS, last]);
    f64[CELL_OSEQ] = Math.min(Math.max(0, near + random.below(9) - 4), last);
    this.#begun = f64[CELL_OSEQ];
    this.#bound = Math.floor(f64[CELL_OSEQ] / LEASE_PACKETS) + random.below(5);
    this.#grant();
    this.#succeed();
  }

  #grant(): void {
    viewXfrmCells(this.#cells).i32[WORD_GRANTED] = this.#bound;
  }

  /** A worker failed; the one before may wake again. */
  #succeed(): void {
    const replay = this.#esn ? { replayKind: "esn", replayWindow: 32 } as const : {};
    const made = XfrmState.create(stateRecord({ cells: this.#cells, ...replay }), fakeBackend());
    check(made instanceof XfrmState, "the SA can't be made");
    this.#actors.push(made);
  }

  step(): void {
    const random = this.#random;
    switch (random.below(8)) {
      case 0:
        this.#succeed();
        break;
      case 1:
        this.#bound += random.below(3);
        this.#grant();
        break;
      case 2:
        this.#losePower();
        break;
      default:
        this.#send(random.pick(this.#actors));
    }
  }

  /** Everything but the bound is gone, and everybody. */
  #losePower(): void {
    this.#cells = makeXfrmCells();
    const { f64, i32 } = viewXfrmCells(this.#cells);
    i32[WORD_LEASES] = this.#bound;
    f64[CELL_OSEQ] = Math.min(this.#bound * LEASE_PACKETS, lastSequence(this.#esn));
    this.#begun = f64[CELL_OSEQ];
    this.#bound += this.#random.below(3);
    this.#grant();
    this.#actors = [];
    this.#succeed();
  }

  #send(actor: XfrmState): void {
    const last = lastSequence(this.#esn);
    const { f64, i32 } = viewXfrmCells(this.#cells);
    const next = Math.max(i32[WORD_LEASES] >>> 0, Math.floor(f64[CELL_OSEQ] / LEASE_PACKETS));
    if (!actor.nextSequence()) {
      check(
        next >= this.#bound || next * LEASE_PACKETS >= last || f64[CELL_OSEQ] >= last,
        "none left, though granted",
      );
      return;
    }
    const n = (actor.oseqHi >>> 0) * TWO_32 + (actor.oseqLo >>> 0);
    check(n > this.#begun && n <= last, `${n} is no number of this SA`);
    check(!this.#sent.has(n), `${n} twice`);
    check(n <= this.#bound * LEASE_PACKETS, `${n} is above what is on disk`);
    this.#sent.add(n);
  }
}

function sequenceHistory(random: Random): void {
  const sender = new Sender(random);
  for (let steps = 1 + random.below(MAX_STEPS); steps > 0; steps--) sender.step();
}

function target(name: string, history: (random: Random) => void): Target {
  return {
    name,
    unit: "histories",
    setUp: (random) => () => {
      for (let i = 0; i < HISTORIES; i++) history(random);
      return HISTORIES;
    },
  };
}

export const HISTORY_TARGETS: readonly Target[] = [
  target("replay windows", replayHistory),
  target("sequence numbers", sequenceHistory),
];
