import assert from "node:assert/strict";
import { createEventfd, ring } from "../../ffi/eventfd.ts";
import { close } from "../../ffi/io.ts";
import { runWhenIdle } from "../../ffi/thread_policy.ts";
import { readThreadTime } from "../../ffi/thread_time.ts";
import { Supervisor, type WorkerChange, type WorkerFailure } from "./supervisor.ts";
import { SLAB_BYTES } from "../../datapath/batch.ts";
import type { Order, Status, TestInit } from "../../tests/doubles/runtime_worker.ts";

const MODES = [{ mode: "packed", workers: 1 }, { mode: "isolated", workers: 3 }] as const;
/** For how long a worker gets next to no processor, milliseconds. */
const STARVED_MS = 2000;
/** For an answer of a worker that runs only where nobody else wants to: as long as it takes. */
const STARVED_ANSWER_MS = 60_000;
const HEAVY = { group: "a", work: "alone" } as const;

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
      timeOf: readThreadTime,
      runWhenIdle,
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

/** Processes that take all the time there is, two for each processor. */
async function spinners(): Promise<Deno.ChildProcess[]> {
  const children = Array.from(
    { length: 2 * navigator.hardwareConcurrency },
    () => new Deno.Command("sh", { args: ["-c", "echo; while :; do :; done"], stdout: "piped" }).spawn(),
  );
  await Promise.all(children.map(async ({ stdout }) => {
    const reader = stdout.getReader();
    await reader.read();
    await reader.cancel();
  }));
  return children;
}

/** Changes the scheduling policy of a thread. */
async function chrt(policy: "--idle" | "--other", thread: number): Promise<void> {
  const { code } = await new Deno.Command("chrt", { args: [policy, "--pid", "0", `${thread}`] }).output();
  assert.equal(code, 0);
}

/** Runs a test on a fresh system; `orderly`: all its threads must be gone in the end. */
async function withSystem(
  placement: (typeof MODES)[number],
  run: (system: TestSystem) => Promise<void>,
  orderly = true,
): Promise<void> {
  const system = new TestSystem(placement);
  let stopped;
  try {
    await run(system);
  } finally {
    stopped = await system.supervisor.stop();
  }
  assert.equal(stopped, orderly);
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
      assert.deepEqual(new Set(sender.byteLengths), new Set([isolated ? 0 : SLAB_BYTES]));
      assert.ok(sender.starvations > 0);
      assert.equal(sender.free, 4);
      assert.equal(sender.lost, 0);
    }));

  Deno.test(`Supervisor (${mode}) brings a buffer home after a round trip`, () =>
    withSystem(placement, async (system) => {
      await system.spawn(1, 2);
      await system.order(2, { do: "mode", mode: "echo" });
      await system.order(1, { do: "burst", to: 2, count: 50 });
      const sender = await system.status(1, (status) => status.received.length === 50);
      assert.deepEqual(sender.received, Array.from({ length: 50 }, (_, i) => i));
      assert.equal(sender.moved + sender.spoilt, 0);
      assert.equal(sender.outstanding, 0);
    }));

  Deno.test(`Supervisor (${mode}) holds a sender back while its buffers are out`, () =>
    withSystem(placement, async (system) => {
      await system.spawn(1, 2);
      await system.order(2, { do: "mode", mode: "hold" });
      await system.order(1, { do: "burst", to: 2, count: 6 });
      await system.status(2, (status) => status.received.length === 4);
      const held = await system.order(1, { do: "status" });
      assert.deepEqual([held.sent, held.free, held.outstanding, held.starvations], [4, 0, 4, 1]);
      await system.order(2, { do: "mode", mode: "give" });
      await system.order(2, { do: "release" });
      await system.status(2, (status) => status.received.length === 6);
      await system.status(1, (status) => status.free === 4);
    }));

  Deno.test(`Supervisor (${mode}) carries letters and broadcasts between actors`, () =>
    withSystem(placement, async (system) => {
      await system.spawn(1, 2);
      await system.order(1, { do: "letter", to: 2, body: { a: 1 } });
      const { letters } = await system.status(2, (status) => status.letters.length === 1);
      assert.deepEqual(letters, [{ a: 1 }]);
      await system.order(1, { do: "letter", to: 0, body: "up" });
      await system.until(() => system.letters.length === 1);
      system.supervisor.broadcast({ do: "letter", to: 0, body: "all" });
      await system.until(() => system.letters.length === 3);
      assert.deepEqual(system.letters, ["up", "all", "all"]);
    }));

  Deno.test(`Supervisor (${mode}) sends a parcel home that has no receiver`, () =>
    withSystem(placement, async (system) => {
      await system.spawn(1, 2);
      await system.order(1, { do: "burst", to: 99, count: 10 });
      await system.status(1, (status) => status.undelivered === 10 && status.outstanding === 0);
      await system.supervisor.remove(2);
      await system.order(1, { do: "burst", to: 2, count: 10 });
      await system.status(1, (status) => status.undelivered === 20 && status.outstanding === 0);
      await assert.rejects(system.order(2, { do: "status" }), /Cannot ask actor 2: no such actor/);
    }));

  Deno.test(`Supervisor (${mode}) refuses an actor that cannot be made, and nothing else`, () =>
    withSystem(placement, async (system) => {
      await system.spawn(1);
      system.inits.set(2, { slabs: 1, refuse: "EBUSY" });
      await assert.rejects(system.spawn(2), { message: "EBUSY", actor: 2 });
      assert.equal((await system.order(1, { do: "status" })).free, 4);
      system.inits.delete(2);
      await system.spawn(2);
      assert.equal((await system.order(2, { do: "status" })).self, 2);
      assert.deepEqual(system.failures, []);
    }));

  Deno.test(`Supervisor (${mode}) replaces a worker whose actor throws, with current init records`, () =>
    withSystem(placement, async (system) => {
      await system.spawn(1, 2);
      system.inits.set(2, { slabs: 7 });
      const slot = system.slotOf(2);
      await assert.rejects(system.order(2, { do: "throw", text: "boom" }), /threw, boom/);
      const { free } = await system.order(2, { do: "status" });
      assert.equal(free, 7);
      assert.equal(system.failures.length, 1);
      const { reason, actor, message, stack } = system.failures[0];
      assert.deepEqual([reason, actor, message], ["threw", 2, "boom"]);
      assert.match(stack, /runtime_worker/);
      await system.until(() =>
        system.changes.filter(({ state }) => state === "running").length === (isolated ? 3 : 2)
      );
      assert.deepEqual(
        system.changes.filter((change) => change.slot === slot).map(({ state }) => state),
        ["starting", "running", "failing", "replaced", "starting", "running"],
      );
      assert.equal(system.supervisor.workers().find((worker) => worker.slot === slot)!.restarts, 1);
      await system.order(1, { do: "burst", to: 2, count: 20 });
      await system.status(2, (status) => status.received.length === 20);
    }));

  Deno.test(`Supervisor (${mode}) writes off the buffers that died with a worker`, () =>
    withSystem(placement, async (system) => {
      await system.spawn(1, 2);
      await system.order(2, { do: "mode", mode: "hold" });
      await system.order(1, { do: "burst", to: 2, count: 4 });
      await system.status(2, (status) => status.received.length === 4);
      await assert.rejects(system.order(2, { do: "throw", text: "boom" }));
      const sender = await system.status(1, (status) => status.free === 4);
      assert.deepEqual([sender.outstanding, sender.lost], [0, isolated ? 4 : 0]);
      await system.order(1, { do: "burst", to: 2, count: 20 });
      await system.status(2, (status) => status.received.length === 20);
      await system.status(1, (status) => status.free === 4);
    }));

  Deno.test(`Supervisor (${mode}) replaces a hung worker, which does nothing when it wakes`, () =>
    withSystem(placement, async (system) => {
      await system.spawn(1, 2);
      const until = new SharedArrayBuffer(8);
      const cells = new Int32Array(until);
      const hung = system.order(1, { do: "hang", until, to: 2 });
      await assert.rejects(hung, /hung, no heartbeat/);
      const fresh = await system.order(1, { do: "status" });
      assert.equal(fresh.sent, 0);
      assert.equal(system.failures[0].reason, "hung");
      const woken = Atomics.waitAsync(cells, 1, 1).value;
      Atomics.store(cells, 0, 1);
      await woken;
      await system.order(1, { do: "burst", to: 2, count: 3 });
      const { received, letters } = await system.status(2, (status) => status.received.length >= 3);
      assert.deepEqual(received, [0, 1, 2]);
      assert.deepEqual(letters, []);
      assert.deepEqual(system.letters, []);
    }, false));

  Deno.test(`Supervisor (${mode}) keeps a worker that gets no processor, and replaces one that hangs beside others`, () =>
    withSystem(placement, async (system) => {
      await system.spawn(1, 2);
      const { thread } = await system.order(1, { do: "status" });
      const others = await spinners();
      try {
        // From now on it runs only where nobody else wants to.
        await chrt("--idle", thread);
        const start = performance.now();
        while (performance.now() - start < STARVED_MS) {
          await system.supervisor.ask(1, { do: "status" }, STARVED_ANSWER_MS);
        }
        await chrt("--other", thread);
        assert.deepEqual(system.failures, []);

        const until = new SharedArrayBuffer(8);
        await assert.rejects(system.order(1, { do: "hang", until, to: 2 }), /hung, no heartbeat/);
        await system.order(1, { do: "status" });
        Atomics.store(new Int32Array(until), 0, 1);
      } finally {
        others.forEach((child) => child.kill("SIGKILL"));
      }
    }, false));

  Deno.test(`Supervisor (${mode}) gives a worker up that fails again and again`, () =>
    withSystem(placement, async (system) => {
      await system.spawn(1);
      for (let i = 0; i < 6; i++) await assert.rejects(system.order(1, { do: "throw", text: `boom ${i}` }));
      assert.equal(system.escalations.length, 1);
      assert.equal(system.escalations[0].message, "boom 5");
      assert.equal(system.failures.length, 5);
      assert.equal(system.supervisor.workers()[0].state, "stopped");
      await assert.rejects(system.order(1, { do: "status" }), /Cannot ask actor 1: stopped/);
    }));

  Deno.test(`Supervisor (${mode}) stops while an actor hangs, and says so`, () =>
    withSystem(placement, async (system) => {
      await system.spawn(1, 2);
      const until = new SharedArrayBuffer(8);
      const cells = new Int32Array(until);
      const hanging = Atomics.waitAsync(cells, 1, 0).value;
      const hung = assert.rejects(system.order(1, { do: "hang", until, to: 2 }), /stopped/);
      await hanging;
      assert.equal(await system.supervisor.stop(), false);
      await hung;
      Atomics.store(cells, 0, 1);
    }, false));
}

Deno.test("Supervisor starts workers when they are needed, and counts what they do", () =>
  withSystem(MODES[1], async (system) => {
    assert.deepEqual(system.supervisor.workers(), []);
    await system.spawn(1);
    await system.order(1, { do: "burst", to: 1, count: 5 });
    await system.status(1, (status) => status.received.length === 5);
    const before = system.supervisor.workers();
    assert.equal(before.length, 1);
    await assert.rejects(system.order(1, { do: "throw", text: "boom" }));
    await system.order(1, { do: "status" });
    const [worker] = system.supervisor.workers();
    assert.ok(worker.stats.parcels >= 5, "counters survive the worker");
    assert.ok(worker.stats.letters >= 2);
    assert.ok(worker.stats.turns > 0);
  }));

Deno.test("Supervisor leaves nothing that keeps the process alive", async () => {
  const main = `
    import { createEventfd, ring } from "./ffi/eventfd.ts";
    import { close } from "./ffi/io.ts";
    import { runWhenIdle } from "./ffi/thread_policy.ts";
    import { readThreadTime } from "./ffi/thread_time.ts";
    import { Supervisor } from "./actors/runtime/supervisor.ts";
    const supervisor = new Supervisor({
      module: new URL("./tests/doubles/runtime_worker.ts", import.meta.url),
      placement: { mode: "isolated", workers: 3 },
      makeBell: createEventfd, ring, closeBell: close, timeOf: readThreadTime, runWhenIdle,
      initOf: () => ({ init: { slabs: 1 } }),
      receive() {}, changed() {}, failed() {}, escalate() {},
    });
    for (const actor of [1, 2, 3]) await supervisor.spawn(actor, { group: "a", work: "alone" });
    console.log(await supervisor.stop());`;
  const root = new URL("../../", import.meta.url);
  const source = main.replaceAll('"./', `"${root}`);
  const args = ["run", "-A", "--no-lock", `data:application/typescript,${encodeURIComponent(source)}`];
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: root }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  assert.equal(new TextDecoder().decode(stdout), "true\n");
});

Deno.test("Supervisor reports a module that cannot be loaded, and gives up", async () => {
  const failures: WorkerFailure[] = [];
  const escalation = Promise.withResolvers<WorkerFailure>();
  const supervisor = new Supervisor({
    module: new URL("data:application/javascript,throw new Error('no library')"),
    placement: MODES[0],
    makeBell: createEventfd,
    ring,
    closeBell: close,
    timeOf: readThreadTime,
    runWhenIdle,
    initOf: () => ({ init: null }),
    receive: () => {},
    changed: () => {},
    failed: (failure) => failures.push(failure),
    escalate: escalation.resolve,
  });
  try {
    for (let i = 0; i < 6; i++) await assert.rejects(supervisor.spawn(1, HEAVY), /no library/);
    assert.equal((await escalation.promise).reason, "unloadable");
    assert.equal(failures.length, 5);
  } finally {
    assert.equal(await supervisor.stop(), true);
  }
});
