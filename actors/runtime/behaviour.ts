/**
 * What an actor is to the runtime, and what the runtime is to an actor.
 *
 * An actor is a number, a Behaviour and nothing else. It runs inside one worker, one call at a time, and is never
 * entered while one of its calls is on the stack. It reaches others by its Context only.
 */

/** Number of an actor, 1 to MAX_ACTORS - 1. Never given to a second actor while the system lives. */
export type ActorId = number;
/** The main thread, as a sender and as a receiver of letters. */
export const MAIN: ActorId = 0;
/** Length of the table actor → worker, which is shared memory and therefore has a fixed size. */
export const MAX_ACTORS = 65_536;

// Header words of a parcel that belong to the runtime.
/** Actor the parcel is for. */
export const TO = 0;
/** What the receiver shall do with it: 0 and above are the actors' own, below are the runtime's. */
export const KIND = 1;
/** Actor whose pool the buffer came from; 0 for a buffer without a pool. */
export const OWNER = 2;
/** Epoch in which the worker of that pool started; 0 once the pool has given the slab up (SlabTable). */
export const EPOCH = 3;

/** KIND of a parcel that goes home because its receiver is done with it. */
export const RETURN = -1;
/** KIND of a parcel that goes home because nobody could take it: its receiver, or the receiver's worker, is gone. */
export const UNDELIVERED = -2;

/** Memory that parcels lie in, as one worker knows it. All workers see the same bytes. */
export interface Slab<P extends Parcel> {
  /** Above 0, never given to a second slab of the process. */
  readonly id: number;
  /** Keeps the memory while any worker refers to it. */
  readonly memory: SharedArrayBuffer;
  /** A parcel over it, with a buffer and views of its own. */
  wrap(): P;
}

/**
 * A slab in the hands of one actor. Its buffer is detached when it is sent to another worker, and all views with it:
 * a parcel that was passed on can't be touched.
 */
export interface Parcel {
  /** Keeps the memory for as long as the parcel is there; the views alone do not. */
  readonly slab: Slab<Parcel>;
  readonly buffer: ArrayBuffer;
  /** Header words. */
  readonly i32: Int32Array;
}

/** Answers an `ask`; does nothing when the letter was only sent. May be kept and called in a later call. */
export type Reply = (answer: unknown) => void;

/** The calls that an actor answers. All are synchronous; a throw ends the worker, which is then replaced. */
export interface Behaviour<P extends Parcel> {
  /** A letter: a plain record, shared with the sender when both live in one worker, so neither changes it. */
  receive(message: unknown, from: ActorId, reply: Reply): void;
  /** A parcel, now owned by this actor until it passes it to `sendParcel` or `give`. */
  parcel(parcel: P): void;
  /** A watched descriptor has events (EPOLL* bits). */
  ready(token: number, events: number): void;
  /** The pool has a buffer again after `take` returned null. */
  available(): void;
  /** Every TICK_MS while the worker has something to do, else at least every SLEEP_MS; `nowMs` as `Context.now`. */
  tick(nowMs: number): void;
  /** End of a turn in which this actor was called: send what is only partly filled. */
  flush(): void;
  /** Orderly end: close descriptors, zero keys. Not called when the worker fails. */
  stop(): void;
}

/** Bounded store of an actor's buffers. */
export interface Pool<P extends Parcel> {
  /** A buffer, or null: stop reading (unwatch) until `Behaviour.available`. */
  take(): P | null;
  /** Whether this buffer is out and expected back: not one that was written off, or that a former pool gave out. */
  expects(parcel: P): boolean;
  /** Buffers that are out and expected back. */
  readonly outstanding: number;
  /** Buffers that `take` can give out now. */
  readonly free: number;
  /** Buffers written off because a worker died with them. */
  readonly lost: number;
}

/** How an actor reaches the rest. */
export interface Context<P extends Parcel> {
  readonly self: ActorId;
  /** Milliseconds, monotonic within a worker, read once a turn. */
  now(): number;
  /** Sends a letter. `transfer` applies only when the receiver lives elsewhere. */
  send(to: ActorId, message: unknown, transfer?: Transferable[]): void;
  /** Sends a parcel to the actor in its word TO. Transferred: the caller must not touch it again. */
  sendParcel(parcel: P): void;
  /** Sends a parcel to the pool that it came from. Transferred. */
  give(parcel: P): void;
  /**
   * Makes this actor's pool of at most `slabs` slabs; once per actor. They are made when first needed. `undelivered`
   * sees a parcel's content before its slab is reused when nobody could take it.
   */
  pool(slabs: number, undelivered?: (parcel: P) => void): Pool<P>;
  /** Watches a descriptor, level-triggered unless `events` says EPOLLET; again with the same fd: changes it. */
  watch(fd: number, events: number, token: number): void;
  unwatch(fd: number): void;
  /**
   * Lets more gather before the next turn: LINGER_US in which nobody is woken for this worker. For a receiver that got
   * part of a burst. Nothing is waited for when work is left.
   */
  linger(): void;
}

/** Time between two ticks of a worker that has something to do, milliseconds. */
export const TICK_MS = 100;
/**
 * Longest sleep of a worker that has nothing to do, and so its longest time between two ticks, milliseconds. A waking
 * costs an idle host as much as several packets.
 */
export const SLEEP_MS = 1000;

/**
 * How long a worker lingers, microseconds. At 200,000 packets a second 20 gather, for which one waking and one system
 * call is enough.
 */
export const LINGER_US = 100;

/** Edge-triggered readable: what the doorbell is polled for (EPOLLIN | EPOLLET, as u32). */
export const BELL_EVENTS = 0x8000_0001;

/** epoll, injected because the runtime may not call native code. */
export interface Poller {
  /** Waits at most `timeoutMs` (0: only looks); returns the number of events, 0 too when interrupted. */
  wait(timeoutMs: number): number;
  /** Sleeps for about `us` microseconds, below 1,000,000, whatever happens meanwhile. */
  nap(us: number): void;
  token(index: number): number;
  events(index: number): number;
  add(fd: number, events: number, token: number): void;
  modify(fd: number, events: number, token: number): void;
  remove(fd: number): void;
  close(): void;
}

/** Makes the descriptor `fd` (an eventfd) readable, so that its sleeping owner wakes. */
export type Ring = (fd: number) => void;
