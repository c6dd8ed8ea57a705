/**
 * What of a namespace's things outlives the process: their counters, windows and leases as memory, and what made them
 * as rows. Without a state directory only the memory is there, and it outlives workers only.
 */
import type { Result } from "./kernel_error.ts";

/** Memory of one thing, SLOT_MEMORY_BYTES long. Its identity is never given to another thing. */
export interface Slot {
  /** 32 hex digits. */
  readonly identity: string;
  /** The same memory in every thread. */
  readonly address: bigint;
  readonly memory: ArrayBuffer;
  /** What it held before is gone: bounds are known, a replay window is not. */
  readonly lost: boolean;
}

/** Room for every kind of thing that has cells. */
export const SLOT_MEMORY_BYTES = 704;

export type KeptKind = "link" | "state" | "policy" | "spd";

/** What makes a thing again after a restart. */
export interface Kept {
  readonly slot: Slot;
  readonly kind: KeptKind;
  /** Survives JSON. */
  readonly body: unknown;
  /** What nobody may read who reads the disk. The keeper's own, who zeroes it. */
  readonly secret?: Uint8Array;
}

export interface Keeper {
  /** Memory for a new thing, all zero. ENOBUFS: there is no room. */
  allocate(): Result<Slot>;
  /** Gives the memory back. Nobody may hold a view of it any more. */
  release(slot: Slot): void;
  /** Writes a new thing down, for good. ENOBUFS: that failed, and the thing must not be used. */
  add(thing: Kept): Result<void>;
  /** Writes down what a thing is now: at once, or as soon as that can be done again. */
  change(thing: Kept): void;
  /** Forgets a thing; its memory stays. */
  remove(slot: Slot): void;
}
