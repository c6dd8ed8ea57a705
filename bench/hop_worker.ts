/** The worker of hop_bench.ts: actors that send parcels on as fast as they come. */
import {
  type Behaviour,
  type Context,
  OWNER,
  type Pool,
  type Reply,
  TO,
} from "../actors/runtime/behaviour.ts";
import { hostActors } from "../actors/runtime/worker_host.ts";
import type { Batch } from "../datapath/batch.ts";
import { Epoll } from "../ffi/epoll.ts";
import { ring } from "../ffi/eventfd.ts";
import { newSlabMemory, Slab } from "../ffi/slab_pointers.ts";
import { threadId } from "../ffi/thread_time.ts";

/** Sends `count` parcels round, at most `window` on their way at a time; answered with the milliseconds it took. */
export interface Run {
  readonly count: number;
  readonly window: number;
}

export interface HopInit {
  /** Actor that parcels are passed to. */
  readonly next: number;
}

class HopActor implements Behaviour<Batch> {
  readonly #context: Context<Batch>;
  readonly #next: number;
  readonly #pool: Pool<Batch>;
  #toSend = 0;
  #start = 0;
  #reply: Reply = () => {};

  constructor(context: Context<Batch>, init: HopInit) {
    this.#context = context;
    this.#next = init.next;
    this.#pool = context.pool(64);
  }

  receive(message: unknown, _from: number, reply: Reply): void {
    const { count, window } = message as Run;
    this.#reply = reply;
    this.#toSend = count;
    this.#start = performance.now();
    for (let i = 0; i < window; i++) this.#pass(this.#pool.take()!);
  }

  #pass(parcel: Batch): void {
    parcel.i32[TO] = this.#next;
    this.#context.sendParcel(parcel);
  }

  parcel(parcel: Batch): void {
    if (parcel.i32[OWNER] !== this.#context.self) return this.#pass(parcel);
    if (--this.#toSend >= this.#pool.outstanding) return this.#pass(parcel);
    this.#context.give(parcel);
    if (this.#pool.outstanding === 0) this.#reply(performance.now() - this.#start);
  }

  ready(): void {}
  available(): void {}
  tick(): void {}
  flush(): void {}
  stop(): void {}
}

hostActors<Batch>({
  makePoller: () => new Epoll(),
  ring,
  threadId,
  makeMemory: newSlabMemory,
  makeSlab: (id, memory) => new Slab(id, memory),
  makeBehaviour: (_, init, context) => new HopActor(context, init as HopInit),
});
