/**
 * A gateway with scapy at the far end of its wire.
 *
 *     netns g                                    netns j
 *     vti1 10.9.0.2 2001:db8:9::2  (key 7)       scapy as 192.0.2.1: no address, its kernel stays silent
 *     wire 192.0.2.2 ----------- veth ---------- wire
 */
import type { Algorithm } from "./algorithms.ts";
import { Daemon, type DaemonSetup } from "./daemon.ts";
import { Judge, type SendOptions } from "./judge.ts";
import { must, type Topology } from "./topology.ts";
import { encapWords, policyWords } from "./tunnel.ts";

export const GATEWAY = "192.0.2.2";
export const PEER = "192.0.2.1";
/** SPI of what the peer sends, and of what the gateway sends. */
export const SPI_IN = 0x1001;
export const SPI_OUT = 0x2002;
export const KEY = 7;

/** What a test may want otherwise than in a tunnel that works; words for the client, null to leave it out. */
export interface Config {
  readonly stateIn: string;
  readonly stateOut: string;
  readonly policyIn: string | null;
  readonly policyOut: string;
}

export function workingConfig(algorithm: Algorithm, udp: boolean, stateInWords = "replay-window 32"): Config {
  const state = (src: string, dst: string, spi: number, more: string) =>
    `xfrm state add src ${src} dst ${dst} proto esp spi ${spi} mode tunnel mark ${KEY} ${more} ` +
    `flag af-unspec ${algorithm.words} ${encapWords(udp)}`;
  return {
    stateIn: state(PEER, GATEWAY, SPI_IN, stateInWords),
    stateOut: state(GATEWAY, PEER, SPI_OUT, ""),
    policyIn: policyWords(KEY, "in", "0.0.0.0/0", PEER, GATEWAY),
    policyOut: policyWords(KEY, "out", "0.0.0.0/0", GATEWAY, PEER),
  };
}

export class JudgedGateway implements AsyncDisposable {
  readonly daemon: Daemon;
  readonly netns: string;
  readonly judge: Judge;
  /** The last sequence number that the peer used. */
  seq = 0;
  /** The last ESP packet that got an answer. */
  lastGood = "";

  private constructor(daemon: Daemon, netns: string, judge: Judge) {
    this.daemon = daemon;
    this.netns = netns;
    this.judge = judge;
  }

  static async start(topology: Topology, setup: DaemonSetup): Promise<JudgedGateway> {
    const netns = await topology.addNetns("g");
    const far = await topology.addNetns("j");
    await topology.veth(
      { netns, ifname: "wire", addresses: [`${GATEWAY}/24`] },
      { netns: far, ifname: "wire", addresses: [] },
    );
    const mac = async (of: string) =>
      JSON.parse(await must(["ip", "-n", of, "-j", "link", "show", "wire"]))[0].address as string;
    const neighbour = ["neigh", "add", PEER, "lladdr", await mac(far), "dev", "wire", "nud", "permanent"];
    await must(["ip", "-n", netns, ...neighbour]);
    const daemon = await Daemon.start(topology, setup);
    await daemon.ip(netns, `link add vti1 type vti local ${GATEWAY} remote ${PEER} key ${KEY}`);
    await daemon.ip(netns, "link set vti1 up");
    const addresses = ["10.9.0.2/24", "2001:db8:9::2/64"];
    await topology.addresses({ netns, ifname: "vti1", addresses });
    return new JudgedGateway(daemon, netns, await Judge.start(far, "wire", await mac(netns)));
  }

  /** Replaces all states and policies. */
  async configure({ stateIn, stateOut, policyIn, policyOut }: Config): Promise<void> {
    const ip = (words: string) => this.daemon.ip(this.netns, words);
    await ip("xfrm state flush");
    await ip("xfrm policy flush");
    for (const words of [stateIn, stateOut, policyIn, policyOut]) if (words !== null) await ip(words);
  }

  /** Seals bytes under the next sequence number. */
  seal(data: string, more: { nh?: number; padlen?: number } = {}, sa = "in"): Promise<string> {
    return this.judge.seal(sa, data, ++this.seq, more);
  }

  /** An echo request to the gateway's inner address, not yet sealed. */
  request(length = 56): Promise<string> {
    return this.judge.echo("10.9.0.1", "10.9.0.2", 7, this.seq & 0xffff, length);
  }

  send(payloads: readonly string[], more: Partial<SendOptions> = {}): Promise<void> {
    return this.judge.send({ src: PEER, dst: GATEWAY, payloads, ...more });
  }

  /** Sends a good echo request and opens the answer: everything that was sent before it has been dealt with. */
  async fence(): Promise<void> {
    const esp = await this.seal(await this.request());
    await this.send([esp]);
    const answer = await this.judge.receive(50);
    if (answer === null) throw new Error("Cannot get an answer through the gateway: forwarding has stopped");
    const { reply } = await this.judge.read((await this.judge.open("out", answer.payload)).data);
    if (reply === null) throw new Error("Cannot read the answer: it is no echo reply");
    this.lastGood = esp;
  }

  /** All counters that a bad packet could touch, in one flat record. */
  async counters(): Promise<Record<string, number>> {
    const { stats64, drops } = await this.daemon.link(this.netns, "vti1");
    const { rx, tx } = stats64;
    return {
      ...await this.daemon.xfrmStat(this.netns),
      rxPackets: rx.packets,
      rxErrors: rx.errors,
      rxDropped: rx.dropped,
      txPackets: tx.packets,
      txErrors: tx.errors,
      ...Object.fromEntries(Object.entries(drops).map(([name, count]) => [`drop ${name}`, count])),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.judge[Symbol.asyncDispose]();
  }
}
