import assert from "node:assert/strict";
import { runClient } from "../../tests/doubles/run_client.ts";
import { readTranscript } from "../../tests/doubles/transcript.ts";
import { readPolicy, readState } from "../../tests/doubles/xfrm_text.ts";

const { stdout: MONITORED } = (await readTranscript("xfrm_show.txt"))
  .find(({ command }) => command === "ip xfrm monitor")!;
/** The state, both policies and the expiry of the transcript; a gateway has no acquires and asynchronous events. */
const [STATE, POLICY_IN, POLICY_OUT] = MONITORED.split(/^(?=src |acquire)/m) as [string, string, string];
const EXPIRED = MONITORED.slice(MONITORED.indexOf("Expired "));
const state = readState(STATE);

function stream(events: readonly { kind: string; body: unknown; netns?: string }[]) {
  const text = events.map(({ kind, body, netns = "blue" }, i) => {
    const event = { id: i + 1, time: 1, netns, kind, body };
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
    { kind: "expire", body: { state, hard: true } },
  ];
  const { exitCode, stdout } = await runClient(["xfrm", "monitor"], stream(events));
  assert.equal(exitCode, 0);
  assert.equal(stdout, STATE + POLICY_IN + POLICY_OUT + EXPIRED);
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
  assert.equal(await ask("acquire", "all"), STATE + POLICY_IN);
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
