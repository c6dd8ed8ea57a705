/**
 * The same words of `ip` for Linux and for the gateway: what is printed, to where, and the exit code. Only names that
 * nobody chooses (interface numbers) and times are left out.
 */
import assert from "node:assert/strict";
import { Daemon } from "../../doubles/daemon.ts";
import { must, type Ran, Topology } from "../../doubles/topology.ts";
import { splitWords, tryGatewayIp } from "./gateway_client.ts";
import { Guest } from "./guest.ts";
import { LINKS } from "./link_words.ts";
import { POLICIES } from "./policy_words.ts";
import { STATES } from "./state_words.ts";

/** What every section begins with. */
const UNDERLAY = [
  "addr flush dev eth0",
  "link set eth0 mtu 1500 up",
  "addr add 192.0.2.2/24 dev eth0",
];
const SYSTEM = "system ";

Deno.test("the gateway answers every word of ip as Linux does", async (t) => {
  await using topology = new Topology();
  const netns = await topology.addNetns("g");
  using guest = await Guest.start(topology, { netns: await topology.addNetns("k"), device: "tap" });
  const daemon = await Daemon.start(topology, { placement: "packed" });
  const linux = (text: string) => guest.run(["ip", ...splitWords(text)]);
  const gateway = (text: string) => tryGatewayIp(daemon, netns, splitWords(text));
  const system = async (text: string) => {
    await must(["ip", "-n", netns, ...splitWords(text)]);
    await guest.ip(text);
  };
  const far = await topology.addNetns("f");
  for (const [ifname, mtu] of [["eth0", 1500], ["d0", 9000]] as const) {
    await topology.veth({ netns, ifname, addresses: [] }, { netns: far, ifname, addresses: [] }, mtu);
  }
  // As in the namespaces of a topology; links show it.
  await guest.sh("echo 1 > /proc/sys/net/ipv6/conf/default/addr_gen_mode");
  await guest.ip("link add d0 mtu 9000 up type dummy");
  await system("addr add 203.0.113.1/24 dev d0");

  let [accepted, refused] = [0, 0];
  for (const { name, commands } of [...LINKS, ...STATES, ...POLICIES]) {
    await t.step(name, async () => {
      for (const text of UNDERLAY) await system(text);
      const differences: string[] = [];
      for (const text of commands) {
        if (text.startsWith(SYSTEM)) {
          await system(text.slice(SYSTEM.length));
          continue;
        }
        const answers = await Promise.all([linux(text), gateway(text)]);
        if (answers[0].code === 0) accepted++;
        else refused++;
        const [expected, actual] = answers.map(comparable);
        if (actual !== expected) differences.push(`$ ip ${text}\n${difference(expected!, actual!)}`);
      }
      for (const ask of [linux, gateway]) await removeAll(ask);
      assert.ok(differences.length === 0, `${differences.length} differences\n${differences.join("\n")}`);
    });
  }
  assert.ok(accepted > 450 && refused > 200, `only ${accepted} accepted and ${refused} refused`);
});

/** Takes away all devices, states and policies. */
async function removeAll(ip: (text: string) => Promise<Ran>): Promise<void> {
  const { stdout } = await ip("-o link show type vti");
  for (const [, name] of stdout.matchAll(/^\d+: ([^@]+)@/gm)) await ip(`link del ${name}`);
  for (const what of ["state", "policy"]) await ip(`xfrm ${what} flush`);
}

function comparable({ code, stdout, stderr }: Ran): string {
  const out = stdout
    .replace(/^\d+: (?=\S+: <)/gm, "N: ")
    .replace(/"ifindex":( ?)\d+/g, '"ifindex":$1N')
    .replace(/\b(add|use) \d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, "$1 TIME");
  return `${out}${stderr === "" ? "" : `[stderr] ${stderr}`}[exit ${code}]\n`;
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
