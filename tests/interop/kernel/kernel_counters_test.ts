/**
 * The same packets for Linux and for the gateway, good and bad: both count the same, keep the same of their states,
 * and send the same.
 */
import assert from "node:assert/strict";
import { type Ran, Topology } from "../../doubles/topology.ts";
import { counted, type End, startEnds, statesOf, withoutTimes } from "./counted_ends.ts";
import { describe } from "./crafted_packets.ts";
import { type FailureCase, REMOTE } from "./failure_case.ts";
import { INBOUND_CASES } from "./inbound_cases.ts";
import { REPLAY_CASES } from "./replay_cases.ts";
import { OUTBOUND_CASES, ROUTED_PEERS } from "./outbound_cases.ts";

/** Milliseconds that the gateway may take to come to what Linux has come to. */
const GATEWAY_LIMIT = 1500;

Deno.test("the gateway counts, keeps and sends what Linux does, whatever the packet", async (t) => {
  await using topology = new Topology();
  await using stack = new AsyncDisposableStack();
  const { linux, gateway } = await startEnds(topology, stack, [
    REMOTE,
    "192.0.2.55",
    "192.0.2.99",
    ...ROUTED_PEERS,
  ]);
  const total = { linux: await linux.xfrmStat(), gateway: await gateway.xfrmStat() };
  for (const failure of [...INBOUND_CASES, ...REPLAY_CASES, ...OUTBOUND_CASES]) {
    await t.step(failure.name, async () => {
      await Promise.all([linux, gateway].map((end) => end.setUp(failure.words)));
      const [expected, actual] = await observe(failure, linux, gateway);
      assert.deepEqual(actual, expected);
    });
  }
  // What was counted too late for its case shows here.
  assert.deepEqual(
    counted(total.gateway, await gateway.xfrmStat()),
    counted(total.linux, await linux.xfrmStat()),
  );
});

/** What an end shows after a case. */
type Observation = Record<"printed" | "xfrmStat" | "links" | "states" | "policies" | "sent", unknown>;

/** Does what the case says at both ends; waits until Linux is quiet and the gateway has come to the same, or won't. */
async function observe(
  { steps }: FailureCase,
  linux: End,
  gateway: End,
): Promise<[Observation, Observation]> {
  const [readLinux, readGateway] = await Promise.all([act(linux, steps), act(gateway, steps)]);
  const expected = await quiet(readLinux);
  const deadline = Date.now() + GATEWAY_LIMIT;
  let actual = await readGateway();
  while (JSON.stringify(actual) !== JSON.stringify(expected) && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    actual = await readGateway();
  }
  return [expected, actual];
}

/** Reads until nothing changes any more. */
async function quiet(read: () => Promise<Observation>): Promise<Observation> {
  let before = await read();
  for (let now = await read(); JSON.stringify(now) !== JSON.stringify(before); now = await read()) {
    before = now;
  }
  return before;
}

/** Sends the packets and runs the programs; what it returns reads what came of it so far. */
async function act(end: End, steps: FailureCase["steps"]): Promise<() => Promise<Observation>> {
  await end.wire.drain();
  const before = await end.xfrmStat();
  let printed = "";
  for (const step of steps) {
    if (typeof step === "string") printed += normalised(await end.run(step.split(" ")));
    else await end.wire.send(step);
  }
  const sent: string[] = [];
  return async () => {
    const reading = await end.read();
    sent.push(...(await end.wire.drain()).map(describe));
    const links = JSON.parse(reading.links) as Record<string, unknown>[];
    return {
      printed,
      xfrmStat: counted(before, reading.xfrmStat),
      links: Object.fromEntries(links.map(({ ifname, stats64 }) => [ifname, stats64])),
      states: statesOf(reading.states),
      policies: withoutTimes(reading.policies),
      sent: [...sent],
    };
  };
}

/** What ping says but for its timing. */
function normalised({ code, stdout, stderr }: Ran): string {
  return `${stdout.replace(/ ?time[ =][\d.]+ ?ms/g, "")}${stderr}exit code ${code}\n`;
}
