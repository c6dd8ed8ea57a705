/** The life of one start of a worker: a table that the supervisor obeys and a test reads. */

export type WorkerState = "starting" | "running" | "failing" | "replaced" | "stopping" | "stopped";

export interface Transition {
  readonly from: WorkerState;
  readonly to: WorkerState;
  readonly when: string;
}

/** Every move that is allowed. */
export const TRANSITIONS: readonly Transition[] = [
  { from: "starting", to: "running", when: "its loop runs and its actors are made again" },
  {
    from: "starting",
    to: "failing",
    when: "its module cannot be loaded, an actor threw, or it took too long",
  },
  { from: "starting", to: "stopping", when: "the system stops" },
  { from: "running", to: "failing", when: "an actor threw, or the heartbeat ceased" },
  { from: "running", to: "stopping", when: "the system stops" },
  { from: "failing", to: "replaced", when: "another worker took its place" },
  { from: "failing", to: "stopped", when: "it failed too often to be replaced again, or had no actor" },
  { from: "stopping", to: "stopped", when: "it left in order, or its time to do so was up" },
];

/** Moves that look possible and are not, with the reason. Every other pair is forbidden because it means nothing. */
export const FORBIDDEN: readonly (Transition & { readonly when: string })[] = [
  { from: "failing", to: "running", when: "its actors were told dead: a worker that wakes late must leave" },
  { from: "replaced", to: "running", when: "two workers would own one sequence number" },
  {
    from: "replaced",
    to: "stopped",
    when: "its end is not awaited: it may sit in a call that never returns",
  },
  { from: "stopped", to: "starting", when: "a new start has a block, channels and an epoch of its own" },
  { from: "stopping", to: "failing", when: "a throw in `stop` must not start the worker again" },
];

export function mayMove(from: WorkerState, to: WorkerState): boolean {
  return TRANSITIONS.some((row) => row.from === from && row.to === to);
}
