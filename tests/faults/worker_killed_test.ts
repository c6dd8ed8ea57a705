/**
 * A worker throws, or hangs, while traffic runs: the traffic is back within two seconds, and no sequence number is
 * used twice with one key.
 */
import assert from "node:assert/strict";
import { algorithm } from "../doubles/algorithms.ts";
import { Capture, readPackets } from "../doubles/capture.ts";
import { Daemon } from "../doubles/daemon.ts";
import { Topology } from "../doubles/topology.ts";
import { joinedPair, setUpTunnel } from "../doubles/tunnel.ts";

/** Faults that the test's daemon can be told: one worker throws, one worker never returns. */
const FAULTS = { throws: "SIGUSR1", hangs: "SIGUSR2" } as const;
/** Seconds: how long the pings go on, and the longest pause that is allowed in their answers. */
const PING_SECONDS = 6;
const LONGEST_PAUSE = 2;
const PING_INTERVAL = 0.01;

for (const placement of ["packed", "isolated"] as const) {
  for (const [fault, signal] of Object.entries(FAULTS)) {
    for (const udp of [false, true]) {
      Deno.test(`a worker ${fault}, ${placement}, ${udp ? "in UDP" : "raw"}`, async () => {
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
        const wire = await Capture.start(topology, a.netns, "wire", udp ? "udp port 4500" : "ip proto 50");
        // A stream beside the pings, so that batches are under way when the fault comes.
        const server = await topology.spawn(b.netns, ["iperf3", "-s", "-1", "--forceflush"]);
        await server.printed(/listening/);
        const stream = ["iperf3", "-c", "10.9.0.2", "-t", `${PING_SECONDS - 1}`, "-b", "20M"];
        const client = await topology.spawn(a.netns, stream);
        const pinging = await topology.spawn(a.netns, [
          ...["ping", "-D", "-n", "-i", `${PING_INTERVAL}`, "-w", `${PING_SECONDS}`, "10.9.0.2"],
        ]);
        await pinging.printed(/icmp_seq=50 /);

        Deno.kill(a.daemon.process.pid, signal);
        await pinging.status;
        await client.stop();
        await wire.stop();

        const times = [...pinging.output.matchAll(/^\[(\d+\.\d+)\] \d+ bytes from/gm)].map(([, time]) =>
          Number(time)
        );
        const pauses = times.slice(1).map((time, i) => time - times[i]!);
        const last = times.at(-1)! - times[0]!;
        assert.ok(Math.max(...pauses) < LONGEST_PAUSE, `no answer for ${Math.max(...pauses).toFixed(2)} s`);
        assert.ok(last > PING_SECONDS - 1, `the last answer came after ${last.toFixed(2)} s`);
        assert.equal(await restarts(a.daemon), 1, "the fault hit no worker");
        const numbers = (await readPackets(wire.path)).map((packet) => spiAndSeq(packet, udp));
        assert.ok(numbers.length > 2 * times.length);
        assert.equal(new Set(numbers).size, numbers.length, "a sequence number was sent twice");
      });
    }
  }
}

/** SPI and sequence number of an outer packet in hex: behind 20 bytes of IPv4 and 8 of UDP. */
function spiAndSeq(packet: string, udp: boolean): string {
  const at = 2 * (20 + (udp ? 8 : 0));
  return packet.slice(at, at + 16);
}

/** How many workers the daemon has replaced, by its own account. */
async function restarts(daemon: Daemon): Promise<number> {
  const { body } = await daemon.http("GET", "/readyz");
  return (body as { workers: { restarts: number }[] }).workers.reduce(
    (sum, worker) => sum + worker.restarts,
    0,
  );
}
