/**
 * What a hostile or broken peer may send: each packet counts where the kernel counts it, and nowhere else, and what
 * comes after it is forwarded. The expected counters are those of a Linux 6.1 kernel given the same packets.
 */
import assert from "node:assert/strict";
import { algorithm } from "../doubles/algorithms.ts";
import {
  type Config,
  JudgedGateway,
  KEY,
  SPI_IN,
  SPI_OUT,
  workingConfig,
} from "../doubles/judged_gateway.ts";
import { Topology } from "../doubles/topology.ts";

const ALGORITHM = algorithm("gcm128");
const WORKING = workingConfig(ALGORITHM, false);
/** Protocol numbers. */
const IPIP = 4, ICMP = 1, IPV6 = 41, NO_NEXT_HEADER = 59, AH = 51, COMP = 108;

/** Counters that `count` packets refused by an SA of the tunnel leave. */
const refused = (mib: string, drop: string, count = 1) => ({
  [mib]: count,
  rxErrors: count,
  rxDropped: count,
  [`drop ${drop}`]: count,
});
/** A good echo, there and back. */
const answered = (count = 1) => ({ rxPackets: count, txPackets: count });

interface Case {
  readonly name: string;
  /** What of the configuration differs while the packets are sent. */
  readonly config?: Partial<Config>;
  readonly send: (gateway: JudgedGateway) => Promise<void>;
  readonly counts: Readonly<Record<string, number>>;
}

const flip = (hex: string, byte: number): string => {
  const bytes = Uint8Array.fromHex(hex);
  bytes[byte]! ^= 0x40;
  return bytes.toHex();
};
const good = async (g: JudgedGateway) => await g.seal(await g.request());
/** Length of the ESP packet of an 84-byte echo: header 8, IV 8, text 88, ICV 16. */
const ESP_LENGTH = 120;
const RANDOM_PACKETS = 500;

// deno-fmt-ignore
const CASES: readonly Case[] = [
  {
    name: "cut off at every length",
    send: async (g) => {
      const esp = await good(g);
      assert.equal(esp.length, 2 * ESP_LENGTH);
      await g.send(Array.from({ length: ESP_LENGTH }, (_, length) => esp.slice(0, 2 * length)));
    },
    counts: {
      XfrmInHdrError: 8, "drop InHdrError": 8,
      XfrmInStateProtoError: ESP_LENGTH - 8, "drop InStateProtoError": ESP_LENGTH - 8,
      rxErrors: ESP_LENGTH, rxDropped: ESP_LENGTH,
    },
  },
  {
    name: "one bit wrong at every byte",
    send: async (g) => {
      const esp = await good(g);
      await g.send(Array.from({ length: ESP_LENGTH }, (_, byte) => flip(esp, byte)));
    },
    counts: {
      XfrmInNoStates: 4, "drop InNoStates": 4,
      XfrmInStateProtoError: ESP_LENGTH - 4, "drop InStateProtoError": ESP_LENGTH - 4,
      rxErrors: ESP_LENGTH, rxDropped: ESP_LENGTH,
    },
  },
  {
    name: "unknown SPI",
    send: async (g) => g.send([`0000beef${(await good(g)).slice(8)}`]),
    counts: refused("XfrmInNoStates", "InNoStates"),
  },
  {
    name: "SPI 0",
    send: async (g) => g.send([`00000000${(await good(g)).slice(8)}`]),
    counts: refused("XfrmInNoStates", "InNoStates"),
  },
  {
    name: "another key",
    send: async (g) => g.send([await g.seal(await g.request(), {}, "otherKey")]),
    counts: refused("XfrmInStateProtoError", "InStateProtoError"),
  },
  {
    name: "replayed",
    send: (g) => g.send([g.lastGood]),
    counts: refused("XfrmInStateSeqError", "InStateSeqError"),
  },
  {
    name: "older than the window",
    send: async (g) => {
      const old = await good(g);
      g.seq += 100;
      await g.fence();
      await g.send([old]);
    },
    counts: { ...refused("XfrmInStateSeqError", "InStateSeqError"), ...answered() },
  },
  {
    name: "late but inside the window",
    send: async (g) => {
      const late = await good(g);
      g.seq += 20;
      await g.fence();
      await g.send([late]);
      await g.judge.receive(50);
    },
    counts: answered(2),
  },
  {
    name: "sequence number 0",
    send: async (g) => g.send([await g.judge.seal("in", await g.request(), 0)]),
    counts: refused("XfrmInStateSeqError", "InStateSeqError"),
  },
  {
    name: "next header ICMP, as of transport mode",
    send: async (g) => g.send([await g.seal((await g.request()).slice(40), { nh: ICMP })]),
    counts: refused("XfrmInStateModeError", "InStateModeError"),
  },
  {
    name: "next header 59: a dummy packet",
    send: async (g) => g.send([await g.seal(await g.request(), { nh: NO_NEXT_HEADER })]),
    counts: refused("XfrmInStateProtoError", "InStateProtoError"),
  },
  {
    name: "inner packet shorter than an IPv4 header",
    send: async (g) => g.send([await g.seal("4500001400000000", { nh: IPIP })]),
    counts: refused("XfrmInStateModeError", "InStateModeError"),
  },
  {
    name: "inner packet shorter than an IPv6 header",
    send: async (g) => g.send([await g.seal("60".padEnd(40, "0"), { nh: IPV6 })]),
    counts: refused("XfrmInStateModeError", "InStateModeError"),
  },
  {
    name: "pad length longer than the payload",
    send: async (g) => g.send([await g.seal(await g.request(), { padlen: 255 })]),
    counts: refused("XfrmInStateProtoError", "InStateProtoError"),
  },
  {
    name: "state in transport mode",
    config: { stateIn: WORKING.stateIn.replace("mode tunnel", "mode transport").replace("flag af-unspec", "") },
    send: async (g) => g.send([await good(g)]),
    counts: refused("XfrmInStateModeError", "InStateModeError"),
  },
  {
    name: "no inbound policy",
    config: { policyIn: null },
    send: async (g) => g.send([await good(g)]),
    counts: refused("XfrmInNoPols", "InNoPols"),
  },
  {
    name: "inbound policy with another mark",
    config: { policyIn: WORKING.policyIn!.replace(`mark ${KEY}`, "mark 8") },
    send: async (g) => g.send([await good(g)]),
    counts: refused("XfrmInNoPols", "InNoPols"),
  },
  {
    name: "inbound policy blocks",
    config: { policyIn: `xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dir in mark ${KEY} action block` },
    send: async (g) => g.send([await good(g)]),
    counts: refused("XfrmInPolBlock", "InPolBlock"),
  },
  {
    name: "inbound policy asks for another reqid",
    config: { policyIn: `${WORKING.policyIn} reqid 77` },
    send: async (g) => g.send([await good(g)]),
    counts: refused("XfrmInTmplMismatch", "InTmplMismatch"),
  },
  {
    name: "inbound policy without mark catches the outer packet itself",
    config: { policyIn: WORKING.policyIn!.replace(`mark ${KEY}`, "") },
    send: async (g) => g.send([await good(g)]),
    counts: { XfrmInTmplMismatch: 1, "drop InOuterTmplMismatch": 1 },
  },
  {
    name: "state with another mark",
    config: { stateIn: WORKING.stateIn.replace(`mark ${KEY}`, "mark 8") },
    send: async (g) => g.send([await good(g)]),
    counts: refused("XfrmInNoStates", "InNoStates"),
  },
  {
    name: "state without mark serves the tunnel",
    config: { stateIn: WORKING.stateIn.replace(`mark ${KEY}`, "") },
    send: (g) => g.fence(),
    counts: answered(),
  },
  {
    name: "state whose selector does not fit the inner packet",
    config: { stateIn: `${WORKING.stateIn.replace("flag af-unspec", "")} sel src 10.77.0.0/16 dst 0.0.0.0/0` },
    send: async (g) => g.send([await good(g)]),
    counts: refused("XfrmInStateMismatch", "InStateMismatch"),
  },
  {
    name: "state wants UDP, packet is bare ESP",
    config: { stateIn: workingConfig(ALGORITHM, true).stateIn },
    send: async (g) => g.send([await good(g)]),
    counts: refused("XfrmInStateMismatch", "InStateMismatch"),
  },
  {
    name: "state is bare ESP, packet comes in UDP",
    config: { stateOut: workingConfig(ALGORITHM, true).stateOut },
    send: async (g) => g.send([await good(g)], { udp: [4500, 4500] }),
    counts: refused("XfrmInStateMismatch", "InStateMismatch"),
  },
  {
    name: "in UDP from another port",
    config: { stateIn: workingConfig(ALGORITHM, true).stateIn },
    send: async (g) => {
      await g.send([await good(g)], { udp: [5555, 4500] });
      assert.ok(await g.judge.receive(50));
    },
    counts: answered(),
  },
  {
    name: "keepalive and non-ESP marker in UDP count nothing",
    config: { stateIn: workingConfig(ALGORITHM, true).stateIn },
    send: async (g) => {
      await g.send(["ff", "00000000".padEnd(64, "1"), "00001001000000"], { udp: [4500, 4500] });
      await g.send([await good(g)], { udp: [4500, 4500] });
      assert.ok(await g.judge.receive(50));
    },
    counts: answered(),
  },
  {
    name: "hard packet limit of 1, two packets",
    config: { stateIn: `${WORKING.stateIn} limit packet-hard 1` },
    send: async (g) => {
      await g.fence();
      await g.send([await good(g)]);
    },
    counts: { ...refused("XfrmInStateExpired", "InStateExpired"), ...answered() },
  },
  {
    name: "outer source is not the remote",
    send: async (g) => g.send([await good(g)], { src: "192.0.2.99" }),
    counts: { XfrmInNoStates: 1 },
  },
  {
    name: "IPIP without encryption",
    send: async (g) => g.send([await g.request()], { proto: IPIP }),
    counts: refused("XfrmInNoStates", "InBareIpip"),
  },
  {
    name: "IPIP shorter than an IP header",
    send: async (g) => {
      await g.send(["45".padEnd(38, "0")], { proto: IPIP });
      await g.send([await good(g)]);
      assert.ok(await g.judge.receive(50));
    },
    counts: answered(),
  },
  {
    name: "ESP payload sent as AH",
    send: async (g) => g.send([await good(g)], { proto: AH }),
    counts: refused("XfrmInNoStates", "InNoStates"),
  },
  {
    name: "IPComp that no state wants",
    send: async (g) => g.send([await good(g)], { proto: COMP }),
    counts: refused("XfrmInNoStates", "InNoStates"),
  },
  {
    name: "noise with the right SPI",
    send: async (g) => {
      const spi = SPI_IN.toString(16).padStart(8, "0");
      const noise = () => crypto.getRandomValues(new Uint8Array(8 + Math.floor(Math.random() * 1400)));
      // Ahead of the window, so that only the ICV can be wrong.
      await g.send(Array.from({ length: RANDOM_PACKETS }, () => `${spi}7fffff00${noise().toHex()}`));
    },
    counts: refused("XfrmInStateProtoError", "InStateProtoError", RANDOM_PACKETS),
  },
];

/** What has changed; waits for it to be what is expected, at most three seconds. */
async function changes(g: JudgedGateway, before: Record<string, number>, expected: Record<string, number>) {
  const deadline = Date.now() + 3000;
  while (true) {
    const now = await g.counters();
    const changed = Object.fromEntries(
      Object.entries(now).map(([name, value]) => [name, value - (before[name] ?? 0)] as const)
        .filter(([, difference]) => difference !== 0),
    );
    const sum = (record: Record<string, number>) => Object.values(record).reduce((x, y) => x + y, 0);
    if (sum(changed) >= sum(expected) || Date.now() > deadline) return changed;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

for (const placement of ["packed", "isolated"] as const) {
  Deno.test(`each kind of bad packet counts exactly its counter, ${placement}`, async (t) => {
    await using topology = new Topology();
    await using gateway = await JudgedGateway.start(topology, { placement });
    await gateway.judge.sa("in", SPI_IN, ALGORITHM);
    await gateway.judge.sa("out", SPI_OUT, ALGORITHM);
    await gateway.judge.sa("otherKey", SPI_IN, { ...ALGORITHM, encKey: "00".repeat(20) });
    await gateway.configure(WORKING);
    await gateway.fence();
    for (const { name, config, send, counts } of CASES) {
      await t.step(name, async () => {
        if (config) await gateway.configure({ ...WORKING, ...config });
        const before = await gateway.counters();
        await send(gateway);
        assert.deepEqual(await changes(gateway, before, counts), counts);
        if (config) await gateway.configure(WORKING);
        await gateway.fence();
        assert.deepEqual(
          await changes(gateway, before, sumOf(counts, answered())),
          sumOf(counts, answered()),
        );
      });
    }
  });
}

function sumOf(
  x: Readonly<Record<string, number>>,
  y: Readonly<Record<string, number>>,
): Record<string, number> {
  const names = new Set([...Object.keys(x), ...Object.keys(y)]);
  return Object.fromEntries([...names].map((name) => [name, (x[name] ?? 0) + (y[name] ?? 0)]));
}
