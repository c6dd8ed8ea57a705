import assert from "node:assert/strict";
import { createEventfd, ring } from "../../ffi/eventfd.ts";
import { close } from "../../ffi/io.ts";
import { Supervisor, type WorkerChange, type WorkerFailure } from "./supervisor.ts";
import type { Order, Status, TestInit } from "../../tests/doubles/runtime_worker.ts";

const MODES = [{ mode: "packed", workers: 1 }, { mode: "isolated", workers: 3 }] as const;
const HEAVY = { group: "a", alone: true };

/** A system of test actors that tells its events to whoever waits for them. */
class TestSystem {
  readonly supervisor: Supervisor;
  readonly changes: WorkerChange[] = [];
  readonly failures: WorkerFailure[] = [];
  readonly escalations: WorkerFailure[] = [];
  readonly letters: unknown[] = [];
  readonly inits = new Map<number, TestInit>();
  #waiting: (() => void)[] = [];

  constructor(placement: (typeof MODES)[number]) {
    this.supervisor = new Supervisor({
      module: new URL("../../tests/doubles/runtime_worker.ts", import.meta.url),
      placement,
      makeBell: createEventfd,
      ring,
      closeBell: close,
      initOf: (actor) => ({ init: this.inits.get(actor) ?? { slabs: 4 } }),
      receive: (message) => this.#note(this.letters, message),
      changed: (change) => this.#note(this.changes, change),
      failed: (failure) => this.#note(this.failures, failure),
      escalate: (failure) => this.#note(this.escalations, failure),
    });
  }

  #note<T>(list: T[], item: T): void {
    list.push(item);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Resolves when `test` is true after some event. */
  async until(test: () => boolean): Promise<void> {
    while (!test()) await new Promise<void>((wake) => this.#waiting.push(wake));
  }

  async order(actor: number, order: Order): Promise<Status> {
    return await this.supervisor.ask(actor, order) as Status;
  }

  /** Asks until the actor's status passes. */
  async status(actor: number, test: (status: Status) => boolean): Promise<Status> {
    for (;;) {
      const status = await this.order(actor, { do: "status" });
      if (test(status)) return status;
    }
  }

  /** State of the worker that has the actor. */
  slotOf(actor: number): number {
    return this.supervisor.workers().find((worker) => worker.actors.includes(actor))!.slot;
  }

  async spawn(...actors: number[]): Promise<void> {
    for (const actor of actors) await this.supervisor.spawn(actor, HEAVY);
  }
}

/** Runs a test on a fresh system; `orderly`: all its threads must be gone in the end. */
async function withSystem(
  placement: (typeof MODES)[number],
  run: (system: TestSystem) => Promise<void>,
  orderly = true,
): Promise<void> {
  const system = new TestSystem(placement);
  try {
    await run(system);
  } finally {
    assert.equal(await system.supervisor.stop(), orderly);
  }
}

for (const placement of MODES) {
  const { mode } = placement;
  const isolated = mode === "isolated";

  Deno.test(`Supervisor (${mode}) moves a parcel without a copy and in order`, () =>
    withSystem(placement, async (system) => {
      await system.spawn(1, 2);
      await system.order(1, { do: "burst", to: 2, count: 200 });
      const receiver = await system.status(2, (status) => status.received.length === 200);
      const sender = await system.status(1, (status) => status.outstanding === 0);
      assert.deepEqual(receiver.received, Array.from({ length: 200 }, (_, i) => i));
      assert.equal(receiver.moved, 0);
      assert.equal(receiver.spoilt, 0);
      assert.equal(sender.byteLengths.length, 200);
      assert.deepEqual(new Set(sender.byteLengths), new Set([isolated ? 0 : 140 * 1024]));
      assert.ok(sender.starvations > 0);
      assert.equal(sender.free, 4);
      assert.equal(sender.lost, 0);
    }));
}
