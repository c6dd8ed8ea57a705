/** scapy as the peer: the gateway opens what scapy seals, scapy opens what the gateway seals, for every algorithm. */
import assert from "node:assert/strict";
import { ALGORITHMS, MORE_ALGORITHMS } from "../doubles/algorithms.ts";
import {
  GATEWAY,
  JudgedGateway,
  KEY,
  PEER,
  SPI_IN,
  SPI_OUT,
  workingConfig,
} from "../doubles/judged_gateway.ts";
import { Topology } from "../doubles/topology.ts";
import { policyWords } from "../doubles/tunnel.ts";

const ESP = 50, UDP = 17;
const IPIP = 4, IPV6 = 41;
const FAMILIES = [
  { src: "10.9.0.1", dst: "10.9.0.2", nh: IPIP },
  { src: "2001:db8:9::1", dst: "2001:db8:9::2", nh: IPV6 },
] as const;
/** Bytes of echo data: every length of padding, and the longest that all algorithms let through unfragmented. */
const LENGTHS = [...Array.from({ length: 17 }, (_, i) => i), 1300];

/** scapy does extended sequence numbers for AEADs only. */
const variants = [
  ...ALGORITHMS.flatMap((algorithm) => [
    { algorithm, udp: false, esn: false },
    { algorithm, udp: true, esn: false },
    ...(algorithm.scapy?.auth === undefined ? [{ algorithm, udp: false, esn: true }] : []),
  ]),
  ...MORE_ALGORITHMS.map((algorithm) => ({ algorithm, udp: false, esn: false })),
].filter(({ algorithm }) => algorithm.scapy !== null);

Deno.test("scapy and the gateway understand each other", async (t) => {
  await using topology = new Topology();
  await using gateway = await JudgedGateway.start(topology, { placement: "packed" });
  const { judge } = gateway;
  for (const { algorithm, udp, esn } of variants) {
    await t.step(`${algorithm.name}${udp ? " in UDP" : ""}${esn ? " with ESN" : ""}`, async () => {
      await judge.sa("in", SPI_IN, algorithm, esn);
      await judge.sa("out", SPI_OUT, algorithm, esn);
      const config = workingConfig(algorithm, udp, esn ? "replay-window 64 flag esn" : undefined);
      await gateway.configure({
        ...config,
        stateOut: esn ? `${config.stateOut} flag esn replay-window 64` : config.stateOut,
      });
      for (const [dir, from, to] of [["in", PEER, GATEWAY], ["out", GATEWAY, PEER]] as const) {
        await gateway.daemon.ip(gateway.netns, policyWords(KEY, dir, "::/0", from, to));
      }
      let seq = 0;
      for (const { src, dst, nh } of FAMILIES) {
        for (const length of LENGTHS) {
          const request = await judge.echo(src, dst, 7, ++seq, length);
          const esp = await judge.seal("in", request, seq, { nh });
          await gateway.send([esp], udp ? { udp: [4500, 4500] } : {});
          const outer = await judge.receive(udp ? UDP : ESP);
          assert.ok(outer, `no answer to ${length} bytes from ${src}`);
          assert.deepEqual([outer.src, outer.dst, outer.ttl, outer.udp], [
            GATEWAY,
            PEER,
            64,
            udp ? [4500, 4500] : null,
          ]);
          const opened = await judge.open("out", outer.payload);
          assert.deepEqual([opened.seq, opened.nh], [seq, nh]);
          const inner = await judge.read(opened.data);
          assert.deepEqual([inner.src, inner.dst, inner.length], [dst, src, request.length / 2]);
          assert.deepEqual(inner.reply, { id: 7, seq, data: request.slice(request.length - 2 * length) });
        }
      }
    });
  }
});
