/**
 * Two daemons under traffic in both directions for a long time, with new keys every second and links that come and go:
 * what they hold of the machine stays the same, and in the end every packet is accounted for.
 *
 *     a  vti1  counted datagrams, both ways                          b
 *        vti2  one TCP connection with data both ways
 *        vti3  made, asked for one echo, removed, again and again
 */
import assert from "node:assert/strict";
import type { LinkStats } from "../../actors/gateway.ts";
import { Daemon, type Placement } from "../doubles/daemon.ts";
import { eventually } from "../doubles/eventually.ts";
import { Topology } from "../doubles/topology.ts";
import { ping, quietCounters } from "../doubles/traffic.ts";
import { joinedPair, type TunnelEnd } from "../doubles/tunnel.ts";
import { CountedFlow } from "./counted_flow.ts";
import { assertExact, droppedBetween, type Ledger, readLedger } from "./packet_ledger.ts";
import { assertFlat, type Figures, median, readFigures } from "./process_figures.ts";
import { makeTunnel, type RekeyedSetup } from "./rekeyed_tunnel.ts";

export interface SoakOptions {
  readonly seconds: number;
  readonly placement: Placement;
  /** TCP's bits a second in each direction as iperf3 takes them, "200M"; "0" for as many as pass. */
  readonly rate: string;
  /** Datagrams a second in each direction. */
  readonly datagrams: number;
  readonly log: (line: string) => void;
}

export interface SoakReport {
  /** Inner packets that the two gateways have sent. */
  readonly packets: number;
  readonly rekeys: number;
  readonly linksMade: number;
  /** Datagrams that were sent and did not arrive, each one explained. */
  readonly lost: number;
  /** Resident memory of each daemon in the first and the last third behind the warm-up, MiB. */
  readonly memory: readonly (readonly [number, number])[];
}

const COUNTED: RekeyedSetup = { ifname: "vti1", key: 1, inner: "10.9.1" };
const STREAM: RekeyedSetup = { ifname: "vti2", key: 2, inner: "10.9.2" };
const CHURNED: RekeyedSetup = { ifname: "vti3", key: 3, inner: "10.9.3" };
const REKEY_MS = 1000;
/** Milliseconds between two lines of the log. */
const LOG_MS = 30_000;

export async function soak(options: SoakOptions): Promise<SoakReport> {
  await using topology = new Topology();
  const { a, b } = await joinedPair(topology, async () => ({
    a: await Daemon.start(topology, { placement: options.placement }),
    b: await Daemon.start(topology, { placement: options.placement }),
  }));
  const counted = await makeTunnel(topology, COUNTED, a, b);
  const stream = await makeTunnel(topology, STREAM, a, b);
  const churned = await makeTunnel(topology, CHURNED, a, b);
  await ping(topology, a.netns, `${COUNTED.inner}.2`);
  const datagrams = [
    await CountedFlow.start(topology, a, b, `${COUNTED.inner}.2`, options.datagrams),
    await CountedFlow.start(topology, b, a, `${COUNTED.inner}.1`, options.datagrams),
  ];
  const connection = await startStream(topology, a, b, options);

  const samples: Record<"a" | "b", Figures[]> = { a: [], b: [] };
  let rekeys = 0;
  let linksMade = 0;
  const end = performance.now() + options.seconds * 1000;
  for (let due = performance.now(), logged = due; performance.now() < end;) {
    for (const tunnel of [counted, stream]) await tunnel.rekey();
    rekeys += 2;
    await churned.removeLinks();
    await churned.addLinks();
    await churned.address(topology);
    await eventually(() => ping(topology, a.netns, `${CHURNED.inner}.2`));
    linksMade += 2;
    for (const [name, { daemon }] of [["a", a], ["b", b]] as const) {
      samples[name].push(await readFigures(daemon));
    }
    assert.ok(!connection.ended, `the connection has ended: ${connection.output.slice(-300)}`);
    if (performance.now() - logged > LOG_MS) {
      logged = performance.now();
      const [from, to] = [samples.a.at(-1)!, samples.b.at(-1)!];
      const rss = `${from.rss.toFixed(0)} and ${to.rss.toFixed(0)} MiB`;
      const replaced = from.restarts + to.restarts;
      options.log(
        `${rekeys} rekeys, ${rss}, ${from.descriptors} descriptors, ${from.threads} threads, ${replaced} workers replaced`,
      );
    }
    due = Math.max(due + REKEY_MS, performance.now());
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
  }

  await connection.stop("SIGINT");
  const lost = await checkCounters(topology, a, b, datagrams);
  for (const [name, figures] of Object.entries(samples)) assertFlat(figures, name);
  const { packets } = await totals(a, b);
  return {
    packets,
    rekeys,
    linksMade,
    lost,
    memory: Object.values(samples).map((figures) => firstAndLast(figures)),
  };
}

async function startStream(topology: Topology, a: TunnelEnd, b: TunnelEnd, options: SoakOptions) {
  const server = await topology.spawn(b.netns, ["iperf3", "-s", "--forceflush"]);
  await server.printed(/listening/);
  const time = ["-t", "86400", "-b", options.rate, "--bidir", "--forceflush"];
  const client = await topology.spawn(a.netns, ["iperf3", "-c", `${STREAM.inner}.2`, ...time]);
  await client.printed(/\[TX-C\].*bits\/sec/);
  return client;
}

/** Both directions, when all senders have ended. Returns how many datagrams were lost. */
async function checkCounters(topology: Topology, a: TunnelEnd, b: TunnelEnd, flows: readonly CountedFlow[]) {
  const sent = await Promise.all(flows.map((flow) => flow.stopSending()));
  for (const { ifname } of [COUNTED, STREAM]) await quietCounters(a, b, ifname);
  let lost = 0;
  for (const [i, flow] of flows.entries()) {
    const { from, to } = flow;
    const direction = i === 0 ? "a to b" : "b to a";
    const ledger = await readLedger(topology, from, to, COUNTED.ifname);
    const stream = await readLedger(topology, from, to, STREAM.ifname);
    const between = await droppedBetween(topology, from, to);
    assertExact([ledger, stream], between, direction);
    assertDatagrams(ledger, sent[i]!, await flow.stopReceiving(), direction);
    lost += sent[i]! + ECHOES - ledger.received;
  }
  return lost;
}

/** The datagrams of one direction, from one program to the other; the echoes of the set-up are in the counters too. */
function assertDatagrams(
  { handed, queue, sent, sendErrors, lost, received }: Ledger,
  datagrams: number,
  arrived: { received: number; twice: number; dropped: number },
  direction: string,
): void {
  assert.equal(arrived.twice, 0, `${direction}: a datagram came twice`);
  assert.equal(handed + queue, datagrams + ECHOES, `${direction}: the kernel took other datagrams`);
  assert.equal(sent + sendErrors + lost, handed, `${direction}: the gateway read other packets`);
  assert.equal(arrived.received + arrived.dropped + ECHOES, received, `${direction}: others came out`);
}

/** Each direction of the counted tunnel has carried one echo, or its answer. */
const ECHOES = 1;

async function totals(a: TunnelEnd, b: TunnelEnd): Promise<{ packets: number }> {
  const stats: LinkStats[] = [];
  for (const { daemon, netns } of [a, b]) {
    for (const { ifname } of [COUNTED, STREAM]) stats.push((await daemon.link(netns, ifname)).stats64);
  }
  return { packets: stats.reduce((sum, { tx }) => sum + tx.packets, 0) };
}

function firstAndLast(figures: readonly Figures[]): [number, number] {
  const third = Math.ceil(figures.length / 3);
  return [median(figures.slice(0, third)), median(figures.slice(-third))];
}
