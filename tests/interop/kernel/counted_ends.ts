/**
 * The gateway and Linux as ends of tunnels whose peer is a wire: both are set up by the same words and read alike.
 *
 *     a peer as 192.0.2.1                    an end as 192.0.2.2, vti1 10.9.0.2
 *     netns j: wire ----------- veth ------- netns g: eth0, the gateway
 *     netns k: wire ----------- tap -------- guest: eth0, Linux
 */
import { Daemon } from "../../doubles/daemon.ts";
import { must, type Ran, type Topology } from "../../doubles/topology.ts";
import { LOCAL } from "./failure_case.ts";
import { gatewayIp, splitWords, tryGatewayIp } from "./gateway_client.ts";
import { Guest } from "./guest.ts";
import { Wire } from "./wire.ts";

/** Begins words for the system's ip. */
export const SYSTEM = "system ";
const ESPINUDP_PORT = 4500, UDP_ENCAP_ESPINUDP = 2;

/** An end, with the wire that leads to it. */
export interface End {
  readonly wire: Wire;
  /** Takes away what was there, `devices` among it, then runs words of `ip`. */
  setUp(words: readonly string[], devices?: readonly string[]): Promise<void>;
  /** Runs a program. */
  run(words: readonly string[]): Promise<Ran>;
  /** /proc/net/xfrm_stat. */
  xfrmStat(): Promise<string>;
  /** Reads at once. */
  read(): Promise<Reading>;
}

/** What was printed. */
export interface Reading {
  readonly xfrmStat: string;
  /** JSON. */
  readonly links: string;
  readonly states: string;
  readonly policies: string;
}

export interface Ends {
  readonly netns: { readonly g: string; readonly j: string; readonly k: string };
  readonly guest: Guest;
  readonly daemon: Daemon;
  readonly gateway: End;
  readonly linux: End;
}

/** Makes both; `neighbours` are addresses that the peer answers to. They end with the topology. */
export async function startEnds(
  topology: Topology,
  stack: AsyncDisposableStack,
  neighbours: readonly string[],
  families: "4" | "46" = "4",
): Promise<Ends> {
  const netns = {
    g: await topology.addNetns("g"),
    j: await topology.addNetns("j"),
    k: await topology.addNetns("k"),
  };
  await topology.veth(
    { netns: netns.g, ifname: "eth0", addresses: [`${LOCAL}/24`] },
    { netns: netns.j, ifname: "wire", addresses: [] },
  );
  const guest = stack.use(await Guest.start(topology, { netns: netns.k, device: "wire" }));
  const daemon = await Daemon.start(topology, { placement: "packed" });
  const gatewayWire = stack.use(await Wire.start(netns.j, "wire", await macOf(netns.g, "eth0"), families));
  const linuxWire = stack.use(await Wire.start(netns.k, "wire", guest.mac, families));
  const gateway = gatewayEnd(topology, daemon, netns.g, gatewayWire);
  const linux = linuxEnd(guest, linuxWire);
  await prepare(guest);
  for (const [end, wireNetns] of [[gateway, netns.j], [linux, netns.k]] as const) {
    const mac = await macOf(wireNetns, "wire");
    await end.setUp(
      neighbours.map((address) => `${SYSTEM}neigh add ${address} lladdr ${mac} dev eth0 nud permanent`),
    );
  }
  return { netns, guest, daemon, gateway, linux };
}

export const withoutTimes = (text: string): string =>
  text.replace(/\b(add|use) \d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, "$1 TIME");

/** Of `ip -s xfrm state`; Linux asks for a state that is missing by one without an SPI. */
export const statesOf = (text: string): string[] =>
  withoutTimes(text).split(/^(?=src )/m).filter((state) => !/spi 0x0+\(/.test(state));

/** Counters of /proc/net/xfrm_stat that have grown, and by how much. */
export function counted(before: string, after: string): Record<string, number> {
  const counters = (text: string) => [...text.matchAll(/^(\w+)\s+(\d+)$/gm)];
  const old = new Map(counters(before).map(([, name, value]) => [name, Number(value)]));
  const grown = counters(after).map(([, name, value]) => [name!, Number(value) - old.get(name)!] as const);
  return Object.fromEntries(grown.filter(([, growth]) => growth !== 0));
}

const FLUSH = ["xfrm state flush", "xfrm policy flush"];
const removal = (devices: readonly string[]) => [...devices.map((name) => `link del ${name}`), ...FLUSH];
/** A route's exceptions outlive the device. */
const FORGETTING = `${SYSTEM}route flush cache`;
const READING = ["-s -s -j link show type vti", "-s xfrm state", "-s xfrm policy"];
/** Between what several programs print. */
const CUT = "--- cut here";

function gatewayEnd(topology: Topology, daemon: Daemon, netns: string, wire: Wire): End {
  const ip = (text: string) => tryGatewayIp(daemon, netns, splitWords(text));
  return {
    wire,
    setUp: async (words, devices = ["vti1"]) => {
      for (const text of removal(devices)) await ip(text);
      for (const text of [FORGETTING, ...words]) {
        if (text.startsWith(SYSTEM)) {
          await must(["ip", "-n", netns, ...splitWords(text.slice(SYSTEM.length))]);
        } else await gatewayIp(daemon, netns, text);
      }
    },
    run: (words) => topology.exec(netns, words),
    xfrmStat: async () => (await ip("xfrm stat")).stdout,
    read: async () => {
      const printed: string[] = [];
      for (const text of ["xfrm stat", ...READING]) printed.push((await ip(text)).stdout);
      return readingOf(printed);
    },
  };
}

/** ip(8) takes many commands at once: starting it is what takes time in the guest. */
function linuxEnd(guest: Guest, wire: Wire): End {
  return {
    wire,
    setUp: async (words, devices = ["vti1"]) => {
      const first = removal(devices);
      const lines = [...first, FORGETTING, ...words].map((text) => text.replace(SYSTEM, ""));
      const script = `ip -force -batch - <<'END' 2>&1 || true\n${lines.join("\n")}\nEND`;
      const printed = await guest.sh(script);
      const failed = [...printed.matchAll(/^Command failed -:(\d+)$/gm)].map(([, line]) => Number(line));
      if (failed.some((line) => line > first.length)) throw new Error(`Cannot set Linux up: ${printed}`);
    },
    run: (words) => guest.run(words),
    xfrmStat: () => guest.must(["cat", "/proc/net/xfrm_stat"]),
    read: async () => {
      const printed = await guest.sh(
        ["cat /proc/net/xfrm_stat", ...READING.map((text) => `ip ${text}`)].join(`\necho "${CUT}"\n`),
      );
      return readingOf(printed.split(`${CUT}\n`));
    },
  };
}

function readingOf(printed: readonly string[]): Reading {
  const [xfrmStat, links, states, policies] = printed as [string, string, string, string];
  return { xfrmStat, links, states, policies };
}

async function macOf(netns: string, ifname: string): Promise<string> {
  return JSON.parse(await must(["ip", "-n", netns, "-j", "link", "show", ifname]))[0].address;
}

/** No packets but those of the test. */
async function prepare(guest: Guest): Promise<void> {
  await guest.sh(`
    cd /proc/sys/net
    echo 1 > ipv6/conf/default/addr_gen_mode
    echo 0 > ipv6/conf/default/router_solicitations
    echo 0 > ipv6/conf/default/accept_dad
    echo 0 > ipv4/icmp_ratelimit
    echo 0 > ipv6/icmp/ratelimit
    ip addr add ${LOCAL}/24 dev eth0
    ip link set eth0 up
    /encap ${ESPINUDP_PORT} ${UDP_ENCAP_ESPINUDP} >/dev/null 2>&1 &`);
}
