/**
 * Keeps one bad packet from ending a worker again and again.
 *
 * A packet at which a stage throws is dropped there and reported, and the rest of its batch goes on. When nothing but
 * throws is left, it is not the packets: then the throw ends the worker, as any other does, but not twice within
 * CALM_MS, or a sender of such packets could make the supervisor give up.
 *
 * A packet at which a stage never returns takes the worker with it. The main thread sees from the mark which actor and
 * stage that was (poison_watch.ts). That actor's successor processes its packets one at a time and puts each in the
 * mark first; so the next time the packet is known, and all that are equal in its digest are dropped.
 */
import { type Batch, COUNT, CURSOR, LENGTH, OFFSET, REASON } from "../datapath/batch.ts";
import { DropReason } from "../datapath/drop_reason.ts";
import { memoryAt } from "../ffi/shared_memory.ts";
import type { PoisonLetter, QuarantineInit } from "./messages.ts";
import {
  DIGESTED_BYTES,
  digestOf,
  MARK_BYTES,
  MARK_HEAD,
  MARK_LENGTH,
  MARK_STAGE,
  maskedHead,
  type PacketDigest,
  Stage,
} from "./poison_mark.ts";
import { type Context, MAIN } from "./runtime/behaviour.ts";

/** Throws without a packet that passed between them, from which on they end the worker. */
const IN_A_ROW = 256;
/** Age of a worker from which on they may. */
const CALM_MS = 60_000;
/** Time between two reports of one actor. */
const REPORT_MS = 1000;

/** Of each stage: the reason of a packet that is dropped there. */
const REASONS: Readonly<Record<Stage, number>> = {
  [Stage.read]: DropReason.OutPoison,
  [Stage.transmit]: DropReason.OutPoison,
  [Stage.account]: DropReason.OutPoison,
  [Stage.input]: DropReason.InPoison,
  [Stage.receive]: DropReason.InPoison,
  [Stage.deliver]: DropReason.InPoison,
  [Stage.send]: DropReason.OutPoison,
};

export class Quarantine {
  readonly #context: Context<Batch>;
  readonly #mark: Int32Array;
  readonly #head: Uint8Array;
  readonly #dropped: (reason: number, batch: Batch, i: number) => void;
  readonly #known: readonly PacketDigest[];
  readonly #born: number;
  /** Until when packets are processed one at a time, as Context.now; 0 never. */
  #carefulUntil: number;
  #inARow = 0;
  #lastReport = -REPORT_MS;
  /** Packets since the last report. */
  #unreported = 0;

  /** `dropped` counts packet `i` of a batch, whose REASON is set by then. */
  constructor(
    context: Context<Batch>,
    init: QuarantineInit,
    dropped: (reason: number, batch: Batch, i: number) => void,
  ) {
    const memory = memoryAt(init.mark, MARK_BYTES);
    this.#context = context;
    this.#mark = new Int32Array(memory);
    this.#head = new Uint8Array(memory, MARK_HEAD, DIGESTED_BYTES);
    this.#mark[MARK_STAGE] = this.#mark[MARK_LENGTH] = 0;
    this.#dropped = dropped;
    this.#known = init.known;
    this.#born = context.now();
    this.#carefulUntil = init.carefulMs === 0 ? 0 : this.#born + init.carefulMs;
  }

  /** Runs a stage over the batch. `work` starts at packet CURSOR and keeps it at the packet it is at. */
  run(stage: Stage, batch: Batch, work: (batch: Batch) => void): void {
    batch.i32[CURSOR] = 0;
    this.#mark[MARK_STAGE] = stage;
    if (this.#carefulUntil === 0) this.#attempt(stage, batch, work);
    else this.#oneByOne(stage, batch, work);
    this.#mark[MARK_STAGE] = 0;
  }

  /**
   * Runs a stage that handles packets together. `work` starts at packet CURSOR and moves it behind those that it is
   * through with. Where it throws, it is shown each of the others alone: which of them it throws at is then known, and
   * none is handled twice.
   */
  runTogether(stage: Stage, batch: Batch, work: (batch: Batch) => void): void {
    batch.i32[CURSOR] = 0;
    this.#mark[MARK_STAGE] = stage;
    if (this.#carefulUntil !== 0 || !this.#passes(batch, work)) this.#oneByOne(stage, batch, work);
    this.#mark[MARK_STAGE] = 0;
  }

  #passes(batch: Batch, work: (batch: Batch) => void): boolean {
    try {
      work(batch);
      if (batch.i32[COUNT] > 0) this.#inARow = 0;
      return true;
    } catch {
      return false;
    }
  }

  /** Runs a stage until it is through; what it throws at is dropped. */
  #attempt(stage: Stage, batch: Batch, work: (batch: Batch) => void): void {
    const i32 = batch.i32;
    for (;;) {
      const first = i32[CURSOR];
      try {
        work(batch);
        if (i32[COUNT] > first) this.#inARow = 0;
        return;
      } catch (error) {
        const i = i32[CURSOR];
        if (i > first) this.#inARow = 0;
        this.#threw(error, i < i32[COUNT]);
        maskedHead(this.#head, batch.u8, i32[OFFSET + i], i32[LENGTH + i]);
        this.#report(digestOf(stage, i32[LENGTH + i], this.#head), error);
        this.#drop(stage, batch, i);
        i32[CURSOR] = i + 1;
      }
    }
  }

  /** Shows the stage each packet of the batch from CURSOR on alone. */
  #oneByOne(stage: Stage, batch: Batch, work: (batch: Batch) => void): void {
    const i32 = batch.i32;
    const count = i32[COUNT];
    for (let i = i32[CURSOR]; i < count; i++) {
      i32[COUNT] = i + 1;
      i32[CURSOR] = i;
      if (this.suspects(stage, batch.u8, i32[OFFSET + i], i32[LENGTH + i])) this.#drop(stage, batch, i);
      else this.#attempt(stage, batch, work);
    }
    i32[COUNT] = count;
    this.calm();
  }

  #drop(stage: Stage, batch: Batch, i: number): void {
    const reason = REASONS[stage];
    batch.i32[REASON + i] = reason;
    this.#dropped(reason, batch, i);
  }

  // ---- for a stage that has no batch yet ---------------------------------------------------------------------------

  enter(stage: Stage): void {
    this.#mark[MARK_STAGE] = stage;
  }

  leave(): void {
    this.#mark[MARK_STAGE] = 0;
    if (this.#carefulUntil !== 0) this.calm();
  }

  /** While packets are processed one at a time: puts this one in the mark. True: it is known, and not to be processed. */
  suspects(stage: Stage, bytes: Uint8Array, at: number, length: number): boolean {
    if (this.#carefulUntil === 0) return false;
    maskedHead(this.#head, bytes, at, length);
    this.#mark[MARK_LENGTH] = length;
    const alike = this.#known.filter((known) => known.stage === stage && known.length === length);
    if (alike.length === 0) return false;
    const { sha256 } = digestOf(stage, length, this.#head);
    return alike.some((known) => known.sha256 === sha256);
  }

  /** The stage threw at the `length` bytes at `at`, which the caller drops and counts. */
  threw(stage: Stage, bytes: Uint8Array, at: number, length: number, error: unknown): void {
    this.#threw(error, true);
    maskedHead(this.#head, bytes, at, length);
    this.#report(digestOf(stage, length, this.#head), error);
  }

  /** A packet has passed a stage that has no batch yet. */
  passed(): void {
    this.#inARow = 0;
  }

  // ------------------------------------------------------------------------------------------------------------------

  /** No packet is being processed; the time of care may be over. */
  calm(): void {
    this.#mark[MARK_LENGTH] = 0;
    if (this.#context.now() >= this.#carefulUntil) this.#carefulUntil = 0;
  }

  /** Throws on when the packet is not to blame. */
  #threw(error: unknown, atPacket: boolean): void {
    const old = this.#context.now() - this.#born > CALM_MS;
    if (!atPacket || (++this.#inARow >= IN_A_ROW && old)) throw error;
  }

  #report(digest: PacketDigest, error: unknown): void {
    this.#unreported++;
    const now = this.#context.now();
    if (now - this.#lastReport < REPORT_MS) return;
    const letter: PoisonLetter = {
      op: "poison",
      ...digest,
      message: error instanceof Error ? error.message : String(error),
      packets: this.#unreported,
    };
    this.#context.send(MAIN, letter);
    this.#lastReport = now;
    this.#unreported = 0;
  }
}
