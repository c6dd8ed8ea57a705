/** The system's clock is set a year ahead, then back, while traffic runs: no SA ends early, none stays, none is stale. */
import assert from "node:assert/strict";
import type { XfrmStateInfo } from "../../actors/gateway.ts";
import { algorithm } from "../doubles/algorithms.ts";
import { Daemon } from "../doubles/daemon.ts";
import { eventually } from "../doubles/eventually.ts";
import { must, Topology } from "../doubles/topology.ts";
import { ping } from "../doubles/traffic.ts";
import { joinedPair, setUpTunnel, stateWords, type TunnelEnd, type TunnelSetup } from "../doubles/tunnel.ts";

const YEAR = 365 * 86400;
const SETUP: TunnelSetup = {
  ifname: "vti1",
  key: 7,
  algorithm: algorithm("gcm128"),
  udp: false,
  stateWords: "replay-window 128 limit time-hard 3600 limit time-use-soft 3000",
};

/** A clock that a test sets, for the daemon alone: libfaketime, which leaves CLOCK_BOOTTIME as it is. */
async function settableClock(topology: Topology) {
  const files = await must(["dpkg", "-L", "libfaketime"]);
  const file = `${await topology.directory()}/offset`;
  const set = (seconds: number) => Deno.writeTextFileSync(file, seconds < 0 ? `${seconds}` : `+${seconds}`);
  set(0);
  const env = {
    LD_PRELOAD: /.*libfaketime\.so\.1$/m.exec(files)![0],
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
  };
  return { env, set };
}

async function states(daemon: Daemon, netns: string): Promise<XfrmStateInfo[]> {
  const { body } = await daemon.http("GET", `/v1/netns/${netns}/xfrm/states`);
  return body as XfrmStateInfo[];
}

/** Packets of the SA that arrives at `to`, as its sender counts them. */
async function sent({ daemon, netns }: TunnelEnd, spi: number): Promise<number> {
  return (await states(daemon, netns)).find((state) => state.spi === spi)!.lifetime.packets;
}

Deno.test("a clock that is set a year ahead or back ends no SA before its time, and lets none live on", async () => {
  await using topology = new Topology();
  const clock = await settableClock(topology);
  const runDir = await topology.directory();
  const start = () => Daemon.start(topology, { placement: "packed", runDir, env: clock.env });
  const { a, b } = await joinedPair(topology, async () => {
    const daemon = await start();
    return { a: daemon, b: daemon };
  });
  await setUpTunnel(topology, SETUP, a, b);
  await ping(topology, a.netns, "10.9.0.2");
  let { daemon } = a;
  let spi = b.spi;
  for (const jump of [YEAR, -YEAR]) {
    clock.set(jump);
    // What lives for two seconds goes, and only that.
    await daemon.ip(
      a.netns,
      `xfrm state add src ${a.outer} dst ${b.outer} proto esp spi 0x9000 mode tunnel mark 9 ${SETUP.algorithm.words} ` +
        "limit time-hard 2",
    );
    const short = (await states(daemon, a.netns)).find((state) => state.spi === 0x9000)!;
    assert.ok(
      Math.abs(short.lifetime.add_time - Date.now() / 1000 - jump) < 60,
      "added by the clock as it is",
    );
    await eventually(async () =>
      assert.ok((await states(daemon, a.netns)).every((state) => state.spi !== 0x9000))
    );
    await ping(topology, a.netns, "10.9.0.2");

    // Of two SAs the one that was added later carries the traffic, whatever the clock said when it was.
    const fresh = { ...b, spi: spi + 1 };
    for (const { netns } of [a, b]) await daemon.ip(netns, stateWords(SETUP, a, fresh));
    const before = await sent({ ...a, daemon }, spi);
    await ping(topology, a.netns, "10.9.0.2");
    assert.deepEqual(
      [await sent({ ...a, daemon }, fresh.spi), await sent({ ...a, daemon }, spi)],
      [1, before],
      "the older SA was used",
    );
    spi = fresh.spi;

    const listed = await states(daemon, a.netns);
    await daemon.stop("SIGKILL");
    daemon = await start();
    assert.deepEqual(await states(daemon, a.netns), listed);
    await ping(topology, a.netns, "10.9.0.2");
  }
  assert.equal((await states(daemon, a.netns)).length, 4);
  await daemon.stop();
});
