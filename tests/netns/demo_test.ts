/** `demo` on a host that has neither `ip` nor `ping`, interrupted at every stage, and where it can't run. */
import assert from "node:assert/strict";
import { type Background, run, Topology } from "../doubles/topology.ts";

const MOD = new URL("../../mod.ts", import.meta.url).pathname;
const DEMO = [Deno.execPath(), "run", "-A", MOD, "demo"];
const POWERLESS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];
/** No program is found by its name. */
const BARE = { PATH: "/nonexistent" };
/** Milliseconds. */
const DEMO_TIMEOUT = 30_000;

/** Nothing of a demo that has ended is left: namespaces, and with them devices, and children. */
async function assertGone({ pid }: Background, children: readonly number[]): Promise<void> {
  const names = await Array.fromAsync(Deno.readDir("/run/netns"), ({ name }) => name);
  assert.deepEqual(names.filter((name) => name.startsWith(`vti-demo-${pid}-`)), []);
  const left = children.filter((child) => {
    try {
      return Deno.statSync(`/proc/${child}`).isDirectory;
    } catch {
      return false;
    }
  });
  assert.deepEqual(left, []);
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await Deno.readTextFile(`/proc/${pid}/task/${pid}/children`);
  return text.trim().split(/\s+/).filter((word) => word !== "").map(Number);
}

/** The children of a process that is about to have some. */
async function firstChildrenOf(process: Background): Promise<number[]> {
  for (;;) {
    const children = process.ended ? null : await childrenOf(process.pid);
    if (children === null) throw new Error(`Cannot wait for children: ${process.output}`);
    if (children.length > 0) return children;
  }
}

Deno.test("demo shows pings, ESP on the wire, a rate and counters, and leaves nothing", async () => {
  await using topology = new Topology();
  const demo = await topology.spawn(null, DEMO, BARE);
  await demo.printed(/TCP for/, DEMO_TIMEOUT);
  const { code } = await demo.status;
  await demo.stop();
  const { output } = demo;
  assert.equal(code, 0, output);
  assert.match(output, /ping 10\.60\.0\.1: 5 of 5 echoes answered, [\d.]+\/[\d.]+\/[\d.]+ ms/);
  assert.match(output, /ping fd00:9::2: 5 of 5 echoes answered/);
  assert.match(output, /on the wire meanwhile: 20 packets, all ESP, 0 in clear/);
  assert.match(output, /TCP to 10\.60\.0\.1 .*: [\d.]+ [GM]bit\/s/);
  const counters = [
    ...output.matchAll(/tx (\d+) packets (\d+) bytes \d+ errors, rx (\d+) packets (\d+) bytes/g),
  ]
    .map((match) => match.slice(1).map(Number));
  assert.equal(counters.length, 2, output);
  assert.ok(counters.flat().every((n) => n > 10), output);
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(output, /\x1b/, "colours are for terminals");
  await assertGone(demo, []);
});

for (
  const [stage, said] of [
    ["with its namespaces made", /two network namespaces/],
    ["while it pings", /a VTI in each/],
    ["while it transfers", /TCP for/],
  ] as const
) {
  for (const [signal, expected] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    Deno.test(`demo removes everything at ${signal}, ${stage}`, async () => {
      await using topology = new Topology();
      const demo = await topology.spawn(null, DEMO, BARE);
      await demo.printed(said, DEMO_TIMEOUT);
      const children = stage === "while it transfers" ? await firstChildrenOf(demo) : [];
      const { code } = await demo.stop(signal, DEMO_TIMEOUT);
      assert.equal(code, expected, demo.output);
      assert.match(demo.output, RegExp(`${signal}: all removed\\.`));
      await assertGone(demo, children);
    });
  }
}

Deno.test("demo says what a host lacks", async () => {
  const { code, stdout, stderr } = await run([...POWERLESS, ...DEMO]);
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, /^The demo can't run on this host:\n/);
  assert.match(stderr, /^ {2}network namespaces: .*; run as root or with CAP_SYS_ADMIN$/m);
});
