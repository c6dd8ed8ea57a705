/** A tunnel among many that is made, changed, moved and removed while it carries traffic, and what it has counted. */
import type { LinkInfo } from "../../actors/gateway.ts";
import { ALGORITHMS } from "../doubles/algorithms.ts";
import type { AskedProcess } from "../doubles/asked_process.ts";
import type { Daemon } from "../doubles/daemon.ts";
import { eventually } from "../doubles/eventually.ts";
import { must } from "../doubles/topology.ts";
import { encapWords } from "../doubles/tunnel.ts";
import { gatewayIp } from "../interop/kernel/gateway_client.ts";

/** A namespace, the daemon that serves it and the traffic in it. */
export interface Place {
  readonly netns: string;
  readonly daemon: Daemon;
  readonly traffic: AskedProcess;
}

/** What the devices of one side have counted since the start, removed ones too. */
export interface Tally {
  sent: number;
  /** What came out of them, and what they refused, whatever the reason. */
  received: number;
  refused: number;
  /** Part of what was refused: what XfrmInNoStates has counted as well. */
  noStates: number;
}

/** One side: 1 or 2. */
class End {
  readonly side: number;
  readonly outer: string;
  readonly underlay: Place;
  /** Where the device is; null when there is none. */
  home: Place | null = null;
  readonly removed: Tally = { sent: 0, received: 0, refused: 0, noStates: 0 };

  constructor(side: number, outer: string, underlay: Place) {
    this.side = side;
    this.outer = outer;
    this.underlay = underlay;
  }
}

export class MixedTunnel {
  readonly number: number;
  readonly ends: readonly [End, End];
  #key: number;
  /** Which states: their SPIs. */
  #generation = 0;
  #policies = false;
  #mtu = 0;

  /** Numbers are unique; the ends' addresses are those of no other tunnel. */
  constructor(number: number, outers: readonly [string, string], underlays: readonly [Place, Place]) {
    this.number = number;
    this.#key = number + 1;
    this.ends = [new End(1, outers[0], underlays[0]), new End(2, outers[1], underlays[1])];
  }

  get ifname(): string {
    return `vti${this.number}`;
  }

  get isWhole(): boolean {
    return this.ends.every(({ home }) => home !== null);
  }

  /** Makes what is not there: devices, states, policies. */
  async make(): Promise<void> {
    if (this.#generation === 0) await this.#addStates();
    for (const end of this.ends) {
      if (end.home !== null) continue;
      const { outer } = this.#other(end);
      await this.#ip(
        end,
        `link add ${this.ifname} type vti local ${end.outer} remote ${outer} key ${this.#key}`,
      );
      end.home = end.underlay;
      await this.#bringUp(end);
    }
  }

  /** Takes devices away: that of one side, or both with the states. */
  async remove(side?: number): Promise<void> {
    for (const end of this.ends) if (side === undefined || end.side === side) await this.#removeLink(end);
    if (side !== undefined) return;
    await this.#removeStates(this.#generation);
    this.#generation = 0;
  }

  /** New states beside the old ones; then the old ones go. */
  async rekey(): Promise<void> {
    const old = this.#generation;
    await this.#addStates();
    await this.#removeStates(old, false);
  }

  /** The same with another mark for device, states and policies. */
  async changeKey(): Promise<void> {
    await this.#removeStates(this.#generation);
    this.#key += 1000;
    await this.#addStates();
    for (const end of this.ends) {
      if (end.home !== null) await this.#ipAt(end.home, `link set ${this.ifname} type vti key ${this.#key}`);
    }
  }

  /** Another peer that is not there, and back. */
  async changeRemote(side: number): Promise<void> {
    const end = this.ends[side - 1]!;
    if (end.home === null) return;
    for (const remote of ["192.0.2.77", this.#other(end).outer]) {
      await this.#ipAt(end.home, `link set ${this.ifname} type vti remote ${remote}`);
    }
  }

  async downAndUp(side: number): Promise<void> {
    const end = this.ends[side - 1]!;
    if (end.home === null) return;
    for (const state of ["down", "up"]) await this.#ipAt(end.home, `link set ${this.ifname} ${state}`);
  }

  async changeMtu(side: number): Promise<void> {
    const { home } = this.ends[side - 1]!;
    this.#mtu = (this.#mtu + 50) % 200;
    if (home !== null) await system(home, `link set ${this.ifname} mtu ${1400 + this.#mtu}`);
  }

  /** Into another namespace of the same daemon; its underlay stays. */
  async move(side: number, to: Place): Promise<void> {
    const end = this.ends[side - 1]!;
    if (end.home === null || end.home === to) return;
    await end.home.traffic.ask(`-${this.number}`);
    await system(end.home, `link set ${this.ifname} netns ${to.netns}`);
    end.home = to;
    await eventually(() => this.#link(end));
    await this.#bringUp(end);
  }

  /** Of one side, with what its devices count now. */
  async tally(side: number): Promise<Tally> {
    const end = this.ends[side - 1]!;
    if (end.home === null) return end.removed;
    return sum(end.removed, tallyOf(await this.#link(end)));
  }

  /** Up with its inner address; begins to send. */
  async #bringUp(end: End): Promise<void> {
    const home = end.home!;
    await this.#ipAt(home, `link set ${this.ifname} up`);
    await system(home, `addr add 10.64.${this.number}.${end.side}/24 dev ${this.ifname}`);
    await home.traffic.ask(`+${this.number} ${end.side}`);
  }

  /** Down first: what is under way is counted before the counters go. */
  async #removeLink(end: End): Promise<void> {
    const { home } = end;
    if (home === null) return;
    await home.traffic.ask(`-${this.number}`);
    await this.#ipAt(home, `link set ${this.ifname} down`);
    let last = "";
    const quiet = await eventually(async () => {
      const link = await this.#link(end);
      const before = last;
      last = JSON.stringify([link.stats64, link.drops]);
      if (last !== before) throw new Error(`Cannot read ${this.ifname}: it keeps counting`);
      return link;
    });
    Object.assign(end.removed, sum(end.removed, tallyOf(quiet)));
    await this.#ipAt(home, `link del ${this.ifname}`);
    end.home = null;
  }

  async #link(end: End): Promise<LinkInfo> {
    return await end.underlay.daemon.link(end.home!.netns, this.ifname);
  }

  /** A new generation of states at both ends, the receiver of each first; policies unless they are there. */
  async #addStates(): Promise<void> {
    const generation = ++this.#generation;
    const { words } = ALGORITHMS[this.number % ALGORITHMS.length]!;
    // Without encryption every packet could be read.
    const algorithm = words.includes("cipher_null") ? ALGORITHMS[0]!.words : words;
    for (const [i, from] of this.ends.entries()) {
      const to = this.#other(from);
      for (const end of [to, from]) {
        await this.#ip(
          end,
          `xfrm state add ${this.#stateId(from, to, generation, i)} mode tunnel mark ${this.#key} ` +
            `replay-window 128 ${algorithm} ${encapWords(this.number % 2 === 1)}`,
        );
      }
    }
    if (this.#policies) return;
    for (const end of this.ends) {
      for (
        const [dir, from, to] of [["in", this.#other(end), end], ["out", end, this.#other(end)]] as const
      ) {
        await this.#ip(
          end,
          `xfrm policy add dir ${dir} mark ${this.#key} tmpl src ${from.outer} dst ${to.outer} proto esp mode tunnel`,
        );
      }
    }
    this.#policies = true;
  }

  async #removeStates(generation: number, withPolicies = true): Promise<void> {
    if (generation === 0) return;
    for (const [i, from] of this.ends.entries()) {
      const to = this.#other(from);
      for (const end of [from, to]) {
        await this.#ip(end, `xfrm state delete ${this.#stateId(from, to, generation, i)} mark ${this.#key}`);
      }
    }
    if (!withPolicies) return;
    for (const end of this.ends) {
      for (const dir of ["in", "out"]) {
        await this.#ip(end, `xfrm policy delete src 0.0.0.0/0 dst 0.0.0.0/0 dir ${dir} mark ${this.#key}`);
      }
    }
    this.#policies = false;
  }

  #stateId(from: End, to: End, generation: number, direction: number): string {
    const spi = 0x1000 + this.number * 0x10000 + (generation % 0x7fff) * 2 + direction;
    return `src ${from.outer} dst ${to.outer} proto esp spi ${spi}`;
  }

  #other(end: End): End {
    return this.ends[2 - end.side]!;
  }

  #ip(end: End, words: string): Promise<string> {
    return this.#ipAt(end.underlay, words);
  }

  #ipAt({ daemon, netns }: Place, words: string): Promise<string> {
    return gatewayIp(daemon, netns, words);
  }
}

async function system({ netns }: Place, words: string): Promise<void> {
  await must(["ip", "-n", netns, ...words.split(" ")]);
}

function tallyOf({ stats64, drops }: LinkInfo): Tally {
  // What the device itself refused has been counted as received.
  const refused = Object.entries(drops).filter(([reason]) => /^In(?!DeviceDown)/.test(reason));
  return {
    sent: stats64.tx.packets,
    received: stats64.rx.packets,
    refused: refused.reduce((total, [, n]) => total + n, 0),
    noStates: (drops as Record<string, number>).InNoStates ?? 0,
  };
}

export function sum(a: Tally, b: Tally): Tally {
  return {
    sent: a.sent + b.sent,
    received: a.received + b.received,
    refused: a.refused + b.refused,
    noStates: a.noStates + b.noStates,
  };
}
