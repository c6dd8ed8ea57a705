/** After a restart, with or without warning, the API says what it said before. */
import assert from "node:assert/strict";
import { algorithm } from "../doubles/algorithms.ts";
import { Daemon } from "../doubles/daemon.ts";
import { eventually } from "../doubles/eventually.ts";
import { must, Topology } from "../doubles/topology.ts";
import { ping } from "../doubles/traffic.ts";
import { joinedPair, setUpTunnel } from "../doubles/tunnel.ts";

/** All that a daemon says of namespaces, in which nothing moves meanwhile. */
async function everything(daemon: Daemon, namespaces: readonly string[]) {
  const paths = namespaces.flatMap((netns) =>
    ["links", "xfrm/states?keys=true", "xfrm/policies", "xfrm/stat"].map((what) =>
      `/v1/netns/${netns}/${what}`
    )
  );
  return await Promise.all(paths.map(async (path) => {
    const { status, body } = await daemon.http("GET", path);
    assert.equal(status, 200, path);
    return [path, body];
  }));
}

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  Deno.test(`after ${signal} and a start everything is as it was`, async () => {
    await using topology = new Topology();
    const home = await topology.addNetns("home");
    const { a, b } = await joinedPair(topology, async () => {
      const daemon = await Daemon.start(topology, { placement: "packed" });
      return { a: daemon, b: daemon };
    });
    const setup = { ifname: "vti1", key: 7, algorithm: algorithm("cbc128-sha256"), udp: true };
    await setUpTunnel(topology, setup, a, b);
    await ping(topology, a.netns, "10.9.0.2");
    const { daemon } = a;
    const ip = (words: string) => daemon.ip(a.netns, words);
    // A device that lives elsewhere, one that is bound to another, one with a changed name and MTU.
    await ip("link add away type vti local 192.0.2.1 remote 203.0.113.1 key 9");
    await topology.must(a.netns, ["ip", "link", "set", "away", "netns", home]);
    await eventually(async () =>
      assert.equal((await daemon.http("GET", `/v1/netns/${home}/links/away`)).status, 200)
    );
    await topology.addresses({ netns: home, ifname: "away", addresses: ["10.8.0.1/24"] });
    await topology.must(home, ["ip", "link", "set", "away", "up"]);
    await ip("link add bound type vti local 192.0.2.1 remote 203.0.113.2 ikey 3 okey 4 dev wire fwmark 5");
    await ip("link set bound name tied mtu 1300 up");
    await topology.must(a.netns, ["ip", "link", "set", "ip_vti0", "up"]);
    // An SA with limits and a reservation, a policy that was updated, counters of drops.
    await ip(
      "xfrm state add src 192.0.2.1 dst 192.0.2.9 proto esp spi 0x9 mode tunnel flag esn replay-window 64 " +
        "aead rfc4106(gcm(aes)) 0x0102030405060708090a0b0c0d0e0f1011121314 128 sel src 10.0.0.0/8 dev tied " +
        "limit byte-hard 100000 limit time-soft 5000 output-mark 0x5",
    );
    await ip(
      "xfrm state update src 192.0.2.1 dst 192.0.2.9 proto esp spi 0x9 mode tunnel flag esn replay-window 64 " +
        "aead rfc4106(gcm(aes)) 0x0102030405060708090a0b0c0d0e0f1011121314 128 limit byte-hard 200000",
    );
    await ip(
      "xfrm policy update src 0.0.0.0/0 dst 0.0.0.0/0 dir out mark 7 priority 3 " +
        "tmpl src 192.0.2.1 dst 192.0.2.2 proto esp mode tunnel",
    );
    await ip("xfrm policy add src 10.1.0.0/16 dst 0.0.0.0/0 dir fwd action block ptype sub priority 100");
    await topology.exec(home, ["ping", "-c1", "-W1", "10.8.0.2"]);
    await ping(topology, a.netns, "10.9.0.2");

    const namespaces = [a.netns, b.netns, home];
    const before = await everything(daemon, namespaces);
    await daemon.stop(signal);
    // What others set while there is no daemon stands.
    await topology.must(a.netns, ["ip", "link", "set", "tied", "mtu", "1290"]);
    const next = await Daemon.start(topology, { placement: "packed", runDir: daemon.runDir });
    assert.equal((await next.link(a.netns, "tied")).mtu, 1290);
    await topology.must(a.netns, ["ip", "link", "set", "tied", "mtu", "1300"]);
    await eventually(async () => assert.equal((await next.link(a.netns, "tied")).mtu, 1300));
    assert.deepEqual(await everything(next, namespaces), before);
    await ping(topology, a.netns, "10.9.0.2");
    await topology.exec(home, ["ping", "-c1", "-W1", "10.8.0.2"]);
    assert.equal((await next.link(home, "away")).drops["OutNoPolicy"], 2);
    await next.remove();
    for (const netns of namespaces) {
      assert.equal(await topology.must(netns, ["ip", "-br", "link", "show", "type", "tun"]), "");
    }
  });
}

Deno.test("a namespace that the gateway made is made again, with what was in it", async () => {
  await using topology = new Topology();
  const netns = await topology.addNetns("a");
  const remove = () => must(["ip", "netns", "del", netns]);
  await remove();
  const daemon = await Daemon.start(topology, { placement: "packed" });
  assert.equal((await daemon.http("PUT", `/v1/netns/${netns}`)).status, 200);
  await daemon.ip(netns, "link add vti1 type vti local 192.0.2.1 remote 192.0.2.2 key 7");
  await daemon.ip(netns, "link set vti1 mtu 1300 up");
  await daemon.stop();
  // As after a boot: neither the namespace nor its devices are there.
  await remove();
  const next = await Daemon.start(topology, { placement: "packed", runDir: daemon.runDir });
  const { mtu, flags } = await next.link(netns, "vti1");
  assert.deepEqual([mtu, flags.includes("UP")], [1300, true]);
  assert.match(await topology.must(netns, ["ip", "-br", "link", "show", "vti1"]), /UP/);
  await next.remove();
});

Deno.test("what a client made in the daemon's own namespace, which has no name, is there after a restart", async () => {
  await using topology = new Topology();
  const [netns, runDir] = [await topology.addNetns("a"), await topology.directory()];
  const mounts = "mount -t tmpfs tmpfs /run/netns";
  const start = () => Daemon.start(topology, { placement: "packed", netns, runDir, mounts });
  const daemon = await start();
  // As the client says it: the namespace of a process, which soon has ended.
  const link = {
    ifname: "vti1",
    linkinfo: { info_kind: "vti", info_data: { local: "192.0.2.1", remote: "192.0.2.2" } },
  };
  const made = await daemon.http("POST", `/v1/netns/pid:${daemon.process.pid}/links`, link);
  assert.equal(made.status, 201);
  assert.equal((await daemon.link("self", "vti1")).ifname, "vti1");
  await daemon.stop("SIGKILL");
  const next = await start();
  assert.equal((await next.link("self", "vti1")).ifname, "vti1");
  assert.doesNotMatch(next.process.output, /forgotten/);
  await next.remove();
});
