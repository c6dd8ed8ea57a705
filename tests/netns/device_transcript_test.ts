/**
 * Replays what iproute2 printed against the kernel's own ip_vti, in order, against the real daemon: every `ip link` and
 * `ip tunnel` command of the transcripts that the gateway serves has to leave the same state, output and exit code.
 */
import assert from "node:assert/strict";
import { client } from "../../cli/main.ts";
import { Daemon } from "../doubles/daemon.ts";
import { Topology } from "../doubles/topology.ts";
import { type Entry, readTranscript, splitWords } from "../doubles/transcript.ts";

/** Commands of other tools, namespaces and device types: the transcripts have them between the others. */
const OTHERS = /^(cat|echo|grep|sysctl|modprobe|lsmod) |type dummy|netns| n1 |ip addr show nosuch/;
/** Settings that are the system's to make. */
const SYSTEMS = /^ip (addr|route|link set \S+ (multicast|arp|address|txqueuelen)\b)/;
/** What the system's ip shows of a TUN device is not what it shows of a vti. */
const SYSTEM_LISTING = /^ip (addr show|-br link$|route|-4|-6|-br addr)/;

/** Interface numbers are the host's. */
const unnumbered = (text: string) =>
  text.replace(/^\d+: /gm, "N: ").replace(/"ifindex": ?\d+/g, '"ifindex":N');

async function replay(transcript: string, until: string | null): Promise<number> {
  await using topology = new Topology();
  const netns = await topology.addNetns("a");
  // The system's own default; the topology has another one.
  await topology.sysctl(netns, { "net/ipv6/conf/default/addr_gen_mode": 0 });
  const other = await topology.addNetns("b");
  await topology.veth(
    { netns, ifname: "eth0", addresses: ["192.0.2.2/24"] },
    { netns: other, ifname: "eth0", addresses: ["192.0.2.1/24"] },
  );
  await topology.veth({ netns, ifname: "d0", addresses: [] }, { netns: other, ifname: "d0", addresses: [] });
  const daemon = await Daemon.start(topology, { placement: "packed" });
  await daemon.ip(netns, "xfrm state flush");

  async function run(words: readonly string[]): Promise<Omit<Entry, "command" | "words">> {
    let [stdout, stderr] = ["", ""];
    const exitCode = await client(["-n", netns, ...words], {
      runDir: daemon.runDir,
      stdout: (text) => stdout += text,
      stderr: (text) => stderr += text,
    });
    return { exitCode, stdout, stderr };
  }

  const entries = await readTranscript(transcript);
  const end = until === null ? entries.length : entries.findIndex(({ command }) => command.startsWith(until));
  let replayed = 0;
  for (const { command, stdout, stderr, exitCode } of entries.slice(0, end)) {
    if (OTHERS.test(command) || SYSTEM_LISTING.test(command)) continue;
    if (SYSTEMS.test(command)) {
      await topology.exec(netns, command.split(" "));
      continue;
    }
    const told = { exitCode: 0, stdout: "", stderr: "" };
    for (const part of command.split(";")) {
      const plain = part.trim().replace(/ 2>\/dev\/null$/, "").replace(/ \| .*/, "");
      const done = await run(splitWords(plain).slice(1));
      told.exitCode = done.exitCode;
      told.stdout += done.stdout;
      told.stderr += part.includes("2>/dev/null") ? "" : done.stderr;
    }
    if (command.includes(" | ")) told.stdout = stdout;
    assert.deepEqual(
      { ...told, stdout: unnumbered(told.stdout) },
      { exitCode, stderr, stdout: unnumbered(stdout) },
      command,
    );
    replayed++;
  }
  return replayed;
}

Deno.test("replays what the kernel refused of links and tunnels", async () => {
  const replayed = await replay("errors.txt", "ip xfrm");
  assert.ok(replayed > 150, `only ${replayed}`);
});

Deno.test("replays what the kernel showed of links and tunnels", async () => {
  const replayed = await replay("link_show.txt", null);
  assert.ok(replayed > 80, `only ${replayed}`);
});
