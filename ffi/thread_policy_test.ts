import assert from "node:assert/strict";
import { runWhenIdle } from "./thread_policy.ts";
import { threadId } from "./thread_time.ts";

/** Field "policy" of proc(5) stat, behind the name, which may hold blanks. */
const POLICY = 38;
const SCHED_IDLE = 5;

Deno.test("runWhenIdle() lets a thread run only when nothing else does", async () => {
  const source = `
    import { threadId } from "${new URL("./thread_time.ts", import.meta.url)}";
    postMessage(threadId());`;
  const worker = new Worker(`data:application/typescript,${encodeURIComponent(source)}`, { type: "module" });
  const { data: thread } = await new Promise<MessageEvent>((resolve) => worker.onmessage = resolve);
  const policyOf = async (thread: number) => {
    const stat = await Deno.readTextFile(`/proc/self/task/${thread}/stat`);
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[POLICY]);
  };
  const own = await policyOf(threadId());
  runWhenIdle(thread);
  assert.equal(await policyOf(thread), SCHED_IDLE);
  assert.equal(await policyOf(threadId()), own);
  worker.terminate();
});

Deno.test("runWhenIdle() takes a thread that is gone", () => {
  runWhenIdle(2 ** 30);
});
