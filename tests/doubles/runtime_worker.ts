/** The worker of the runtime's own tests: actors that do what a letter tells them. */
import { Epoll } from "../../ffi/epoll.ts";
import { ring } from "../../ffi/eventfd.ts";
import { ADDRESS_HI, ADDRESS_LO, type Batch } from "../../datapath/batch.ts";
import { newSlabMemory, Slab } from "../../ffi/slab_pointers.ts";
import { threadId } from "../../ffi/thread_time.ts";
import {
  type Behaviour,
  type Context,
  KIND,
  type Pool,
  type Reply,
  TO,
} from "../../actors/runtime/behaviour.ts";
import { hostActors } from "../../actors/runtime/worker_host.ts";

/** Words of a test parcel, behind the runtime's four and the address. */
const SEQUENCE = ADDRESS_HI + 1;
const PAYLOAD = SEQUENCE + 1;

/** Letters that a test actor takes. */
export type Order =
  | { readonly do: "status" }
  /** Sends `count` parcels to `to`, as fast as the pool gives them. */
  | { readonly do: "burst"; readonly to: number; readonly count: number }
  /** What the actor does with each parcel. */
  | { readonly do: "mode"; readonly mode: Mode }
  | { readonly do: "letter"; readonly to: number; readonly body: unknown }
  | { readonly do: "throw"; readonly text: string }
  /** Sets cell 1 to 1, spins until cell 0 is not 0, then sends a parcel, letters and a reply, and sets cell 1 to 2. */
  | { readonly do: "hang"; readonly until: SharedArrayBuffer; readonly to: number }
  | { readonly do: "release" };

/** give: back to its pool. echo: to the actor that sent it. hold: kept until "release". */
export type Mode = "give" | "echo" | "hold";

export interface Status {
  readonly self: number;
  readonly received: readonly number[];
  /** Parcels whose address was not what the sender had written. */
  readonly moved: number;
  /** Parcels whose payload was not what the sender had written. */
  readonly spoilt: number;
  readonly sent: number;
  /** Sent buffers that were not detached here although the receiver is elsewhere, or were although it is here. */
  readonly byteLengths: readonly number[];
  readonly letters: readonly unknown[];
  readonly outstanding: number;
  readonly free: number;
  readonly lost: number;
  readonly undelivered: number;
  readonly starvations: number;
  readonly flushes: number;
  /** Its worker's thread. */
  readonly thread: number;
}

export interface TestInit {
  readonly slabs: number;
  readonly refuse?: string;
}

class TestActor implements Behaviour<Batch> {
  readonly #context: Context<Batch>;
  readonly #pool: Pool<Batch>;
  readonly #held: Batch[] = [];
  #mode: Mode = "give";
  #burst = { to: 0, left: 0, next: 0 };
  #starving = false;
  #status = {
    received: [] as number[],
    moved: 0,
    spoilt: 0,
    sent: 0,
    byteLengths: [] as number[],
    letters: [] as unknown[],
    undelivered: 0,
    starvations: 0,
    flushes: 0,
  };

  constructor(context: Context<Batch>, init: TestInit) {
    if (init.refuse !== undefined) throw new Error(init.refuse);
    this.#context = context;
    this.#pool = context.pool(init.slabs, () => this.#status.undelivered++);
  }

  receive(message: unknown, from: number, reply: Reply): void {
    const order = message as Order;
    if (from !== 0) {
      this.#status.letters.push(message);
      return;
    }
    switch (order.do) {
      case "status":
        break;
      case "burst":
        this.#burst = { to: order.to, left: order.count, next: 0 };
        this.#send();
        break;
      case "mode":
        this.#mode = order.mode;
        break;
      case "letter":
        this.#context.send(order.to, order.body);
        break;
      case "throw":
        throw new Error(order.text);
      case "hang": {
        const cell = new Int32Array(order.until);
        tell(cell, 1);
        while (Atomics.load(cell, 0) === 0);
        this.#burst = { to: order.to, left: 1, next: 1_000_000 };
        this.#send();
        this.#context.send(order.to, "late");
        this.#context.send(0, "late");
        tell(cell, 2);
        break;
      }
      case "release":
        while (this.#held.length > 0) this.#context.give(this.#held.pop()!);
        break;
    }
    reply(this.#report());
  }

  #report(): Status {
    const { outstanding, free, lost } = this.#pool;
    return { self: this.#context.self, ...this.#status, outstanding, free, lost, thread: threadId() };
  }

  #send(): void {
    while (this.#burst.left > 0) {
      const parcel = this.#pool.take();
      if (parcel === null) {
        this.#starving = true;
        this.#status.starvations++;
        return;
      }
      const { buffer, i32 } = parcel;
      i32[TO] = this.#burst.to;
      i32[KIND] = this.#context.self;
      i32[SEQUENCE] = this.#burst.next++;
      new Int32Array(buffer).fill(i32[SEQUENCE], PAYLOAD);
      this.#burst.left--;
      this.#status.sent++;
      this.#context.sendParcel(parcel);
      this.#status.byteLengths.push(buffer.byteLength);
    }
  }

  parcel(parcel: Batch): void {
    const { buffer, i32 } = parcel;
    const address = Deno.UnsafePointer.value(Deno.UnsafePointer.of(buffer));
    this.#status.received.push(i32[SEQUENCE]);
    if (
      i32[ADDRESS_LO] !== Number(BigInt.asIntN(32, address)) || i32[ADDRESS_HI] !== Number(address >> 32n)
    ) {
      this.#status.moved++;
    }
    if (new Int32Array(buffer).subarray(PAYLOAD).some((word) => word !== i32[SEQUENCE])) {
      this.#status.spoilt++;
    }
    if (this.#mode === "hold") this.#held.push(parcel);
    else if (this.#mode === "give" || i32[KIND] === this.#context.self) this.#context.give(parcel);
    else {
      i32[TO] = i32[KIND];
      this.#context.sendParcel(parcel);
    }
  }

  ready(): void {}

  available(): void {
    if (!this.#starving) throw new Error("available without a failed take");
    this.#starving = false;
    this.#send();
  }

  tick(): void {}

  flush(): void {
    this.#status.flushes++;
  }

  stop(): void {}
}

function tell(cell: Int32Array, value: number): void {
  Atomics.store(cell, 1, value);
  Atomics.notify(cell, 1);
}

// The test imports this module for its types and constants; only a worker hosts actors.
if (
  typeof (globalThis as { DedicatedWorkerGlobalScope?: unknown }).DedicatedWorkerGlobalScope === "function"
) {
  hostActors<Batch>({
    makePoller: () => new Epoll(),
    ring,
    threadId,
    makeMemory: newSlabMemory,
    makeSlab: (id, memory) => new Slab(id, memory),
    makeBehaviour: (_, init, context) => new TestActor(context, init as TestInit),
  });
}
