/**
 * A bounded pool of slabs that travel between workers and come home.
 *
 * A slab that is out can vanish with the worker that held it. When a worker dies the pool starts a new epoch: what it
 * gave out before gets a bounded time to come home, then is written off and may be replaced by a new one. A slab that
 * comes home after it was written off is not the pool's any more, for it has another number: the number of slabs never
 * exceeds the bound, and never falls below it for long. What was written off is never used again: whoever held it may
 * be a thread that was given up, and still write to it.
 */
import { type ActorId, OWNER, type Parcel, type Pool } from "./behaviour.ts";

/** Time that slabs have to come home after a worker died, milliseconds. */
export const WRITE_OFF_MS = 500;

/** In place of the epoch in which a slab was given out: it is not out. */
const HOME = 0;

export interface PoolParts<P extends Parcel> {
  readonly owner: ActorId;
  /** The bound. */
  readonly slabs: number;
  /** Above 0, and higher with each worker that dies. */
  readonly epoch: number;
  /** Makes a slab. */
  readonly make: () => P;
  /** Called once each time a slab can be had again after `take` returned null. */
  readonly available: () => void;
  /** These slabs were written off. */
  readonly lost: (ids: readonly number[]) => void;
}

export class BufferPool<P extends Parcel> implements Pool<P> {
  readonly #parts: PoolParts<P>;
  readonly #free: P[] = [];
  /** Of each slab that is free, or out and not written off: the epoch in which it was given out, or HOME. */
  readonly #epochs = new Map<number, number>();
  /** Past epochs that may have slabs out, oldest first, and when those are written off. */
  readonly #past: { readonly epoch: number; readonly deadline: number }[] = [];
  #epoch: number;
  #starved = false;
  outstanding = 0;
  lost = 0;
  /** Slabs that came home after they had been written off. */
  late = 0;

  constructor(parts: PoolParts<P>) {
    this.#parts = parts;
    this.#epoch = parts.epoch;
  }

  get free(): number {
    return this.#parts.slabs - this.outstanding;
  }

  /** Numbers of all slabs that are free, or out and not written off. */
  slabs(): Iterable<number> {
    return this.#epochs.keys();
  }

  /** A parcel with OWNER set, or null. Last in, first out: the one that the cache still holds. */
  take(): P | null {
    let parcel = this.#free.pop();
    if (parcel === undefined) {
      if (this.#epochs.size === this.#parts.slabs) {
        this.#starved = true;
        return null;
      }
      parcel = this.#parts.make();
    }
    parcel.i32[OWNER] = this.#parts.owner;
    this.#epochs.set(parcel.slab.id, this.#epoch);
    this.outstanding++;
    return parcel;
  }

  expects({ slab }: P): boolean {
    return (this.#epochs.get(slab.id) ?? HOME) !== HOME;
  }

  /** Takes a parcel back. False: it is not this pool's any more and must not be used. */
  home(parcel: P): boolean {
    if (!this.expects(parcel)) {
      this.late++;
      return false;
    }
    this.#epochs.set(parcel.slab.id, HOME);
    this.outstanding--;
    this.#free.push(parcel);
    this.#relieve();
    return true;
  }

  /** A worker died: what is out now has WRITE_OFF_MS to come home. `epoch` is higher than any before. */
  newEpoch(epoch: number, nowMs: number): void {
    this.#past.push({ epoch: this.#epoch, deadline: nowMs + WRITE_OFF_MS });
    this.#epoch = epoch;
  }

  /** Something is out that may have to be written off. */
  get settling(): boolean {
    return this.#past.length > 0;
  }

  /** Writes off what did not come home in time. Cheap when nothing died. */
  tick(nowMs: number): void {
    while (this.#past.length > 0 && this.#past[0].deadline <= nowMs) {
      this.#writeOff(this.#past.shift()!.epoch);
    }
  }

  #writeOff(epoch: number): void {
    const ids = [...this.#epochs].filter(([, since]) => since === epoch).map(([id]) => id);
    if (ids.length === 0) return;
    for (const id of ids) this.#epochs.delete(id);
    this.outstanding -= ids.length;
    this.lost += ids.length;
    this.#parts.lost(ids);
    this.#relieve();
  }

  #relieve(): void {
    if (!this.#starved) return;
    this.#starved = false;
    this.#parts.available();
  }
}
