/**
 * The same packets for Linux and for the gateway, good and bad: both count the same, keep the same of their states,
 * and send the same.
 *
 *     a peer as 192.0.2.1                    an end as 192.0.2.2, vti1 10.9.0.2
 *     netns j: wire ----------- veth ------- netns g: eth0, the gateway
 *     netns k: wire ----------- tap -------- guest: eth0, Linux
 */
import assert from "node:assert/strict";
import { Daemon } from "../../doubles/daemon.ts";
import { must, type Ran, Topology } from "../../doubles/topology.ts";
import { describe } from "./crafted_packets.ts";
import { type FailureCase, LOCAL, REMOTE } from "./failure_case.ts";
import { gatewayIp, splitWords, tryGatewayIp } from "./gateway_client.ts";
import { Guest } from "./guest.ts";
import { INBOUND_CASES } from "./inbound_cases.ts";
import { OUTBOUND_CASES, ROUTED_PEERS } from "./outbound_cases.ts";
import { Wire } from "./wire.ts";

const SYSTEM = "system ";
const ESPINUDP_PORT = 4500, UDP_ENCAP_ESPINUDP = 2;
/** Milliseconds that the gateway may take to come to what Linux has come to. */
const GATEWAY_LIMIT = 1500;

/** An end, with the wire that leads to it. */
interface End {
  readonly wire: Wire;
  /** Takes away what was there, then runs words of `ip`. */
  setUp(words: readonly string[]): Promise<void>;
  /** Runs a program. */
  run(line: string): Promise<Ran>;
  /** /proc/net/xfrm_stat. */
  xfrmStat(): Promise<string>;
  /** Reads when nothing changes any more; the gateway, at once. */
  read(): Promise<Reading>;
}

/** What was printed. */
interface Reading {
  readonly xfrmStat: string;
  /** JSON. */
  readonly links: string;
  readonly states: string;
  readonly policies: string;
}

Deno.test("the gateway counts, keeps and sends what Linux does, whatever the packet", async (t) => {
  await using topology = new Topology();
  const netns = {
    g: await topology.addNetns("g"),
    j: await topology.addNetns("j"),
    k: await topology.addNetns("k"),
  };
  await topology.veth(
    { netns: netns.g, ifname: "eth0", addresses: [`${LOCAL}/24`] },
    { netns: netns.j, ifname: "wire", addresses: [] },
  );
  using guest = await Guest.start(topology, { netns: netns.k, device: "wire" });
  const daemon = await Daemon.start(topology, { placement: "packed" });
  await using gatewayWire = await Wire.start(netns.j, "wire", await macOf(netns.g, "eth0"));
  await using linuxWire = await Wire.start(netns.k, "wire", guest.mac);
  const gateway = gatewayEnd(topology, daemon, netns.g, gatewayWire);
  const linux = linuxEnd(guest, linuxWire);
  await prepare(gateway, linux, await macOf(netns.j, "wire"), await macOf(netns.k, "wire"), guest);

  const total = { linux: await linux.xfrmStat(), gateway: await gateway.xfrmStat() };
  for (const failure of [...INBOUND_CASES, ...OUTBOUND_CASES]) {
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
  const expected = await readLinux();
  const deadline = Date.now() + GATEWAY_LIMIT;
  let actual = await readGateway();
  while (JSON.stringify(actual) !== JSON.stringify(expected) && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    actual = await readGateway();
  }
  return [expected, actual];
}

/** Sends the packets and runs the programs; what it returns reads what came of it so far. */
async function act(end: End, steps: FailureCase["steps"]): Promise<() => Promise<Observation>> {
  await end.wire.drain();
  const before = await end.xfrmStat();
  let printed = "";
  for (const step of steps) {
    if (typeof step === "string") printed += normalised(await end.run(step));
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
      // Linux asks for a state that is missing by one without an SPI.
      states: withoutTimes(reading.states).split(/^(?=src )/m).filter((state) => !/spi 0x0+\(/.test(state)),
      policies: withoutTimes(reading.policies),
      sent: [...sent],
    };
  };
}

const withoutTimes = (text: string) => text.replace(/\b(add|use) \d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, "$1 TIME");

/** Counters of /proc/net/xfrm_stat that have grown, and by how much. */
function counted(before: string, after: string): Record<string, number> {
  const counters = (text: string) => [...text.matchAll(/^(\w+)\s+(\d+)$/gm)];
  const old = new Map(counters(before).map(([, name, value]) => [name, Number(value)]));
  const grown = counters(after).map(([, name, value]) => [name!, Number(value) - old.get(name)!] as const);
  return Object.fromEntries(grown.filter(([, growth]) => growth !== 0));
}

const REMOVAL = ["link del vti1", "xfrm state flush", "xfrm policy flush"];
/** A route's exceptions outlive the device. */
const FORGETTING = `${SYSTEM}route flush cache`;
const READING = ["-s -s -j link show type vti", "-s xfrm state", "-s xfrm policy"];

function gatewayEnd(topology: Topology, daemon: Daemon, netns: string, wire: Wire): End {
  const ip = (text: string) => tryGatewayIp(daemon, netns, splitWords(text));
  return {
    wire,
    setUp: async (words) => {
      for (const text of REMOVAL) await ip(text);
      for (const text of [FORGETTING, ...words]) {
        if (text.startsWith(SYSTEM)) {
          await must(["ip", "-n", netns, ...splitWords(text.slice(SYSTEM.length))]);
        } else await gatewayIp(daemon, netns, text);
      }
    },
    run: (line) => topology.exec(netns, line.split(" ")),
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
  const statistics = ["vti1", "ip_vti0"].flatMap((device) =>
    ["rx_packets", "rx_errors", "tx_packets", "tx_errors"].map((name) =>
      `/sys/class/net/${device}/statistics/${name}`
    )
  );
  const xfrmStat = () => guest.must(["cat", "/proc/net/xfrm_stat"]);
  return {
    wire,
    setUp: async (words) => {
      const lines = [...REMOVAL, FORGETTING, ...words].map((text) => text.replace(SYSTEM, ""));
      const script = `ip -force -batch - <<'END' 2>&1 || true\n${lines.join("\n")}\nEND`;
      const printed = await guest.sh(script);
      const failed = [...printed.matchAll(/^Command failed -:(\d+)$/gm)].map(([, line]) => Number(line));
      if (failed.some((line) => line > REMOVAL.length)) throw new Error(`Cannot set Linux up: ${printed}`);
    },
    run: (line) => guest.run(line.split(" ")),
    xfrmStat,
    read: async () => {
      const count = async () => (await guest.run(["cat", "/proc/net/xfrm_stat", ...statistics])).stdout;
      let before = await count();
      for (let now = await count(); now !== before; now = await count()) before = now;
      const printed = [await xfrmStat()];
      for (const text of READING) printed.push(await guest.ip(text));
      return readingOf(printed);
    },
  };
}

function readingOf(printed: readonly string[]): Reading {
  const [xfrmStat, links, states, policies] = printed as [string, string, string, string];
  return { xfrmStat, links, states, policies };
}

/** What ping says but for its timing. */
function normalised({ code, stdout, stderr }: Ran): string {
  return `${stdout.replace(/ ?time[ =][\d.]+ ?ms/g, "")}${stderr}exit code ${code}\n`;
}

async function macOf(netns: string, ifname: string): Promise<string> {
  return JSON.parse(await must(["ip", "-n", netns, "-j", "link", "show", ifname]))[0].address;
}

/** Neighbours that nobody has to ask for; no packets but those of the test. */
async function prepare(
  gateway: End,
  linux: End,
  macOfJ: string,
  macOfK: string,
  guest: Guest,
): Promise<void> {
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
  for (const [end, mac] of [[gateway, macOfJ], [linux, macOfK]] as const) {
    await end.setUp(
      [REMOTE, "192.0.2.55", "192.0.2.99", ...ROUTED_PEERS].map((address) =>
        `system neigh add ${address} lladdr ${mac} dev eth0 nud permanent`
      ),
    );
  }
}
