/** ip_vti0: what transcripts of the kernel's show of it, and the packets that no other tunnel takes. */
import assert from "node:assert/strict";
import { algorithm } from "../doubles/algorithms.ts";
import { Daemon } from "../doubles/daemon.ts";
import { eventually } from "../doubles/eventually.ts";
import { Topology } from "../doubles/topology.ts";
import { readTranscript } from "../doubles/transcript.ts";
import { joinedPair, setUpTunnel } from "../doubles/tunnel.ts";

/** Interface numbers are the host's. */
const unnumbered = (text: string) =>
  text.replace(/^\d+: /gm, "N: ").replace(/"ifindex": \d+/g, '"ifindex": N');

async function served(topology: Topology): Promise<{ daemon: Daemon; netns: string }> {
  const netns = await topology.addNetns("a");
  const daemon = await Daemon.start(topology, { placement: "packed" });
  // Any change makes the gateway serve a namespace.
  await daemon.ip(netns, "xfrm state flush");
  return { daemon, netns };
}

Deno.test("ip_vti0 shows as the kernel's does", async () => {
  await using topology = new Topology();
  const { daemon, netns } = await served(topology);
  const commands = [
    "ip link show ip_vti0",
    "ip -d link show ip_vti0",
    "ip -d -j -p link show ip_vti0",
    "ip tunnel show",
  ];
  const entries = await readTranscript("link_show.txt");
  for (const command of commands) {
    const expected = entries.find((entry) => entry.command === command)!;
    const { code, stdout, stderr } = await daemon.tryIp(netns, command.slice("ip ".length));
    assert.deepEqual([code, stderr, unnumbered(stdout)], [0, "", unnumbered(expected.stdout)], command);
  }
});

Deno.test("ip_vti0 can be set, and neither changed, deleted nor doubled", async () => {
  await using topology = new Topology();
  const { daemon, netns } = await served(topology);
  const tell = async (words: string) => {
    const { code, stderr } = await daemon.tryIp(netns, words);
    return `${code} ${stderr.trimEnd()}`.trimEnd();
  };
  const exists = "2 RTNETLINK answers: File exists";
  const invalid = "2 RTNETLINK answers: Invalid argument";
  assert.equal(await tell("link add x type vti"), exists);
  assert.equal(await tell("link add x type vti local any remote any key 3"), exists);
  assert.equal(await tell("link add name ip_vti0 type vti local 192.0.2.2 remote 192.0.2.99"), exists);
  assert.equal(await tell("link set ip_vti0 type vti local 192.0.2.2 remote 192.0.2.3"), invalid);
  assert.equal(await tell("link set ip_vti0 type vti key 3"), invalid);
  assert.equal(await tell("link del ip_vti0"), "0");
  assert.equal(await tell("link set ip_vti0 up"), "0");
  assert.equal(await tell("link set ip_vti0 mtu 1300"), "0");
  const up = "N: ip_vti0@NONE: <NOARP,UP,LOWER_UP> mtu 1300 qdisc noqueue state UNKNOWN mode DEFAULT";
  assert.ok(unnumbered(await daemon.ip(netns, "link show ip_vti0")).startsWith(up));
  assert.equal(await tell("link set ip_vti0 down"), "0");
  assert.equal(await tell("link set ip_vti0 name foo"), "0");
  assert.equal(await tell("link add x type vti"), exists, "it is what it is, whatever its name");
  assert.equal(await tell("link set foo name ip_vti0"), "0");
  assert.equal(await tell("link add vti1 type vti local 192.0.2.2 remote 192.0.2.1"), "0");
  const names = (await daemon.ip(netns, "-br link show type vti")).split("\n").map((line) =>
    line.split("@")[0]
  );
  assert.deepEqual(names, ["ip_vti0", "vti1", ""]);
});

Deno.test("ip_vti0 comes back when the system's ip deletes it", async () => {
  await using topology = new Topology();
  const { daemon, netns } = await served(topology);
  const before = (await daemon.link(netns, "ip_vti0")).ifindex;
  await topology.must(netns, ["ip", "link", "del", "ip_vti0"]);
  const after = await eventually(async () => {
    const { ifindex } = await daemon.link(netns, "ip_vti0");
    assert.notEqual(ifindex, before);
    return ifindex;
  });
  assert.match(await topology.must(netns, ["ip", "link", "show", "ip_vti0"]), new RegExp(`^${after}: `));
});

Deno.test("a name that another device has is left alone", async () => {
  await using topology = new Topology();
  const netns = await topology.addNetns("a");
  await topology.must(netns, ["ip", "link", "add", "ip_vti0", "type", "veth", "peer", "name", "other"]);
  const daemon = await Daemon.start(topology, { placement: "packed" });
  await daemon.ip(netns, "link add vti1 type vti local 192.0.2.2 remote 192.0.2.1");
  const links = await daemon.http("GET", `/v1/netns/${netns}/links`);
  assert.deepEqual((links.body as { ifname: string }[]).map(({ ifname }) => ifname), ["vti1"]);
});

for (const placement of ["packed", "isolated"] as const) {
  Deno.test(`ip_vti0 takes what no other tunnel takes, once it is up, ${placement}`, async () => {
    await using topology = new Topology();
    const { a, b } = await joinedPair(topology, async () => {
      const daemon = await Daemon.start(topology, { placement });
      return { a: daemon, b: daemon };
    });
    const setup = { ifname: "vti1", key: 7, algorithm: algorithm("gcm128"), udp: false };
    await setUpTunnel(topology, setup, a, b);
    // The receiver knows the packets by no mark and no tunnel of their ends.
    await b.daemon.ip(b.netns, "link del vti1");
    await b.daemon.ip(b.netns, "xfrm state flush");
    const words = `proto esp spi ${b.spi} mode tunnel flag af-unspec ${setup.algorithm.words}`;
    await b.daemon.ip(b.netns, `xfrm state add src ${a.outer} dst ${b.outer} ${words}`);
    const template = `tmpl src ${a.outer} dst ${b.outer} proto esp mode tunnel`;
    await b.daemon.ip(b.netns, `xfrm policy add src 10.9.0.0/24 dst 10.9.0.0/24 dir in ${template}`);
    const send = () => topology.exec(a.netns, ["ping", "-c1", "-W1", "10.9.0.2"]);

    await send();
    assert.equal((await b.daemon.link(b.netns, "ip_vti0")).stats64.rx.packets, 0, "it is down");
    await b.daemon.ip(b.netns, "link set ip_vti0 up");
    await send();
    await eventually(async () => {
      const { rx } = (await b.daemon.link(b.netns, "ip_vti0")).stats64;
      assert.deepEqual([rx.packets, rx.bytes, rx.errors], [1, 84, 0]);
    });
  });
}
