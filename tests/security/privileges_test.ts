/** What a daemon that root started without a unit has given up. */
import assert from "node:assert/strict";
import { CAP_BITS } from "../../ffi/harden.ts";
import { LINK } from "../doubles/api_requests.ts";
import { Daemon } from "../doubles/daemon.ts";
import { eventually } from "../doubles/eventually.ts";
import { Topology } from "../doubles/topology.ts";

/** Seconds. */
const LISTENS_AFTER = 2.5;

Deno.test("every thread has the capabilities that are used, and can't get others", async () => {
  await using topology = new Topology();
  const netns = await topology.addNetns("a");
  const daemon = await Daemon.start(topology, { placement: "isolated" });
  assert.equal((await daemon.http("POST", `/v1/netns/${netns}/links`, LINK)).status, 201);
  const { pid } = daemon.process;
  const used = Object.values(CAP_BITS).reduce<number>((bits, bit) => bits | 1 << bit, 0).toString(16)
    .padStart(
      16,
      "0",
    );
  let workers = 0;
  for await (const { name: tid } of Deno.readDir(`/proc/${pid}/task`)) {
    const status = await Deno.readTextFile(`/proc/${pid}/task/${tid}/status`);
    const field = (name: string) => new RegExp(`^${name}:\\s*(\\S+)`, "m").exec(status)![1]!;
    if (field("Name").startsWith("worker-")) workers++;
    assert.deepEqual(["CapEff", "CapPrm", "CapInh", "NoNewPrivs"].map(field), [
      used,
      used,
      "0".repeat(16),
      "1",
    ]);
  }
  assert.ok(workers >= 3, `${workers} workers`);
  const limits = await Deno.readTextFile(`/proc/${pid}/limits`);
  assert.match(limits, /^Max core file size +0 +0/m);
});

Deno.test("no signal makes the daemon open a debugger", async () => {
  await using topology = new Topology();
  const daemon = await Daemon.start(topology, { placement: "packed", netns: await topology.addNetns("a") });
  // Deno listens for the signal only a second after its start.
  await eventually(async () => {
    const { body } = await daemon.http("GET", "/readyz");
    assert.ok((body as { uptime_seconds: number }).uptime_seconds > LISTENS_AFTER);
  });
  Deno.kill(daemon.process.pid, "SIGUSR1");
  assert.equal((await daemon.stop()).code, 0);
  assert.doesNotMatch(daemon.process.output, /[Dd]ebugger/);
});
