/**
 * Bounds of sequence numbers: which leases of which SA the disk knows to be taken, whether they are or not.
 *
 * Protocol, in leases (datapath/xfrm/xfrm_lease.ts), for each SA:
 *   taken ≤ WORD_GRANTED ≤ the bound before the last one on disk ≤ the last one on disk
 * An actor takes leases below WORD_GRANTED only. The main thread writes a larger bound to the disk well before they
 * run out, and raises WORD_GRANTED to it once yet another write has followed. So an SA whose cells are lost goes on at
 * its bound without repeating a number, even when the disk lost the last thing it said it had.
 */
import { CELL_OSEQ, WORD_GRANTED, WORD_LEASES, type XfrmCells } from "../../datapath/xfrm/xfrm_cells.ts";
import { LEASE_PACKETS } from "../../datapath/xfrm/xfrm_lease.ts";

/** Leases a bound lies ahead: 4 million packets. As many numbers may be skipped at a loss of power. */
const AHEAD_LEASES = 64;
/** With fewer left to take, more are granted. */
const LOW_LEASES = 32;

interface Grant {
  readonly cells: XfrmCells;
  /** On disk. */
  bound: number;
}

export class Grants {
  readonly #grants = new Map<string, Grant>();
  /** Those whose bound on disk is above WORD_GRANTED. */
  readonly #waiting = new Set<Grant>();

  /** A new SA, and what bound must be written with it. Nothing is granted yet. */
  add(identity: string, cells: XfrmCells): number {
    cells.i32[WORD_GRANTED] = 0;
    const grant = { cells, bound: taken(cells) + AHEAD_LEASES };
    this.#grants.set(identity, grant);
    return grant.bound;
  }

  /** The SA is on disk, with its bound. Should the disk lose that, it has lost the SA as well. */
  added(identity: string): void {
    raise(this.#grants.get(identity)!);
  }

  /** An SA that was on disk when the process began. */
  resume(identity: string, cells: XfrmCells, bound: number): void {
    this.#grants.set(identity, { cells, bound });
    Atomics.store(cells.i32, WORD_GRANTED, bound);
  }

  remove(identity: string): void {
    const grant = this.#grants.get(identity);
    if (grant === undefined) return;
    this.#grants.delete(identity);
    this.#waiting.delete(grant);
  }

  /** Leases run low somewhere: a bound is to be written, or a write is to follow one. */
  areLow(): boolean {
    for (const { cells } of this.#grants.values()) if (isLow(cells)) return true;
    return false;
  }

  /** Bounds that are to be written now. */
  wanted(): Map<string, number> {
    const wanted = new Map<string, number>();
    for (const [identity, { cells, bound }] of this.#grants) {
      const next = taken(cells) + AHEAD_LEASES;
      if (isLow(cells) && next > bound) wanted.set(identity, next);
    }
    return wanted;
  }

  /** A write is on the disk, and what was written before it is there for good. `bounds` were in it. */
  written(bounds: ReadonlyMap<string, number>): void {
    for (const grant of this.#waiting) raise(grant);
    this.#waiting.clear();
    for (const [identity, bound] of bounds) {
      const grant = this.#grants.get(identity);
      if (grant === undefined) continue;
      grant.bound = bound;
      this.#waiting.add(grant);
    }
  }
}

/** The cells of an SA are lost, but for an older copy: numbers go on behind all that is known. */
export function resumeAtBound(cells: XfrmCells, bound: number): void {
  const leases = Math.max(bound, taken(cells));
  cells.i32[WORD_LEASES] = leases;
  cells.f64[CELL_OSEQ] = leases * LEASE_PACKETS;
}

function raise({ cells, bound }: Grant): void {
  Atomics.store(cells.i32, WORD_GRANTED, bound);
}

function isLow(cells: XfrmCells): boolean {
  return (Atomics.load(cells.i32, WORD_GRANTED) >>> 0) - taken(cells) < LOW_LEASES;
}

function taken({ f64, i32 }: XfrmCells): number {
  return Math.max(Atomics.load(i32, WORD_LEASES) >>> 0, Math.floor(f64[CELL_OSEQ]! / LEASE_PACKETS));
}
