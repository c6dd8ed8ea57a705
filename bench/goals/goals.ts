/** What the gateway must reach, as a ratio to others wherever there is one: ratios hold from machine to machine. */
import { BARE, GATEWAYS, PEERS } from "./measurement.ts";
import { median } from "./statistics.ts";

/** By contender and figure: one value a round. */
export type Samples = Readonly<Record<string, Readonly<Record<string, readonly number[]>>>>;

export interface Goal {
  readonly what: string;
  readonly of: string;
  readonly figure: string;
  /** The figure is divided by the best of these contenders', or by another figure of theirs. */
  readonly than?: { readonly contenders: readonly string[]; readonly figure?: string };
  readonly is: "at least" | "at most";
  readonly value: number;
}

const best = (...contenders: string[]) => ({ contenders });
const streamGoal = (of: string, than: string, value: number): Goal => ({
  what: "one TCP stream",
  of,
  figure: "stream",
  than: best(than),
  is: "at least",
  value,
});
const udpGoal = (what: string, figure: string, value: number) => (of: string): Goal => ({
  what,
  of,
  figure,
  than: best("libipsec"),
  is: "at least",
  value,
});
const roundTripGoal = (what: string, figure: string) => (of: string): Goal => ({
  what,
  of,
  figure,
  than: best(...PEERS),
  is: "at most",
  value: 1,
});
const cipherGoal = (of: string): Goal => ({
  what: "one TCP stream, against AES-GCM",
  of,
  figure: "stream",
  than: best("packed-udp"),
  is: "at least",
  value: 0.6,
});
const plainGoal = (what: string, figure: string, is: Goal["is"], value: number) => (of: string): Goal => ({
  what,
  of,
  figure,
  is,
  value,
});

const PACKED = ["packed-raw", "packed-udp"];
const MANY = "packed-raw-1000";

export const GOALS: readonly Goal[] = [
  streamGoal("packed-raw", "libipsec", 10),
  streamGoal("packed-raw", "wireguard-go", 8),
  streamGoal("packed-udp", "libipsec", 20),
  streamGoal("packed-udp", BARE, 0.45),
  streamGoal("isolated-raw", "libipsec", 7),
  streamGoal("isolated-udp", "libipsec", 10),
  ...GATEWAYS.map((of): Goal => ({
    what: "16 TCP streams each way, against one",
    of,
    figure: "streams16",
    than: { contenders: [of], figure: "stream" },
    is: "at least",
    value: 1,
  })),
  ...PACKED.map(udpGoal("UDP of 64 bytes", "udp64", 6)),
  ...PACKED.map(udpGoal("UDP, IMIX", "imix", 8)),
  ...PACKED.map(roundTripGoal("idle round trip, median", "rtt")),
  ...PACKED.map(roundTripGoal("idle round trip, 99 %", "rtt-p99")),
  ...PACKED.map(roundTripGoal("round trip beside TCP, 99 %", "rtt-load-p99")),
  ...GATEWAYS.map(plainGoal("UDP of 64 bytes at 70 %: lost, %", "loss", "at most", 0.01)),
  cipherGoal("packed-udp-chacha20poly1305"),
  cipherGoal("packed-udp-cbc128-sha256"),
  plainGoal("1,000 tunnels: created, s", "tunnels-created", "at most", 10)(MANY),
  plainGoal("1,000 tunnels: MiB", "tunnels-rss", "at most", 700)(MANY),
  plainGoal("1,000 tunnels: that answer, %", "tunnels-answer", "at least", 100)(MANY),
  { ...streamGoal(MANY, "packed-raw", 0.85), what: "one TCP stream, against one tunnel" },
  plainGoal("start to first packet, s", "start", "at most", 0.5)("packed-raw"),
  ...["packed-raw", "isolated-raw"].map(plainGoal("idle daemon, % of a core", "idle", "at most", 0.5)),
];

/** What was reached, by medians; null when a side of it was not measured. */
export function reached({ of, figure, than, is }: Goal, samples: Samples): number | null {
  const own = medianOf(samples, of, figure);
  if (own === null || than === undefined) return own;
  const others = than.contenders.map((name) => medianOf(samples, name, than.figure ?? figure));
  const known = others.filter((value) => value !== null);
  if (known.length < others.length) return null;
  return own / (is === "at least" ? Math.max(...known) : Math.min(...known));
}

export function isReached({ is, value }: Goal, reached: number): boolean {
  return is === "at least" ? reached >= value : reached <= value;
}

function medianOf(samples: Samples, contender: string, figure: string): number | null {
  const values = samples[contender]?.[figure];
  return values === undefined || values.length === 0 ? null : median(values);
}
