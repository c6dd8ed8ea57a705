/** What the main thread and its workers say to each other, beside parcels. All are plain records. */
import type { ActorId } from "./behaviour.ts";
import type { LinkEnd } from "./mailbox.ts";

/** A letter from one actor to another; `call` is not 0 when the main thread waits for an answer. */
export interface Letter {
  readonly op: "letter";
  readonly to: ActorId;
  readonly from: ActorId;
  readonly call: number;
  readonly body: unknown;
}

/** Why something ended, as it crosses threads: an Error would lose its class and fields on the way. */
export interface Failure {
  /** Actor whose call was on the stack, 0 none. */
  readonly actor: ActorId;
  readonly message: string;
  readonly stack: string;
}

export function failureOf(actor: ActorId, error: unknown): Failure {
  if (error instanceof Error) return { actor, message: error.message, stack: error.stack ?? "" };
  return { actor, message: String(error), stack: "" };
}

/** First message to a worker, by its global scope, after it said "loaded". */
export interface Init {
  readonly op: "init";
  readonly slot: number;
  readonly epoch: number;
  /** Memory of the worker's own WorkerBlock. */
  readonly block: SharedArrayBuffer;
  /** Memory of the Directory. */
  readonly directory: SharedArrayBuffer;
  /** Doorbell of the worker. */
  readonly bell: number;
  readonly main: LinkEnd;
}

/** By the channel to the main thread, in order with its letters. */
export type ToWorker =
  | { readonly op: "broadcast"; readonly body: unknown }
  | { readonly op: "spawn"; readonly call: number; readonly actor: ActorId; readonly init: unknown }
  | { readonly op: "remove"; readonly call: number; readonly actor: ActorId }
  | { readonly op: "link"; readonly slot: number; readonly end: LinkEnd }
  | { readonly op: "down"; readonly slot: number; readonly epoch: number };

export type ToMain =
  | Letter
  /** The loop runs. */
  | { readonly op: "running" }
  /** Answer of an actor to an ask, or of the worker to spawn and remove. */
  | { readonly op: "answer"; readonly call: number; readonly body: unknown }
  /** spawn: the actor could not be made. */
  | { readonly op: "refused"; readonly call: number; readonly failure: Failure }
  /** An actor threw; the worker is gone when this arrives. */
  | { readonly op: "failed"; readonly failure: Failure }
  /** Left in order. */
  | { readonly op: "stopped" };
