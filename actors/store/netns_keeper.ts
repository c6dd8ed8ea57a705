/** Keepers of the namespaces that are served, and what is common to all. */
import type { Keeper, KeptKind, Slot } from "../control/keeper.ts";

/** Something that the store has. `secret` is the taker's, who zeroes it. */
export interface StoredThing {
  readonly slot: Slot;
  readonly kind: KeptKind | "netns";
  readonly body: unknown;
  readonly secret: Uint8Array;
}

/** A namespace that the store has. */
export interface StoredNetns {
  readonly name: string;
  /** The gateway made it. */
  readonly made: boolean;
  /** What it was when it was last served; null when that was before the host was started. */
  readonly inode: number | null;
  /** Links, SAs and policies that nobody has taken up yet. */
  readonly things: number;
}

export interface NetnsKeeper extends Keeper {
  /** Memory of the namespace's own counters. */
  readonly mib: Slot;
  /** Devices are to outlive the process. */
  readonly persistent: boolean;
  /** Says what the namespace is, and whether the gateway has made it. */
  describe(inode: number, made: boolean): void;
  /** What the store has of the namespace, oldest first; once. */
  stored(): StoredThing[];
  /** Forgets something stored that can't be made again. */
  drop(slot: Slot): void;
  /** Writes down what has changed. */
  commit(): void;
  /** The namespace is served no longer. */
  forget(): void;
}

export interface Keepers {
  /** For the gateway's SteadyClock: one for as long as the host runs, so that ages go on over a restart. */
  readonly clockOffset: number;
  /** Namespaces to be served without being asked. */
  namespaces(): StoredNetns[];
  /** Forgets a namespace that is not served. */
  forget(netns: string): void;
  /** For a namespace that is served from now on. Throws when there is no room. */
  of(netns: string): NetnsKeeper;
  /** A thread was given up that may wake again: memory it may know of is given to nobody else. */
  taint(): void;
  /** The workers are gone, all of them when `orderly`. */
  close(orderly: boolean): void;
}
