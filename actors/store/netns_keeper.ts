/** Keepers of the namespaces that are served, and what is common to all. */
import type { Keeper, Slot } from "../control/keeper.ts";

export interface NetnsKeeper extends Keeper {
  /** Memory of the namespace's own counters. */
  readonly mib: Slot;
  /** The namespace is served no longer. */
  forget(): void;
}

export interface Keepers {
  /** For a namespace that is served from now on. Throws SyscallError when there is no room. */
  of(netns: string): NetnsKeeper;
  /** A thread was given up that may wake again: memory it may know of is given to nobody else. */
  taint(): void;
  /** The workers are gone, all of them when `orderly`. */
  close(orderly: boolean): void;
}
