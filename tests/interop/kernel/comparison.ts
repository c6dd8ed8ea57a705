/**
 * Linux and the gateway with the same devices beside them, asked the same words of `ip`: what is printed, to where, and
 * the exit code. Only numbers that nobody chooses (of interfaces and policies) and times are left out.
 */
import { Daemon } from "../../doubles/daemon.ts";
import { must, type Ran, type Topology } from "../../doubles/topology.ts";
import { KEYS_HIDDEN } from "../../../cli/quit.ts";
import { splitWords, tryGatewayIp } from "./gateway_client.ts";
import { Guest } from "./guest.ts";

/** What every comparison begins with. */
const UNDERLAY = [
  "addr flush dev eth0",
  "link set eth0 mtu 1500 up",
  "addr add 192.0.2.2/24 dev eth0",
];

/** Answers are not compared: not every kernel has all of it. */
const CLEARING = [
  "xfrm state flush",
  "xfrm policy flush",
  "xfrm policy flush ptype sub",
  "xfrm policy set hthresh4 32 32 hthresh6 128 128",
  "xfrm policy setdefault in accept fwd accept out accept",
];

export interface Compared {
  /** What Linux answered; 0 is success. */
  readonly code: number;
  /** The lines in which the answers differ; null when they are the same. */
  readonly difference: string | null;
}

export class Comparison implements Disposable {
  readonly #guest: Guest;
  readonly #daemon: Daemon;
  readonly #netns: string;

  private constructor(guest: Guest, daemon: Daemon, netns: string) {
    this.#guest = guest;
    this.#daemon = daemon;
    this.#netns = netns;
  }

  static async start(topology: Topology): Promise<Comparison> {
    const netns = await topology.addNetns("g");
    const guest = await Guest.start(topology, { netns: await topology.addNetns("k"), device: "tap" });
    const daemon = await Daemon.start(topology, { placement: "packed" });
    const far = await topology.addNetns("f");
    for (const [ifname, mtu] of [["eth0", 1500], ["d0", 9000]] as const) {
      await topology.veth({ netns, ifname, addresses: [] }, { netns: far, ifname, addresses: [] }, mtu);
    }
    // As in the namespaces of a topology; links show it.
    await guest.sh("echo 1 > /proc/sys/net/ipv6/conf/default/addr_gen_mode");
    await guest.ip("link add d0 mtu 9000 up type dummy");
    const comparison = new Comparison(guest, daemon, netns);
    await comparison.system("addr add 203.0.113.1/24 dev d0");
    return comparison;
  }

  /** Both ends by the system's own `ip`, which is not compared. */
  async system(text: string): Promise<void> {
    await must(["ip", "-n", this.#netns, ...splitWords(text)]);
    await this.#guest.ip(text);
  }

  async ask(text: string): Promise<Compared> {
    const [linux, gateway] = await Promise.all([this.#linux(text), this.#gateway(text)]);
    const [expected, actual] = [comparable(linux), comparable(gateway)];
    const isSame = actual === expected;
    return {
      code: linux.code,
      difference: isSame ? null : `$ ip ${text}\n${difference(expected, actual)}`,
    };
  }

  /** Takes away all devices, states and policies, and sets the stage anew. */
  async reset(): Promise<void> {
    for (const text of UNDERLAY) await this.system(text);
    for (const ask of [this.#linux, this.#gateway]) await removeAll(ask);
  }

  readonly #linux = (text: string): Promise<Ran> => this.#guest.run(["ip", ...splitWords(text)]);
  readonly #gateway = (text: string): Promise<Ran> =>
    tryGatewayIp(this.#daemon, this.#netns, splitWords(text));

  [Symbol.dispose](): void {
    this.#guest[Symbol.dispose]();
  }
}

async function removeAll(ip: (text: string) => Promise<Ran>): Promise<void> {
  const { stdout } = await ip("-o link show type vti");
  for (const [, name] of stdout.matchAll(/^\d+: ([^@]+)@/gm)) await ip(`link del ${name}`);
  for (const text of CLEARING) await ip(text);
}

function comparable({ code, stdout, stderr }: Ran): string {
  const out = stdout
    .replace(/^\d+: (?=\S+: <)/gm, "N: ")
    .replace(/"ifindex":( ?)\d+/g, '"ifindex":$1N')
    // Linux' hashes grow with what was ever in them.
    .replace(/\b(buckets:? count) \d+/g, "$1 N")
    .replace(/\bindex (\d+)/g, (_, index) => `index 8N+${index % 8}`)
    .replace(/\b(add|use) \d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, "$1 TIME");
  // The gateway's client does not repeat a key that it can't read.
  const errors = stderr
    .replace(/0x[0-9a-f]{17,}/gi, KEYS_HIDDEN)
    // Its help is of its own words.
    .replace(/^Usage: [^]*/, "Usage\n");
  return `${out}${errors === "" ? "" : `[stderr] ${errors}`}[exit ${code}]\n`;
}

/** The lines that only one of them has, or both texts when they differ in the order of lines. */
function difference(expected: string, actual: string): string {
  const linesOnlyIn = (text: string, other: string) => {
    const others = other.split("\n");
    return text.split("\n").filter((line) => !others.includes(line)).join("\n");
  };
  const [linux, gateway] = [linesOnlyIn(expected, actual), linesOnlyIn(actual, expected)];
  const [a, b] = linux + gateway === "" ? [expected, actual] : [linux, gateway];
  return `--- Linux\n${a}\n--- the gateway\n${b}`;
}
