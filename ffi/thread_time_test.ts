import assert from "node:assert/strict";
import { readThreadTime, threadId } from "./thread_time.ts";

Deno.test("readThreadTime() says that this thread runs, and for how long it has", () => {
  const thread = threadId();
  const before = readThreadTime(thread)!;
  let now = before;
  while (now.ranMs < before.ranMs + 50) now = readThreadTime(thread)!;
  assert.ok(now.runnable);
});

Deno.test("readThreadTime() says of a thread in a call that it sleeps", async () => {
  const cell = new SharedArrayBuffer(8);
  const source = `
    import { threadId } from "${new URL("./thread_time.ts", import.meta.url)}";
    self.onmessage = ({ data }) => {
      const cell = new Int32Array(data);
      postMessage(threadId());
      Atomics.wait(cell, 0, 0);
      close();
    };
    postMessage("loaded");`;
  const worker = new Worker(`data:application/typescript,${encodeURIComponent(source)}`, { type: "module" });
  const said = () => new Promise<MessageEvent>((resolve) => worker.onmessage = resolve);
  await said();
  worker.postMessage(cell);
  const { data: thread } = await said();
  while (readThreadTime(thread)!.runnable);
  Atomics.store(new Int32Array(cell), 0, 1);
  Atomics.notify(new Int32Array(cell), 0);
  while (readThreadTime(thread) !== null) await new Promise((resolve) => setTimeout(resolve));
});

Deno.test("readThreadTime() of no thread is null", () => {
  assert.equal(readThreadTime(0), null);
});
