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

export class BufferPool<P extends Parcel> implements Pool<P> {
  readonly #owner: ActorId;
  readonly #slabs: number;
  readonly #makeSlab: (id: number) => P;
  readonly #available: () => void;
  readonly #free: P[] = [];
  /** Oldest first; the last is the current epoch. */
  readonly #generations: Generation[];
  #current: Generation;
  /** Buffers that exist as far as the pool knows: free, or out and not written off. */
  #known = 0;
  #nextId = 0;
  #starved = false;
  outstanding = 0;
  lost = 0;
  /** Buffers that came home after they had been written off. */
  late = 0;

  /** `available` is called once each time a buffer can be had again after `take` returned null. */
  constructor(
    owner: ActorId,
    slabs: number,
    makeSlab: (id: number) => P,
    epoch: number,
    available: () => void,
  ) {
    this.#owner = owner;
    this.#slabs = slabs;
    this.#makeSlab = makeSlab;
    this.#available = available;
    this.#current = { epoch, out: 0, deadline: Infinity };
    this.#generations = [this.#current];
  }

  get free(): number {
    return this.#free.length + this.#slabs - this.#known;
  }

  /** A buffer with OWNER and EPOCH set, or null. Last in, first out: the one that the cache still holds. */
  take(): P | null {
    let parcel = this.#free.pop();
    if (parcel === undefined) {
      if (this.#known === this.#slabs) {
        this.#starved = true;
        return null;
      }
      parcel = this.#makeSlab(this.#nextId++);
      this.#known++;
    }
    parcel.i32[OWNER] = this.#owner;
    parcel.i32[EPOCH] = this.#current.epoch;
    this.#current.out++;
    this.outstanding++;
    return parcel;
  }

  expects(parcel: P): boolean {
    const generation = this.#find(parcel.i32[EPOCH]);
    return parcel.i32[OWNER] === this.#owner && generation !== undefined && generation.out > 0;
  }

  /** Takes a buffer back. False: it is not this pool's any more and must not be used. */
  home(parcel: P): boolean {
    if (!this.expects(parcel)) {
      this.late++;
      return false;
    }
    const generation = this.#find(parcel.i32[EPOCH])!;
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

  /** Something is out that may have to be written off. */
  get settling(): boolean {
    return this.#generations.length > 1;
  }

  /** Writes off what did not come home in time. Cheap when nothing died. */
  tick(nowMs: number): void {
    while (this.#generations.length > 1 && this.#generations[0].deadline <= nowMs) {
      const { out } = this.#generations.shift()!;
      this.outstanding -= out;
      this.#known -= out;
      this.lost += out;
      if (out > 0) this.#relieve();
    }
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
