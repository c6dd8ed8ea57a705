/**
 * A bounded pool of buffers that travel between workers and come home.
 *
 * A buffer that is out can vanish with the worker that held it. When a worker dies the pool starts a new epoch: what it
 * gave out before gets a bounded time to come home, then is written off and may be replaced. EPOCH travels with the
 * buffer, so one that comes home after it was written off is told apart and thrown away: the number of buffers never
 * exceeds the bound, and never falls below it for long.
 */
import { type ActorId, EPOCH, OWNER, type Parcel, type Pool } from "./behaviour.ts";

/** Time that buffers have to come home after a worker died, milliseconds. */
export const WRITE_OFF_MS = 500;

/** What was given out in one epoch and is not home yet. */
interface Generation {
  readonly epoch: number;
  out: number;
  /** When `out` is written off; Infinity for the current epoch. */
  deadline: number;
}

export interface PoolParts<P extends Parcel> {
  readonly owner: ActorId;
  readonly slabs: number;
  readonly makeSlab: () => P;
  readonly epoch: number;
  /** Called once each time a buffer can be had again after `take` returned null. */
  readonly available: () => void;
  /** These buffers were written off. */
  readonly lost: (parcels: P[]) => void;
}

export class BufferPool<P extends Parcel> implements Pool<P> {
  readonly #owner: ActorId;
  readonly #slabs: number;
  readonly #makeSlab: () => P;
  readonly #available: () => void;
  readonly #lost: (parcels: P[]) => void;
  readonly #free: P[] = [];
  /** Buffers that exist as far as the pool knows: free, or out and not written off. */
  readonly #known = new Set<P>();
  /** Oldest first; the last is the current epoch. */
  readonly #generations: Generation[];
  #current: Generation;
  #starved = false;
  outstanding = 0;
  lost = 0;
  /** Buffers that came home after they had been written off. */
  late = 0;

  constructor({ owner, slabs, makeSlab, epoch, available, lost }: PoolParts<P>) {
    this.#owner = owner;
    this.#slabs = slabs;
    this.#makeSlab = makeSlab;
    this.#available = available;
    this.#lost = lost;
    this.#current = { epoch, out: 0, deadline: Infinity };
    this.#generations = [this.#current];
  }

  get free(): number {
    return this.#free.length + this.#slabs - this.#known.size;
  }

  /** A buffer with OWNER and EPOCH set, or null. Last in, first out: the one that the cache still holds. */
  take(): P | null {
    let parcel = this.#free.pop();
    if (parcel === undefined) {
      if (this.#known.size === this.#slabs) {
        this.#starved = true;
        return null;
      }
      parcel = this.#makeSlab();
      this.#known.add(parcel);
    }
    parcel.i32[OWNER] = this.#owner;
    parcel.i32[EPOCH] = this.#current.epoch;
    this.#current.out++;
    this.outstanding++;
    return parcel;
  }

  /** Takes a buffer back. False: it is not this pool's any more and must not be used. */
  home(parcel: P): boolean {
    const generation = this.#find(parcel.i32[EPOCH]);
    if (parcel.i32[OWNER] !== this.#owner || generation === undefined || generation.out === 0) {
      this.late++;
      return false;
    }
    // A buffer is home once: the mark makes a second return of the same one fail the test above.
    parcel.i32[OWNER] = 0;
    generation.out--;
    this.outstanding--;
    this.#free.push(parcel);
    this.#relieve();
    return true;
  }

  /** A worker died: what is out now has WRITE_OFF_MS to come home. `epoch` is higher than any before. */
  newEpoch(epoch: number, nowMs: number): void {
    this.#current.deadline = nowMs + WRITE_OFF_MS;
    this.#current = { epoch, out: 0, deadline: Infinity };
    this.#generations.push(this.#current);
  }

  /** Writes off what did not come home in time. Cheap when nothing died. */
  tick(nowMs: number): void {
    while (this.#generations.length > 1 && this.#generations[0].deadline <= nowMs) {
      const { out, epoch } = this.#generations.shift()!;
      if (out === 0) continue;
      this.outstanding -= out;
      this.lost += out;
      this.#writeOff(epoch);
      this.#relieve();
    }
  }

  /** Forgets what was given out in the epoch and is not home: a buffer at home has no OWNER. */
  #writeOff(epoch: number): void {
    const lost = [...this.#known].filter(({ i32 }) => i32[OWNER] !== 0 && i32[EPOCH] === epoch);
    for (const parcel of lost) this.#known.delete(parcel);
    this.#lost(lost);
  }

  #find(epoch: number): Generation | undefined {
    if (epoch === this.#current.epoch) return this.#current;
    return this.#generations.find((generation) => generation.epoch === epoch);
  }

  #relieve(): void {
    if (!this.#starved) return;
    this.#starved = false;
    this.#available();
  }
}
