/**
 * Random packets, sound and damaged, for Linux and for the gateway: both count the same, keep the same of their states,
 * deliver the same bytes and send the same, ICMP errors included.
 *
 * VTI_RANDOM_ROUNDS and VTI_RANDOM_SEED make it longer and other than the run that is part of the tests.
 */
import assert from "node:assert/strict";
import { type Background, Topology } from "../../doubles/topology.ts";
import type { Guest } from "./guest.ts";
import { Random } from "../../fuzz/random.ts";
import { counted, type End, type Ends, startEnds, statesOf } from "./counted_ends.ts";
import { fence, FENCE_NUMBER, fenceWords, PEERS, type RandomPacket, RandomPackets } from "./random_scene.ts";
import { ROUTER, ROUTER_V6, sceneWords, TUNNELS } from "./random_scene.ts";
import { describeDelivered, describeSent } from "./sent_packets.ts";

const ROUNDS = Number(Deno.env.get("VTI_RANDOM_ROUNDS") ?? 30);
const SEED = Number(Deno.env.get("VTI_RANDOM_SEED") ?? 1);
/** Few enough for the limit of 50 ICMP errors at once. */
const PACKETS_PER_ROUND = 40;
/** Rounds after which everything is set up anew. */
const ROUNDS_PER_SCENE = 15;
/** Milliseconds that the gateway may take to come to what Linux has come to. */
const GATEWAY_LIMIT = 1500;
/** Milliseconds until the last packet of a round must have come out of a device. */
const FENCE_LIMIT = 20_000;
const DEVICES = [...TUNNELS.map(({ number }) => number), FENCE_NUMBER].map((number) => `vti${number}`);

/** An end, and what came out of its devices since the last time. */
interface Watched {
  readonly end: End;
  delivered(): Promise<Uint8Array[]>;
}

Deno.test(`the gateway does with ${ROUNDS * PACKETS_PER_ROUND} random packets what Linux does`, async () => {
  await using topology = new Topology();
  await using stack = new AsyncDisposableStack();
  const fencePeer = `192.0.2.${100 + FENCE_NUMBER}`;
  const ends = await startEnds(
    topology,
    stack,
    [...PEERS, fencePeer, ROUTER, ROUTER_V6, "192.0.2.99"],
    "46",
  );
  const [linux, gateway] = await watch(topology, ends);
  const packets = new RandomPackets(new Random(SEED));
  let fences = 0;
  for (let round = 0; round < ROUNDS; round++) {
    if (round % ROUNDS_PER_SCENE === 0) {
      await setUp([linux, gateway]);
      packets.restart();
      fences = 0;
    }
    const sent = Array.from({ length: PACKETS_PER_ROUND }, () => packets.next());
    const [expected, actual] = await observe(sent, ++fences, linux, gateway);
    if (JSON.stringify(expected) === JSON.stringify(actual)) continue;
    await explain(sent, [expected, actual], linux, gateway);
    assert.deepEqual(
      actual,
      expected,
      `seed ${SEED}, round ${round}: ${sent.map(({ name }) => name).join("; ")}`,
    );
  }
});

async function watch(
  topology: Topology,
  { netns, guest, gateway, linux }: Ends,
): Promise<[Watched, Watched]> {
  for (const key of ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"]) {
    await topology.sysctl(netns.g, { [key]: 1 });
    await guest.sh(`echo 1 > /proc/sys/${key}`);
  }
  await guest.sh(
    "/sniff >>/tmp/sniff 2>&1 & until grep -q ready /tmp/sniff; do usleep 5000; done",
  );
  const sniffer = await topology.spawn(netns.g, [
    "perl",
    new URL("guest_sniff.pl", import.meta.url).pathname,
  ]);
  await sniffer.printed(/ready/);
  return [
    { end: linux, delivered: linesIn("/tmp/sniff", guest) },
    { end: gateway, delivered: () => Promise.resolve(packetsOf(taken(sniffer))) },
  ];
}

/** Whole lines that have come into a file of the guest since the last time. */
function linesIn(path: string, guest: Guest): () => Promise<Uint8Array[]> {
  let read = 0;
  return async () => {
    const text = await guest.must(["tail", "-c", `+${read + 1}`, path]);
    const lines = text.slice(0, text.lastIndexOf("\n") + 1);
    read += lines.length;
    return packetsOf(lines);
  };
}

/** Whole lines that were printed since the last time. */
function taken(sniffer: Background): string {
  const end = sniffer.output.lastIndexOf("\n") + 1;
  const lines = sniffer.output.slice(0, end);
  sniffer.output = sniffer.output.slice(end);
  return lines;
}

const packetsOf = (lines: string) =>
  lines.split("\n").filter((line) => line !== "" && line !== "ready").map((line) => Uint8Array.fromHex(line));

async function setUp(ends: readonly Watched[]): Promise<void> {
  await Promise.all(ends.map(({ end }) => end.setUp([...sceneWords(), ...fenceWords()], DEVICES)));
}

type Observation = Record<"xfrmStat" | "links" | "states" | "delivered" | "sent", unknown>;

/** Sends the packets to both; waits until the gateway has come to what Linux has, or won't. */
async function observe(
  packets: readonly RandomPacket[],
  seq: number,
  linux: Watched,
  gateway: Watched,
): Promise<[Observation, Observation]> {
  const [readLinux, readGateway] = await Promise.all(
    [linux, gateway].map((watched) => act(watched, packets, seq)),
  );
  const expected = await readLinux!();
  const deadline = Date.now() + GATEWAY_LIMIT;
  let actual = await readGateway!();
  while (JSON.stringify(actual) !== JSON.stringify(expected) && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    actual = await readGateway!();
  }
  return [expected, actual];
}

async function act(
  { end, delivered }: Watched,
  packets: readonly RandomPacket[],
  seq: number,
): Promise<() => Promise<Observation>> {
  await end.wire.drain();
  const before = await end.xfrmStat();
  for (const { bytes } of packets) {
    for (const packet of bytes) if (packet.length > 0) await end.wire.send(packet);
  }
  const last = fence(seq);
  await end.wire.send(last.bytes);
  const out: Uint8Array[] = [];
  const sent: Uint8Array[] = [];
  const deadline = Date.now() + FENCE_LIMIT;
  while (!out.some((packet) => packet.toHex() === last.inner)) {
    if (Date.now() > deadline) {
      throw new Error(`Cannot see packet ${seq} of the fence: ${FENCE_LIMIT} ms passed`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
    out.push(...await delivered());
  }
  return async () => {
    const { xfrmStat, links, states } = await end.read();
    out.push(...await delivered());
    sent.push(...await end.wire.drain());
    const devices = JSON.parse(links) as Record<string, unknown>[];
    return {
      xfrmStat: counted(before, xfrmStat),
      links: Object.fromEntries(
        devices.map(({ ifname, stats64 }) => [ifname, stats64] as [string, unknown]).sort(),
      ),
      states: statesOf(states),
      delivered: describeDelivered(out),
      sent: describeSent(sent),
    };
  };
}

/** Says what differs, and which packets alone make a difference. */
async function explain(
  packets: readonly RandomPacket[],
  [expected, actual]: readonly [Observation, Observation],
  linux: Watched,
  gateway: Watched,
): Promise<void> {
  sayDifference(expected, actual);
  for (const packet of packets) {
    await setUp([linux, gateway]);
    const [expected, actual] = await observe([packet], 1, linux, gateway);
    if (JSON.stringify(expected) === JSON.stringify(actual)) continue;
    console.log(`${packet.name}: ${packet.bytes.map((bytes) => bytes.toHex()).join(" ")}`);
    sayDifference(expected, actual);
  }
}

function sayDifference(expected: Observation, actual: Observation): void {
  for (const key of Object.keys(expected) as (keyof Observation)[]) {
    const [linuxLines, gatewayLines] = [expected, actual].map((seen) => linesOf(seen[key]));
    for (const line of without(linuxLines!, gatewayLines!)) console.log(`  ${key}, Linux:   ${line}`);
    for (const line of without(gatewayLines!, linuxLines!)) console.log(`  ${key}, gateway: ${line}`);
  }
}

/** Lines that the others have less often. */
function without(lines: readonly string[], others: readonly string[]): string[] {
  const left = [...others];
  return lines.filter((line) => left.indexOf(line) < 0 || left.splice(left.indexOf(line), 1).length === 0);
}

/** With what each line belongs to. */
function linesOf(seen: unknown): string[] {
  if (Array.isArray(seen)) {
    return seen.flatMap((text: string) => text.split("\n").map((line, _, [first]) => `${first}: ${line}`));
  }
  return Object.entries(seen as object).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
}
