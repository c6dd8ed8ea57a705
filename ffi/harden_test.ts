/** In processes of their own: what is given up is not had back. */
import assert from "node:assert/strict";
import { CAP_BITS, type CapName } from "./harden.ts";

const HARDEN = new URL("./harden.ts", import.meta.url).href;

/** Runs a script that has ffi/harden.ts as `h`, and status(NAME) of its thread; returns what it printed as JSON. */
// deno-lint-ignore no-explicit-any
async function inProcess(script: string): Promise<any> {
  const code = `
    import * as h from "${HARDEN}";
    const status = (name) =>
      new RegExp("^" + name + ":\\\\s*(\\\\S+)", "m").exec(Deno.readTextFileSync("/proc/thread-self/status"))[1];
    ${script}`;
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args: ["eval", code] })
    .output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

Deno.test("forbidDumps() leaves no core and no reader of the memory", async () => {
  const PR_GET_DUMPABLE = 3;
  const { before, after, limit } = await inProcess(`
    const { libc } = await import("${new URL("./libc.ts", import.meta.url).href}");
    const dumpable = () => libc.prctl(${PR_GET_DUMPABLE}, 0n, 0n, 0n, 0n);
    const before = dumpable();
    h.forbidDumps();
    const limit = /^Max core file size +(\\S+) +(\\S+)/m.exec(Deno.readTextFileSync("/proc/self/limits"));
    console.log(JSON.stringify({ before, after: dumpable(), limit: limit.slice(1) }));`);
  assert.deepEqual({ before, after, limit }, { before: 1, after: 0, limit: ["0", "0"] });
});

Deno.test("dropCapabilities() leaves those that are kept, in this thread and in new workers", async () => {
  const keep: CapName[] = ["CAP_NET_ADMIN", "CAP_SYS_ADMIN"];
  const wanted = keep.reduce((bits, name) => bits | 1n << BigInt(CAP_BITS[name]), 0n);
  const { before, mine, ofWorker } = await inProcess(`
    const before = status("CapPrm");
    h.dropCapabilities(${JSON.stringify(keep)});
    const names = ["CapEff", "CapPrm", "CapInh", "CapAmb", "NoNewPrivs"];
    const source = "const status = " + status + "; postMessage(" + JSON.stringify(names) + ".map(status))";
    const worker = new Worker("data:text/javascript," + encodeURIComponent(source), { type: "module" });
    const ofWorker = await new Promise((resolve) => worker.onmessage = (event) => resolve(event.data));
    worker.terminate();
    console.log(JSON.stringify({ before, mine: names.map(status), ofWorker }));`);
  const kept = (BigInt(`0x${before}`) & wanted).toString(16).padStart(16, "0");
  assert.deepEqual(mine, [kept, kept, "0".repeat(16), "0".repeat(16), "1"]);
  assert.deepEqual(ofWorker, mine);
});

Deno.test("dropCapabilities() is for good", async () => {
  const left = await inProcess(`
    h.dropCapabilities([]);
    h.dropCapabilities(["CAP_NET_ADMIN"]);
    console.log(JSON.stringify(status("CapPrm")));`);
  assert.equal(left, "0".repeat(16));
});
