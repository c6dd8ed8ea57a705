/** One kind of measurement: what bench/compare.ts repeats in rounds. */
import type { Bench, Path } from "../peers/contender.ts";

/** Results by the names that the measurement declares, each in its unit. */
export type Figures = Readonly<Record<string, number>>;

export interface Measurement {
  readonly name: string;
  readonly describe: string;
  /** Unit of each figure. */
  readonly figures: Readonly<Record<string, string>>;
  /** Names of those that it is about. */
  readonly contenders: readonly string[];
  /** Measures a path that is up. `earlier` are figures of the same path in this round. */
  measure(run: PathRun): Promise<Figures>;
}

export interface PathRun {
  readonly bench: Bench;
  readonly path: Path;
  readonly seconds: number;
  readonly earlier: Figures;
}

/** Gateway in each placement and encapsulation. */
export const GATEWAYS = ["packed-raw", "packed-udp", "isolated-raw", "isolated-udp"] as const;
/** User-space programs of others. */
export const PEERS = ["libipsec", "wireguard-go"] as const;
export const BARE = "bare-veth";
export const ALL = [BARE, ...PEERS, ...GATEWAYS] as const;
