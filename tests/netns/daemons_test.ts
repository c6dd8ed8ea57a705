/** One daemon a side, many tunnels in one daemon, and what a daemon leaves behind when it ends. */
import assert from "node:assert/strict";
import { algorithm } from "../doubles/algorithms.ts";
import { Daemon } from "../doubles/daemon.ts";
import { iperfTcp, ping, quietCounters } from "../doubles/traffic.ts";
import { Topology } from "../doubles/topology.ts";
import { joinedPair, setUpTunnel, type TunnelEnd } from "../doubles/tunnel.ts";

const ALGORITHM = algorithm("gcm128");
const PLACEMENTS = ["packed", "isolated"] as const;

for (const placement of PLACEMENTS) {
  for (const udp of [false, true]) {
    Deno.test(`two daemons, each in its namespace, ${placement}, ${udp ? "in UDP" : "raw"}`, async () => {
      await using topology = new Topology();
      const { a, b } = await joinedPair(topology, async (netns) => ({
        a: await Daemon.start(topology, { placement, netns: netns.a }),
        b: await Daemon.start(topology, { placement, netns: netns.b }),
      }));
      await setUpTunnel(topology, { ifname: "vti1", key: 7, algorithm: ALGORITHM, udp }, a, b);
      await ping(topology, a.netns, "10.9.0.2");
      await ping(topology, b.netns, "2001:db8:9::1", 9000);
      assert.ok(await iperfTcp(topology, b.netns, a.netns, "10.9.0.1") > 0);
      const [ofA, ofB] = await quietCounters(a, b, "vti1");
      assert.deepEqual(
        [ofA.rx.packets, ofA.rx.bytes, ofB.rx.packets, ofB.rx.bytes],
        [ofB.tx.packets, ofB.tx.bytes, ofA.tx.packets, ofA.tx.bytes],
      );
    });
  }
}

/** Tunnels from the hub to each of the two others. */
const TUNNELS_PER_SPOKE = 6;

for (const placement of PLACEMENTS) {
  Deno.test(`${2 * TUNNELS_PER_SPOKE} tunnels in three namespaces of one daemon, ${placement}`, async () => {
    await using topology = new Topology();
    const netns = { hub: "", left: "", right: "" };
    for (const label of ["hub", "left", "right"] as const) netns[label] = await topology.addNetns(label);
    const daemon = await Daemon.start(topology, { placement });
    const inner: string[] = [];
    for (const [index, spoke] of (["left", "right"] as const).entries()) {
      // A tunnel is named by its two ends, so each has outer addresses of its own.
      const outer = (side: number) =>
        Array.from({ length: TUNNELS_PER_SPOKE }, (_, i) => `198.51.${100 + index}.${side + i}/24`);
      await topology.veth(
        { netns: netns.hub, ifname: spoke, addresses: outer(1) },
        { netns: netns[spoke], ifname: "wire", addresses: outer(101) },
      );
      const bare = (address: string) => address.split("/")[0]!;
      for (let i = 0; i < TUNNELS_PER_SPOKE; i++) {
        const number = index * TUNNELS_PER_SPOKE + i;
        const end = (which: "hub" | typeof spoke, side: number, host: number): TunnelEnd => ({
          daemon,
          netns: netns[which],
          outer: bare(outer(side)[i]!),
          inner: [`10.9.${number}.${host}/30`],
          spi: 0x1000 * host + number,
        });
        const setup = { ifname: `vti${number}`, key: number + 1, algorithm: ALGORITHM, udp: i % 2 === 1 };
        await setUpTunnel(topology, setup, end("hub", 1, 1), end(spoke, 101, 2));
        inner.push(`10.9.${number}.2`);
      }
    }
    await Promise.all(inner.map((address) => ping(topology, netns.hub, address, 1400)));
    for (let number = 0; number < inner.length; number++) {
      const { rx, tx } = (await daemon.link(netns.hub, `vti${number}`)).stats64;
      assert.deepEqual([rx.packets, tx.packets, rx.errors, tx.errors], [1, 1, 0, 0], `vti${number}`);
    }
    const { body } = await daemon.http("GET", `/v1/netns/${netns.hub}/links`);
    assert.equal(
      (body as { ifname: string }[]).filter(({ ifname }) => /^vti\d/.test(ifname)).length,
      inner.length,
    );
  });
}

for (const placement of PLACEMENTS) {
  Deno.test(`SIGTERM leaves the devices for the next daemon, stop --remove leaves nothing, ${placement}`, async () => {
    await using topology = new Topology();
    let before: string[] = [];
    const { a, b } = await joinedPair(topology, async (netns) => {
      before = await Promise.all([netns.a, netns.b].map((name) => linkNames(topology, name)));
      const daemon = await Daemon.start(topology, { placement });
      return { a: daemon, b: daemon };
    });
    const names = () => Promise.all([a.netns, b.netns].map((name) => linkNames(topology, name)));
    await setUpTunnel(topology, { ifname: "vti1", key: 7, algorithm: ALGORITHM, udp: true }, a, b);
    await ping(topology, a.netns, "10.9.0.2");
    const during = await names();
    assert.match(during[0]!, /vti1/);

    const { code, signal } = await a.daemon.stop("SIGTERM");
    assert.deepEqual([code, signal], [0, null], a.daemon.process.output);
    assert.deepEqual(await names(), during);
    await assertNoSockets(topology, [a.netns, b.netns]);
    for (const name of ["api.sock", "pid", "token"]) {
      await assert.rejects(Deno.stat(`${a.daemon.runDir}/${name}`), Deno.errors.NotFound);
    }

    // Without a client everything is back, to the packet.
    const next = await Daemon.start(topology, { placement, runDir: a.daemon.runDir });
    await ping(topology, a.netns, "10.9.0.2");
    const { rx, tx } = (await next.link(a.netns, "vti1")).stats64;
    assert.deepEqual([rx.packets, tx.packets, rx.errors, tx.errors], [2, 2, 0, 0]);

    await next.remove();
    assert.deepEqual(await names(), before);
    await assertNoSockets(topology, [a.netns, b.netns]);
    await assert.rejects(Deno.stat(`${a.daemon.runDir}/state/state.db`), Deno.errors.NotFound);
  });
}

async function assertNoSockets(topology: Topology, namespaces: readonly string[]): Promise<void> {
  for (const name of namespaces) {
    const sockets = await topology.must(name, ["cat", "/proc/net/raw", "/proc/net/udp"]);
    assert.doesNotMatch(sockets, /^\s*\d+:/m, "a socket of the daemon is still open");
  }
}

/** The names of a namespace's devices, one a line. */
async function linkNames(topology: Topology, netns: string): Promise<string> {
  const links = JSON.parse(await topology.must(netns, ["ip", "-j", "link"])) as { ifname: string }[];
  return links.map(({ ifname }) => ifname).sort().join("\n");
}
