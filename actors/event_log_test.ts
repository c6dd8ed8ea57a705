import assert from "node:assert/strict";
import { EventLog } from "./event_log.ts";

async function take(log: EventLog, after: number, count: number): Promise<number[]> {
  const stop = new AbortController();
  const ids: number[] = [];
  for await (const event of log.since(after, stop.signal)) {
    ids.push(event.id);
    if (ids.length === count) stop.abort();
  }
  return ids;
}

Deno.test("since() gives kept events, then new ones as they come", async () => {
  const log = new EventLog();
  for (let i = 0; i < 3; i++) log.add("a", "newlink", i);
  const taken = take(log, 1, 3);
  queueMicrotask(() => log.add("a", "newlink", 3));
  assert.deepEqual(await taken, [2, 3, 4]);
});

Deno.test("since(-1) gives only events that are still to come", async () => {
  const log = new EventLog();
  log.add("a", "newlink", 0);
  const taken = take(log, -1, 1);
  queueMicrotask(() => log.add("a", "dellink", 1));
  assert.deepEqual(await taken, [2]);
});

Deno.test("since() ends when the signal aborts", async () => {
  const stop = new AbortController();
  const waiting = new EventLog().since(0, stop.signal)[Symbol.asyncIterator]().next();
  stop.abort();
  assert.equal((await waiting).done, true);
});

Deno.test("EventLog keeps nothing of a listener that waited and went, nor of one that hears many events", async () => {
  const log = new EventLog();
  const listeners = new Set<unknown>();
  const { signal } = new AbortController();
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => (listeners.add(args[1]), add(...args));
  signal.removeEventListener = (
    ...args: Parameters<typeof remove>
  ) => (listeners.delete(args[1]), remove(...args));
  const events = log.since(-1, signal)[Symbol.asyncIterator]();
  for (let i = 1; i <= 100; i++) {
    const next = events.next();
    log.add("a", "newlink", { i });
    assert.equal((await next).value.id, i);
  }
  assert.ok(listeners.size <= 1, `${listeners.size} listeners`);
});
