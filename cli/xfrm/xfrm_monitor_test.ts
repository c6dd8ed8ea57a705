import assert from "node:assert/strict";
import { runClient } from "../../tests/doubles/run_client.ts";
import { readTranscript } from "../../tests/doubles/transcript.ts";
import { readPolicy, readState } from "../../tests/doubles/xfrm_text.ts";
import { aevents, type Told } from "./xfrm_aevent.ts";

const { stdout: MONITORED } = (await readTranscript("xfrm_show.txt"))
  .find(({ command }) => command === "ip xfrm monitor")!;
/** The state, both policies, the acquire and the expiry of the transcript. */
const [STATE, POLICY_IN, POLICY_OUT, ACQUIRE] = MONITORED.split(/^(?=src |acquire|Async)/m) as [
  ...[string, string, string, string],
];
const EXPIRED = MONITORED.slice(MONITORED.indexOf("Expired "));
const state = readState(STATE);
const larval = {
  ...state,
  src: "192.0.2.2",
  dst: "192.0.2.1",
  spi: 0,
  seq: 7,
  sel: {
    ...state.sel!,
    src: "10.9.0.2/32",
    dst: "10.9.0.1/32",
    proto: 1,
    sport_mask: 0xffff,
    dport_mask: 0xffff,
    dev: "vti1",
  },
};

function stream(events: readonly { kind: string; body: unknown; netns?: string; time?: number }[]) {
  const text = events.map(({ kind, body, netns = "blue", time = 1 }, i) => {
    const event = { id: i + 1, time, netns, kind, body };
    return `id: ${i + 1}\nevent: ${kind}\ndata: ${JSON.stringify(event)}\n\n`;
  });
  const info = { name: "blue", inode: 1, links: 0, states: 0, policies: 0 };
  return ({ path }: { path: string }) => ({
    status: 200,
    body: path === "/v1/events" ? `: hello\n\n${text.join("")}` : info,
  });
}

Deno.test("doXfrmMonitor() prints events as iproute2 does", async () => {
  const events = [
    { kind: "newsa", body: state },
    { kind: "newpolicy", body: readPolicy(POLICY_IN) },
    { kind: "newpolicy", body: readPolicy(POLICY_OUT) },
    { kind: "acquire", body: { state: larval, policy: readPolicy(POLICY_OUT) } },
    { kind: "expire", body: { state, hard: true } },
  ];
  const { exitCode, stdout } = await runClient(["xfrm", "monitor"], stream(events));
  assert.equal(exitCode, 0);
  assert.equal(stdout, STATE + POLICY_IN + POLICY_OUT + ACQUIRE + EXPIRED);
});

Deno.test("doXfrmMonitor() tells more of an acquire with -s", async () => {
  const events = [{ kind: "acquire", body: { state: larval, policy: readPolicy(POLICY_OUT) } }];
  const lines = (await runClient(["-s", "xfrm", "monitor"], stream(events))).stdout.split("\n");
  assert.equal(lines[0], "acquire proto esp spi 0x00000000(0) ");
  assert.ok(lines.includes("    \tlifetime config:"));
  assert.equal(lines.at(-2), "  seq 0x00000007 enc-mask ffffffff auth-mask ffffffff comp-mask ffffffff");
});

Deno.test("doXfrmMonitor() tells of a changed mapping, unless other groups were asked for", async () => {
  const moved = { ...state, encap: { type: "espinudp", sport: 4500, dport: 4500, oaddr: "0.0.0.0" } };
  const events = [{ kind: "mapping", body: { state: moved, new_src: "198.51.100.1", new_sport: 1025 } }];
  const { stdout } = await runClient(["xfrm", "monitor"], stream(events));
  assert.equal(
    stdout,
    "Mapping change 192.0.2.1:4500 -> 198.51.100.1:1025\n" +
      "\tdst 192.0.2.2  reqid 0x0 protocol esp  SPI 0x1001\n",
  );
  assert.equal((await runClient(["xfrm", "monitor", "SA", "policy"], stream(events))).stdout, "");
});

Deno.test("doXfrmMonitor() tells what happened to a state or policy", async () => {
  const policy = readPolicy(POLICY_IN);
  const events = [
    { kind: "updsa", body: state },
    { kind: "delsa", body: state },
    { kind: "updpolicy", body: policy },
    { kind: "delpolicy", body: policy },
    { kind: "expire", body: { policy, hard: false } },
    { kind: "flushsa", body: { proto: null, count: 2 } },
    { kind: "flushpolicy", body: { ptype: "main", count: 2 } },
    { kind: "worker", body: {} },
    { kind: "newlink", body: {} },
  ];
  const { stdout } = await runClient(["xfrm", "monitor", "all"], stream(events));
  assert.equal(
    stdout,
    `Updated ${STATE}Deleted ${STATE}Updated ${POLICY_IN}Deleted ${POLICY_IN}` +
      `Expired ${POLICY_IN}\thard 0\nFlushed state proto 0\nFlushed policy ptype main \n`,
  );
});

Deno.test("doXfrmMonitor() keeps to its namespace and to the groups that are asked for", async () => {
  const events = [
    { kind: "newsa", body: state, netns: "red" },
    { kind: "newsa", body: state },
    { kind: "newpolicy", body: readPolicy(POLICY_IN) },
  ];
  const ask = async (...words: string[]) =>
    (await runClient(["xfrm", "monitor", ...words], stream(events))).stdout;
  assert.equal(await ask("SA"), STATE);
  assert.equal(await ask("nokeys", "policy"), POLICY_IN);
  assert.equal(await ask("acquire"), "");
  // As in iproute2 "all" adds nothing to a group that is named.
  assert.equal(await ask("acquire", "all"), "");
  assert.equal(await ask("all"), STATE + POLICY_IN);
});

Deno.test("doXfrmMonitor() tells of every namespace, by name, and of times", async () => {
  const events = [{ kind: "flushpolicy", body: { ptype: "main" }, netns: "red", time: 1.5 }, {
    kind: "setdefault",
    body: { in: "block", fwd: "accept", out: "accept" },
    time: 2.000007,
  }];
  const ask = async (...words: string[]) => (await runClient(words, stream(events))).stdout;
  const defaults = "Default policies:\n in:  block\n fwd: accept\n out: accept\n";
  assert.equal(
    await ask("xfrm", "monitor", "all-nsid"),
    `[nsid red]Flushed policy ptype main \n[nsid current]${defaults}`,
  );
  assert.match(
    await ask("-t", "xfrm", "monitor"),
    /^Timestamp: \w{3} \w{3} [ \d]\d \S+:02 \d{4} 7 usec\nDefault /,
  );
  assert.match(await ask("-ts", "xfrm", "monitor"), /^\[\d{4}-\d\d-\d\dT\S+:02\.000007\] Default /);
});

Deno.test("doIpmonitor() tells of devices", async () => {
  const shown = (await readTranscript("link_show.txt"))
    .find(({ command }) => command === "ip -d -j -p link show vti1")!;
  const [link] = JSON.parse(shown.stdout);
  const events = [{ kind: "newlink", body: link }, { kind: "newsa", body: state }, {
    kind: "dellink",
    body: link,
  }];
  const { stdout } = await runClient(["monitor", "link"], stream(events));
  const lines = stdout.split("\n");
  assert.match(lines[0]!, /^5: vti1@NONE: <.*> mtu 1480 qdisc noqueue state UNKNOWN group default $/);
  assert.equal(lines[2], `Deleted ${lines[0]}`);
  assert.equal(lines.length, 5);
});

Deno.test("doXfrmMonitor() reads no file, and says so", async () => {
  const wrong: [words: string[], exitCode: number, stderr: string][] = [
    [["file"], 255, 'Command line is not complete. Try option "help"\n'],
    [["all", "fi", "/nowhere/file"], 255, "Cannot fopen: No such file or directory\n"],
    [["file", "/dev/null"], 1, 'Cannot set "file": not supported by vti-gateway\n'],
  ];
  for (const [words, code, text] of wrong) {
    const { exitCode, stderr } = await runClient(
      ["xfrm", "monitor", ...words],
      () => ({ status: 500, body: "" }),
    );
    assert.deepEqual([exitCode, stderr], [code, text]);
  }
});

Deno.test("aevents() tells what has moved as Linux does, by how much it has", () => {
  const told: Told = new Map();
  const at = (oseq: number, oseq_hi = 0, spi = 0x2002) => ({
    ...state,
    src: "192.0.2.2",
    dst: "192.0.2.1",
    proto: "esp" as const,
    spi,
    reqid: 3,
    replay: { ...state.replay, seq: 0, seq_hi: 0, oseq, oseq_hi },
  });
  const line = "\tsrc 192.0.2.2 dst 192.0.2.1  reqid 0x3 protocol esp  SPI 0x2002\n";
  assert.equal(aevents([at(0xfffffffe)], told), "");
  assert.equal(aevents([at(0xfffffffe)], told), "");
  assert.equal(aevents([at(0xffffffff)], told), `Async event  (0x20)  timer expired \n${line}`);
  assert.equal(aevents([at(1, 1), at(5, 0, 7)], told), `Async event  (0x10)  replay update \n${line}`);
});
