/** tshark with the keys reads the wire: it finds exactly the packets that went through the devices, byte for byte. */
import assert from "node:assert/strict";
import { ALGORITHMS, MORE_ALGORITHMS } from "../doubles/algorithms.ts";
import { Capture, espFrames, type KnownSa, readPackets } from "../doubles/capture.ts";
import { Daemon } from "../doubles/daemon.ts";
import { ping } from "../doubles/traffic.ts";
import { Topology } from "../doubles/topology.ts";
import { joinedPair, setUpTunnel, stateWords } from "../doubles/tunnel.ts";

const SIZES = [0, 1, 2, 3, 15, 16, 17, 100, 1300];

Deno.test("tshark decrypts exactly what went through the tunnel", async (t) => {
  await using topology = new Topology();
  const { a, b } = await joinedPair(topology, async () => {
    const daemon = await Daemon.start(topology, { placement: "isolated" });
    return { a: daemon, b: daemon };
  });
  const setup = { ifname: "vti1", key: 7, algorithm: ALGORITHMS[0]!, udp: false };
  await setUpTunnel(topology, setup, a, b);
  for (const algorithm of [...ALGORITHMS, ...MORE_ALGORITHMS].filter(({ tshark }) => tshark !== null)) {
    for (const udp of ALGORITHMS.includes(algorithm) ? [false, true] : [false]) {
      await t.step(`${algorithm.name}${udp ? " in UDP" : ""}`, async () => {
        for (const { daemon, netns } of [a, b]) {
          await daemon.ip(netns, "xfrm state flush");
          for (const [from, to] of [[a, b], [b, a]] as const) {
            await daemon.ip(netns, stateWords({ ...setup, algorithm, udp }, from, to));
          }
        }
        const carried = async () => {
          const { rx, tx } = (await a.daemon.link(a.netns, "vti1")).stats64;
          return rx.packets + tx.packets;
        };
        const before = await carried();
        const wire = await Capture.start(topology, a.netns, "wire", udp ? "udp port 4500" : "ip proto 50");
        const device = await Capture.start(topology, a.netns, "vti1");
        for (const size of SIZES) {
          await ping(topology, a.netns, "10.9.0.2", size);
          await ping(topology, b.netns, "2001:db8:9::1", size);
        }
        const count = await carried() - before;
        for (const capture of [wire, device]) {
          await capture.holds(count);
          await capture.stop();
        }

        const sa = (from: typeof a, to: typeof a): KnownSa => ({
          src: from.outer,
          dst: to.outer,
          spi: to.spi,
          algorithm,
        });
        const frames = await espFrames(wire.path, [sa(a, b), sa(b, a)]);
        const inner = await readPackets(device.path);
        assert.equal(inner.length, count);
        assert.ok(count >= 4 * SIZES.length);
        assert.deepEqual(frames.map((frame) => frame.inner).sort(), inner.sort());
        assert.ok(frames.every(({ icvGood }) => icvGood), "tshark finds a wrong ICV");
        for (const spi of [a.spi, b.spi]) {
          const numbers = frames.filter((frame) => frame.spi === spi).map(({ seq }) => seq);
          assert.deepEqual(numbers, numbers.map((_, i) => numbers[0]! + i), "sequence numbers rise by one");
        }
      });
    }
  }
});
