/** Which worker an actor goes to. Pure: the answer depends on the arguments only. Nothing is ever moved. */

/** What a user asks for. */
export type PlacementMode = "packed" | "isolated" | "auto";

/** What that is on this machine. */
export interface Placement {
  readonly mode: "packed" | "isolated";
  /** Number of workers that may exist; they start when first needed. */
  readonly workers: number;
}

/** An actor as far as its place depends on it. */
export interface Placed {
  /** Actors of one group pass parcels to each other. */
  readonly group: string;
  /**
   * "alone": wants a worker of its own while there are enough; "shared": has its part of what is left; "idle": has
   * hardly anything to do, and goes with another.
   */
  readonly work: "alone" | "shared" | "idle";
}

/** More would be more threads than a gateway's work can keep busy, at 10 MB each. */
export const MAX_WORKERS = 8;
/** Below this number of cores a hop between threads costs more than the second thread brings. */
const CORES_TO_SPREAD = 4;
/** Load by the work there is; one that wants to be alone counts more than all others together. */
const LOADS = { alone: 1e6, shared: 1, idle: 0 } as const;

export function resolvePlacement(mode: PlacementMode, cores: number): Placement {
  const bounded = Math.min(MAX_WORKERS, Math.max(1, Math.floor(cores)));
  if (mode === "packed" || (mode === "auto" && cores < CORES_TO_SPREAD)) {
    return { mode: "packed", workers: bounded };
  }
  return { mode: "isolated", workers: mode === "isolated" ? MAX_WORKERS : bounded };
}

export function loadOf(actor: Placed): number {
  return LOADS[actor.work];
}

/**
 * Worker for an actor, 0 to workers - 1. `loads[w]` is the sum of `loadOf` over the actors that worker w has; `home` is
 * the worker that has the actor's group, undefined for the first of a group. Packed, a group stays together, and a new
 * one goes where there is least.
 */
export function placeActor(placement: Placement, loads: readonly number[], home: number | undefined): number {
  if (placement.mode === "packed" && home !== undefined) return home;
  let least = 0;
  for (let w = 1; w < placement.workers; w++) if ((loads[w] ?? 0) < (loads[least] ?? 0)) least = w;
  return least;
}
