/**
 * A worker throws, or hangs, under full load in both directions: the traffic is back within seconds, and no sequence number
 * is used twice with one key.
 */
import assert from "node:assert/strict";
import { algorithm } from "../doubles/algorithms.ts";
import { Daemon } from "../doubles/daemon.ts";
import { eventually } from "../doubles/eventually.ts";
import { startFullLoad } from "../doubles/full_load.ts";
import { SequenceWatch } from "../doubles/sequence_watch.ts";
import { Topology } from "../doubles/topology.ts";
import { ping } from "../doubles/traffic.ts";
import { joinedPair, setUpTunnel } from "../doubles/tunnel.ts";

/** Faults that the test's daemon can be told: one worker throws, one worker never returns. */
const FAULTS = { throws: "SIGWINCH", hangs: "SIGUSR2" } as const;
/** Faults; the environment may ask for more. */
const ROUNDS = Number(Deno.env.get("VTI_KILL_ROUNDS") ?? 1);
/** Milliseconds between two of them: a worker that fails more often than five times in ten seconds is given up. */
const BETWEEN = 2100;
/** Seconds: the longest pause that is allowed in the answers of pings, with other tests about. */
const LONGEST_PAUSE = 4;
const PING_INTERVAL = 0.01;

for (const placement of ["packed", "isolated"] as const) {
  for (const [fault, signal] of Object.entries(FAULTS)) {
    for (const udp of [false, true]) {
      Deno.test(`${ROUNDS} times a worker ${fault}, ${placement}, ${udp ? "in UDP" : "raw"}`, async () => {
        await using topology = new Topology();
        const { a, b } = await joinedPair(topology, async () => {
          const daemon = await Daemon.start(topology, {
            placement,
            script: "tests/doubles/faulty_daemon.ts",
          });
          return { a: daemon, b: daemon };
        });
        await setUpTunnel(topology, { ifname: "vti1", key: 7, algorithm: algorithm("gcm128"), udp }, a, b);
        // Super-packets of UDP would show one ESP header for many.
        await topology.must(a.netns, ["ethtool", "-K", "wire", "tx-udp-segmentation", "off"]);
        await topology.must(b.netns, ["ethtool", "-K", "wire", "tx-udp-segmentation", "off"]);
        const watch = await SequenceWatch.start(topology, a.netns, "wire", udp ? 4500 : null);
        const load = await startFullLoad(topology, a, b);
        const pinging = await topology.spawn(a.netns, [
          ...["ping", "-D", "-n", "-i", `${PING_INTERVAL}`, "10.9.0.2"],
        ]);
        await pinging.printed(/icmp_seq=50 /);

        for (let round = 1; round <= ROUNDS; round++) {
          Deno.kill(a.daemon.process.pid, signal);
          await eventually(async () => assert.equal(await a.daemon.restarts(), round));
          await eventually(() => ping(topology, a.netns, "10.9.0.2"));
          if (round < ROUNDS) {
            await new Promise((resolve) => setTimeout(resolve, BETWEEN * (1 + Math.random())));
          }
        }
        await pinging.stop("SIGINT");
        assert.ok(!load.stream.ended, `the connection has ended: ${load.stream.output.slice(-500)}`);
        await load.stop();
        await watch.stop();

        const times = [...pinging.output.matchAll(/^\[(\d+\.\d+)\] \d+ bytes from/gm)].map(([, time]) =>
          Number(time)
        );
        const pauses = times.slice(1).map((time, i) => time - times[i]!).toSorted((x, y) => y - x);
        const longest = pauses.slice(0, ROUNDS).map((pause) => pause.toFixed(2));
        console.log(`${watch.packets} packets; longest pauses ${longest.join(" ")} s`);
        assert.ok(pauses[0]! < LONGEST_PAUSE, `no answer for ${pauses[0]!.toFixed(2)} s`);
        assert.ok(watch.packets > 1000 * ROUNDS, `only ${watch.packets} packets`);
        assert.equal(watch.twice, 0, "a sequence number was sent twice");
      });
    }
  }
}
