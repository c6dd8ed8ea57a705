/**
 * The daemon is killed at random moments under full load in both directions and started again: without a client everything
 * is back, no sequence number comes twice, the peer accepts what follows, and nothing that was taken is taken again.
 */
import assert from "node:assert/strict";
import { algorithm } from "../doubles/algorithms.ts";
import { Capture } from "../doubles/capture.ts";
import { Daemon, type Placement } from "../doubles/daemon.ts";
import { startFullLoad } from "../doubles/full_load.ts";
import { readFrames, sendFrames } from "../doubles/replayer.ts";
import { SequenceWatch } from "../doubles/sequence_watch.ts";
import { Topology } from "../doubles/topology.ts";
import { joinedPair, setUpTunnel, type TunnelEnd } from "../doubles/tunnel.ts";
import { ping } from "../doubles/traffic.ts";

/** Kills; the environment may ask for more. */
const ROUNDS = Number(Deno.env.get("VTI_KILL_ROUNDS") ?? 5);
/** Milliseconds between a start and the next kill. */
const LOAD_TIME = { least: 300, most: 1200 };
/** From the start of the daemon to the first packet that passes, milliseconds: the median of all rounds, with other tests about. */
const BACK_WITHIN = 4000;
const PING_INTERVAL = "0.02";
/** Replayed packets: the last that were taken, so that they lie within the window. */
const REPLAYED = 100;
/** While there is no daemon the host has no use for what arrives: ICMP unreachable, with what was encrypted quoted. */
const UNREACHABLE = /^.{24}0800.{18}01.{20}030[23].{12}45.{16}(?:32|11)/;

for (const placement of ["packed", "isolated"] as const satisfies readonly Placement[]) {
  for (const udp of [false, true]) {
    Deno.test(`${ROUNDS} times SIGKILL under load, ${placement}, ${udp ? "in UDP" : "raw"}`, async () => {
      await using topology = new Topology();
      const { a, b } = await joinedPair(topology, async () => ({
        a: await Daemon.start(topology, { placement }),
        b: await Daemon.start(topology, { placement }),
      }));
      await setUpTunnel(topology, { ifname: "vti1", key: 7, algorithm: algorithm("gcm128"), udp }, a, b);
      // Super-packets of UDP would show one ESP header for many, and a check sum left out can't be sent again.
      for (const { netns } of [a, b]) {
        await topology.must(netns, ["ethtool", "-K", "wire", "tx-udp-segmentation", "off", "tx", "off"]);
      }
      const watch = await SequenceWatch.start(topology, a.netns, "wire", udp ? 4500 : null);
      const load = await startFullLoad(topology, a, b);
      const back: number[] = [];
      let daemon = a.daemon;
      for (let round = 0; round < ROUNDS; round++) {
        await sleep(LOAD_TIME.least + Math.random() * (LOAD_TIME.most - LOAD_TIME.least));
        await daemon.stop("SIGKILL");
        const devices = await topology.must(a.netns, ["ip", "-br", "address", "show", "dev", "vti1"]);
        assert.match(devices, /10\.9\.0\.1.* 2001:db8:9::1/, "the device has lost its addresses");
        const started = performance.now();
        const answered = firstAnswer(topology, a);
        daemon = await Daemon.start(topology, { placement, runDir: a.daemon.runDir });
        back.push(await answered - started);
      }
      const { stream } = load;
      assert.ok(!stream.ended, `the connection has ended: ${stream.output.slice(-500)}`);
      await load.stop();
      await ping(topology, a.netns, "2001:db8:9::2");
      await watch.stop();
      const clear = watch.others.filter((frame) => !UNREACHABLE.test(frame));
      assert.deepEqual(clear.map((frame) => frame.slice(0, 80)), [], "something left in clear");
      assert.ok(watch.packets > 1000 * ROUNDS, `only ${watch.packets} packets`);
      assert.equal(watch.twice, 0, "a sequence number was sent twice");

      // The peer has accepted everything, and so has the one that was killed.
      for (const end of [{ ...a, daemon }, b]) {
        const { XfrmInStateSeqError, XfrmInStateProtoError } = await end.daemon.xfrmStat(end.netns);
        assert.deepEqual([XfrmInStateSeqError, XfrmInStateProtoError], [0, 0]);
      }
      // What was taken before a kill is not taken after it.
      const inwards = await answersOf(topology, a, b, REPLAYED);
      await daemon.stop("SIGKILL");
      daemon = await Daemon.start(topology, { placement, runDir: a.daemon.runDir });
      const before = (await daemon.link(a.netns, "vti1")).stats64.rx;
      await sendFrames(topology, b.netns, "wire", inwards);
      await ping(topology, a.netns, "10.9.0.2");
      const after = (await daemon.link(a.netns, "vti1")).stats64.rx;
      assert.deepEqual([after.packets - before.packets, after.errors - before.errors], [1, inwards.length]);
      await daemon.stop();

      const median = back.toSorted((x, y) => x - y)[Math.floor(back.length / 2)]!;
      const times = back.map((ms) => (ms / 1000).toFixed(2)).join(" ");
      console.log(`${watch.packets} packets; traffic back after ${times} s, median ${median.toFixed(0)} ms`);
      assert.ok(median < BACK_WITHIN, `the median is ${median.toFixed(0)} ms`);
    });
  }
}

/** When an echo is answered that was asked for from now on. */
async function firstAnswer(topology: Topology, from: TunnelEnd): Promise<number> {
  const pinging = await topology.spawn(from.netns, ["ping", "-n", "-i", PING_INTERVAL, "10.9.0.2"]);
  await pinging.printed(/bytes from/, 20_000);
  const now = performance.now();
  await pinging.stop("SIGINT");
  return now;
}

/** The ESP packets to `a` that answer as many echoes, and what else came meanwhile, as frames that can be sent again. */
async function answersOf(topology: Topology, a: TunnelEnd, b: TunnelEnd, count: number): Promise<string[]> {
  const wire = await Capture.start(topology, b.netns, "wire", `src host ${b.outer}`);
  await topology.must(a.netns, ["ping", "-n", "-q", "-i", "0.002", "-c", `${count}`, "10.9.0.2"]);
  await wire.holds(count);
  await wire.stop();
  const frames = await readFrames(wire.path);
  assert.ok(frames.length >= count, `${frames.length} frames`);
  return frames;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
