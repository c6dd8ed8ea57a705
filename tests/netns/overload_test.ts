/**
 * One tunnel is flooded with as many datagrams as a program can send. The tunnel beside it in the same workers loses next
 * to nothing and waits little, requests are answered, memory stays, and every dropped packet is counted somewhere.
 */
import assert from "node:assert/strict";
import { Daemon } from "../doubles/daemon.ts";
import { eventually } from "../doubles/eventually.ts";
import { Topology } from "../doubles/topology.ts";
import { quietCounters } from "../doubles/traffic.ts";
import { joinedPair, type TunnelEnd } from "../doubles/tunnel.ts";
import { CountedFlow } from "../soak/counted_flow.ts";
import { assertExact, droppedBetween, readLedger } from "../soak/packet_ledger.ts";
import { readFigures } from "../soak/process_figures.ts";
import { makeTunnel } from "../soak/rekeyed_tunnel.ts";

const GREEDY = { ifname: "vti1", key: 1, inner: "10.9.1" };
const MODEST = { ifname: "vti2", key: 2, inner: "10.9.2" };
/** More than any program sends. */
const FLOOD = 1e7;
const ECHOES = 200;
/** What may be lost of them: both ends' sockets are shared, and the kernel drops from them as it likes. */
const LOST = 0.05;
/** Median round trip and median answer, milliseconds: far above what they are where nothing else runs. */
const ROUND_TRIP = 100;
const ANSWER = 100;
/** Resident memory may differ by as much, MiB: what two seconds of the flood bring, or V8 not having collected yet. */
const MEMORY = 96;

for (const placement of ["packed", "isolated"] as const) {
  Deno.test(`a flooded tunnel starves neither its neighbour nor the API, ${placement}`, async () => {
    await using topology = new Topology();
    const { a, b } = await joinedPair(topology, async () => ({
      a: await Daemon.start(topology, { placement }),
      b: await Daemon.start(topology, { placement }),
    }));
    for (const setup of [GREEDY, MODEST]) await makeTunnel(topology, setup, a, b);
    const flow = await CountedFlow.start(topology, a, b, `${GREEDY.inner}.2`, FLOOD);
    await eventually(async () =>
      assert.ok((await a.daemon.link(a.netns, GREEDY.ifname)).stats64.tx.packets > 10_000)
    );
    const before = await memories(a, b);

    const pinging = topology.must(a.netns, [
      ...["ping", "-n", "-i", "0.01", "-c", `${ECHOES}`, `${MODEST.inner}.2`],
    ]);
    const answers = await answerTimes(a, pinging);
    const trips = [...(await pinging).matchAll(/time=([\d.]+) ms/g)].map(([, time]) => Number(time));
    const after = await memories(a, b);
    const sent = await flow.stopSending();
    for (const { ifname } of [GREEDY, MODEST]) await quietCounters(a, b, ifname);
    const { received, dropped } = await flow.stopReceiving();

    assert.ok(trips.length >= ECHOES * (1 - LOST), `${ECHOES - trips.length} of ${ECHOES} echoes were lost`);
    assert.ok(median(trips) < ROUND_TRIP, `round trips took ${median(trips)} ms`);
    for (const [what, times] of Object.entries(answers)) {
      assert.ok(median(times) < ANSWER, `${what} took ${median(times).toFixed(0)} ms`);
    }
    for (const [i, was] of before.entries()) {
      assert.ok(
        after[i]! < was + MEMORY,
        `memory grew from ${was.toFixed(0)} to ${after[i]!.toFixed(0)} MiB`,
      );
    }
    const greedy = await readLedger(topology, a, b, GREEDY.ifname);
    const modest = await readLedger(topology, a, b, MODEST.ifname);
    const between = await droppedBetween(topology, a, b);
    assertExact([greedy, modest], between, "a to b");
    assert.equal(greedy.handed + greedy.queue, sent);
    assert.equal(greedy.sent + greedy.sendErrors + greedy.lost, greedy.handed);
    assert.equal(received + dropped, greedy.received);
    assert.ok(greedy.queue + between + dropped > 0, "it was no flood: nothing was dropped");
  });
}

/** Times of requests that are asked one after the other until `end`, milliseconds. */
async function answerTimes({ daemon, netns }: TunnelEnd, end: Promise<unknown>) {
  const times: Record<string, number[]> = {};
  let ended = false;
  end.finally(() => ended = true).catch(() => {});
  const ask = async (method: string, path: string, body?: unknown) => {
    const started = performance.now();
    const { status } = await daemon.http(method, `/v1/netns/${netns}/${path}`, body);
    assert.ok(status < 300, `${method} ${path}: status ${status}`);
    (times[`${method} ${path.replace(/\?.*/, "")}`] ??= []).push(performance.now() - started);
  };
  const info_data = { local: "192.0.2.1", remote: "192.0.2.99", ikey: 9, okey: 9 };
  const mark = { value: 9, mask: 0xffffffff };
  const aead = { name: "rfc4106(gcm(aes))", key: `0x${"11".repeat(20)}`, icv_bits: 128 };
  const id = { src: "192.0.2.1", dst: "192.0.2.99", proto: "esp", spi: 0x999, mark };
  while (!ended) {
    await ask("GET", "links");
    await ask("POST", "links", { ifname: "vti9", linkinfo: { info_kind: "vti", info_data } });
    await ask("POST", "xfrm/states", { ...id, mode: "tunnel", aead });
    await ask("DELETE", "xfrm/states?dst=192.0.2.99&proto=esp&spi=0x999&mark=9&mask=0xffffffff");
    await daemon.http("DELETE", `/v1/netns/${netns}/links/vti9`);
  }
  return times;
}

async function memories(...ends: TunnelEnd[]): Promise<number[]> {
  return await Promise.all(ends.map(async ({ daemon }) => (await readFigures(daemon)).rss));
}

function median(values: readonly number[]): number {
  return values.toSorted((x, y) => x - y)[values.length >> 1]!;
}
