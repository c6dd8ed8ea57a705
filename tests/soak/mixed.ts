/**
 * Many tunnels in many namespaces under traffic, made, changed, moved and removed at random: each datagram says by
 * which tunnel it was sent.
 *
 *     one daemon                                       another daemon
 *     netns a0: vti0, vti1, …   wire --- veth --- wire   netns b0: vti0, vti1, …
 *     netns a1: vti20, …        wire --- veth --- wire   netns b1: vti20, …
 *
 * Of each namespace's tunnels every fourth is left alone: by these everything arrives.
 */
import assert from "node:assert/strict";
import { AskedProcess } from "../doubles/asked_process.ts";
import { Daemon, type Placement } from "../doubles/daemon.ts";
import { eventually } from "../doubles/eventually.ts";
import { must, Topology } from "../doubles/topology.ts";
import { Random } from "../fuzz/random.ts";
import { MixedTunnel, type Place, sum, type Tally } from "./mixed_tunnel.ts";
import { type Figures, readFigures } from "./process_figures.ts";

export interface MixedOptions {
  readonly placement: Placement;
  /** On each side. */
  readonly namespaces: number;
  readonly tunnelsEach: number;
  /** Of changes under traffic, each time that all is made and removed. */
  readonly seconds: number;
  readonly times: number;
  readonly seed: number;
  readonly log: (line: string) => void;
}

/** Datagrams a second that each namespace sends. */
const RATE = 100;
const LEFT_ALONE = 4;
/** What resident memory may gain from one time to the next, MiB. */
const GROWTH_MIB = 64;
const SCRIPT = new URL("tagged_traffic.py", import.meta.url).pathname;

interface TrafficReport {
  /** Datagrams by tunnel. */
  readonly sent: Readonly<Record<string, number>>;
  readonly received: Readonly<Record<string, number>>;
  /** Datagrams that came by another tunnel's device. */
  readonly wrong: readonly string[];
  /** Frames on the wire with a datagram that can be read. */
  readonly clear: number;
  /** Frames on the wire that are neither ESP, in UDP or not, nor ARP, by kind. */
  readonly foreign: Readonly<Record<string, number>>;
}

/** Throws when a datagram came by a wrong tunnel or in clear, a packet is not accounted for, or something is left. */
export async function mixed(options: MixedOptions): Promise<{ changes: number; datagrams: number }> {
  await using topology = new Topology();
  await using stack = new AsyncDisposableStack();
  const { placement, namespaces, log } = options;
  const daemons = [await Daemon.start(topology, { placement }), await Daemon.start(topology, { placement })];
  const places = await makePlaces(topology, stack, options, daemons);
  const random = new Random(options.seed);
  const left: Figures[][] = [];
  let changes = 0;
  let datagrams = 0;
  for (let time = 0; time < options.times; time++) {
    const tunnels = makeTunnels(places, options.tunnelsEach);
    const before = await Promise.all(places.flat().map(noStates));
    await tellAll(places, "pause");
    await Promise.all(byPair(tunnels, namespaces).map((some) => inTurn(some, (tunnel) => tunnel.make())));
    log(`${tunnels.length} tunnels in ${2 * namespaces} namespaces`);
    await tellAll(places, "resume");
    changes += await change(tunnels, places, options.seconds, random);
    await tellAll(places, "pause");
    datagrams += await check(tunnels, places, before);
    log(`${changes} changes, ${datagrams} datagrams`);
    await Promise.all(byPair(tunnels, namespaces).map((some) => inTurn(some, (tunnel) => tunnel.remove())));
    left.push(await settled(daemons, left[0]));
    await nothingLeft(places);
  }
  for (const [i, { process }] of daemons.entries()) {
    const figures = left.map((both) => both[i]!);
    checkFigures(figures, `daemon ${i + 1}`, process.output, log);
  }
  return { changes, datagrams };
}

/** places[side][pair]; the two of a pair have a wire between them. */
async function makePlaces(
  topology: Topology,
  stack: AsyncDisposableStack,
  { namespaces, tunnelsEach }: MixedOptions,
  daemons: readonly Daemon[],
): Promise<Place[][]> {
  const places: Place[][] = [[], []];
  for (let pair = 0; pair < namespaces; pair++) {
    const names = [await topology.addNetns(`a${pair}`), await topology.addNetns(`b${pair}`)] as const;
    const ends = names.map((netns, side) => ({
      netns,
      ifname: "wire",
      addresses: Array.from({ length: tunnelsEach }, (_, k) => `${outer(pair, side, k)}/24`),
    }));
    for (const netns of names) {
      await topology.sysctl(netns, {
        "net/ipv6/conf/all/disable_ipv6": 1,
        "net/ipv6/conf/default/disable_ipv6": 1,
      });
    }
    await topology.veth(ends[0]!, ends[1]!);
    for (const [side, netns] of names.entries()) {
      const words = ["/usr/bin/python3", SCRIPT, "wire", `${RATE}`];
      const traffic = stack.use(await AskedProcess.start(netns, words));
      places[side]!.push({ netns, daemon: daemons[side]!, traffic });
    }
  }
  return places;
}

const outer = (pair: number, side: number, k: number) => `198.18.${pair}.${1 + 100 * side + k}`;

function makeTunnels(places: readonly Place[][], each: number): MixedTunnel[] {
  return places[0]!.flatMap((_, pair) =>
    Array.from(
      { length: each },
      (_, k) =>
        new MixedTunnel(pair * each + k, [outer(pair, 0, k), outer(pair, 1, k)], [
          places[0]![pair]!,
          places[1]![pair]!,
        ]),
    )
  );
}

const isLeftAlone = ({ number }: MixedTunnel) => number % LEFT_ALONE === 0;

function byPair(tunnels: readonly MixedTunnel[], pairs: number): MixedTunnel[][] {
  const each = tunnels.length / pairs;
  return Array.from({ length: pairs }, (_, pair) => tunnels.slice(pair * each, (pair + 1) * each));
}

async function inTurn<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  for (const item of items) await act(item);
}

async function tellAll(places: readonly Place[][], line: string): Promise<void> {
  await Promise.all(places.flat().map(({ traffic }) => traffic.ask(line)));
}

/** Changes tunnels at random for as long; in the end all are whole again. Returns how many changes that were. */
async function change(
  tunnels: readonly MixedTunnel[],
  places: readonly Place[][],
  seconds: number,
  random: Random,
): Promise<number> {
  const changing = tunnels.filter((tunnel) => !isLeftAlone(tunnel));
  const deadline = performance.now() + seconds * 1000;
  let changes = 0;
  for (; performance.now() < deadline; changes++) await changeOne(random.pick(changing), places, random);
  for (const tunnel of changing) await tunnel.make();
  return changes;
}

async function changeOne(tunnel: MixedTunnel, places: readonly Place[][], random: Random): Promise<void> {
  const side = 1 + random.below(2);
  if (!tunnel.isWhole && random.once(2)) return await tunnel.make();
  switch (random.below(8)) {
    case 0:
      return await tunnel.remove();
    case 1:
      return await tunnel.remove(side);
    case 2:
      return await tunnel.changeKey();
    case 3:
      return await tunnel.changeRemote(side);
    case 4:
      return await tunnel.downAndUp(side);
    case 5:
      return await tunnel.changeMtu(side);
    case 6:
      return await tunnel.move(side, random.pick(places[side - 1]!));
    default:
      await tunnel.make();
      return await tunnel.rekey();
  }
}

/** After the last datagram: none by a wrong tunnel, none in clear, each packet counted once. Returns datagrams received. */
async function check(
  tunnels: readonly MixedTunnel[],
  places: readonly Place[][],
  noStatesBefore: readonly number[],
): Promise<number> {
  await eventually(() => allCounted(tunnels, places, noStatesBefore));
  const reports = await Promise.all(
    places.flat().map(async ({ traffic }) => JSON.parse(await traffic.ask("report")) as TrafficReport),
  );
  for (const { wrong, clear, foreign } of reports) {
    assert.deepEqual({ wrong, clear, foreign }, { wrong: [], clear: 0, foreign: {} });
  }
  const total = (name: "sent" | "received") =>
    reports.reduce((sum, report) => sum + Object.values(report[name]).reduce((a, b) => a + b, 0), 0);
  for (const { number } of tunnels.filter(isLeftAlone)) {
    const of = (name: "sent" | "received") =>
      reports.reduce((sum, report) => sum + (report[name][number] ?? 0), 0);
    assert.ok(of("sent") > 0, `nothing was sent by tunnel ${number}`);
    assert.equal(of("received"), of("sent"), `datagrams by tunnel ${number}, which was left alone`);
  }
  return total("received");
}

/** What the devices of one namespace's tunnels have sent is what those at the other end have received or refused. */
async function allCounted(
  tunnels: readonly MixedTunnel[],
  places: readonly Place[][],
  noStatesBefore: readonly number[],
): Promise<void> {
  const pairs = places[0]!.length;
  const noStatesNow = await Promise.all(places.flat().map(noStates));
  for (const [pair, some] of byPair(tunnels, pairs).entries()) {
    const tallies: Tally[][] = [[], []];
    for (const tunnel of some) for (const side of [1, 2]) tallies[side - 1]!.push(await tunnel.tally(side));
    for (const side of [0, 1]) {
      const here = tallies[side]!.reduce(sum), there = tallies[1 - side]!.reduce(sum);
      const index = side * pairs + pair;
      const noTunnel = noStatesNow[index]! - noStatesBefore[index]! - here.noStates;
      assert.equal(
        here.received + here.refused + noTunnel,
        there.sent,
        `to side ${side + 1} of pair ${pair}`,
      );
      for (const [k, tunnel] of some.entries()) {
        if (!isLeftAlone(tunnel)) continue;
        const { received, refused } = tallies[side]![k]!;
        assert.deepEqual({ received, refused }, { received: tallies[1 - side]![k]!.sent, refused: 0 });
      }
    }
  }
}

async function noStates({ daemon, netns }: Place): Promise<number> {
  return (await daemon.xfrmStat(netns)).XfrmInNoStates;
}

/** What both daemons hold when all is removed; `first` is what they held the first time, and comes back. */
async function settled(
  daemons: readonly Daemon[],
  first: readonly Figures[] | undefined,
): Promise<Figures[]> {
  return await eventually(async () => {
    const figures = await Promise.all(daemons.map(readFigures));
    for (const [i, { descriptors, threads }] of figures.entries()) {
      const was = first?.[i];
      if (was === undefined) continue;
      assert.ok(descriptors <= was.descriptors, `descriptors grew from ${was.descriptors} to ${descriptors}`);
      assert.ok(threads <= was.threads, `threads grew from ${was.threads} to ${threads}`);
    }
    return figures;
  });
}

function checkFigures(
  left: readonly Figures[],
  name: string,
  said: string,
  log: (line: string) => void,
): void {
  const [first, last] = [left[0]!, left.at(-1)!];
  log(
    `${name}: ${
      left.map(({ rss, descriptors, threads }) => `${rss.toFixed(0)} MiB ${descriptors} ${threads}`)
    }`,
  );
  assert.equal(
    last.restarts,
    0,
    `${name}: a worker was replaced, it said ${said.match(/^.*worker.*$/gm)?.join("; ")}`,
  );
  const growth = last.rss - first.rss;
  assert.ok(growth < GROWTH_MIB * (left.length - 1), `${name}: memory grew by ${growth.toFixed(0)} MiB`);
}

/** No device, state or policy, neither of the kernel nor of the daemon; ip_vti0 belongs to the namespace. */
async function nothingLeft(places: readonly Place[][]): Promise<void> {
  for (const { daemon, netns } of places.flat()) {
    const links = JSON.parse(await must(["ip", "-n", netns, "-j", "link"])) as { ifname: string }[];
    assert.deepEqual(links.map(({ ifname }) => ifname).sort(), ["ip_vti0", "lo", "wire"]);
    for (const list of ["states", "policies"]) {
      const { body } = await daemon.http("GET", `/v1/netns/${netns}/xfrm/${list}`);
      assert.deepEqual(body, [], `${list} of ${netns}`);
    }
  }
}
