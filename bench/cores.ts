/**
 * How the gateway would grow with cores: a simulation of the sending end, full batches in UDP, with the costs that
 * bench/profile.ts measured. Nothing of the gateway runs here.
 *
 *     deno run bench/cores.ts
 *
 * Each tunnel always has packets waiting and SLABS batches to put them in. A batch goes tunnel → SA table → netns →
 * tunnel. A worker serves its batches in order, on any core that is free; passing one to another worker costs both, and
 * waking a sleeper costs whoever rings and makes the sleeper late. What the network and the memory bear is not in it.
 */

/** Microseconds of work on one batch: profile, isolated, in UDP, sending end, time over batches. */
const COST = {
  /** Read TUN 3.4, segment and count 12. */
  tunnel: 15.4,
  /** Seal 47 packets 8.0, look-up and headers 14. */
  saTable: 22,
  /** sendmmsg 14.8, its table 4.3. */
  netns: 19.1,
} as const;
const POST_US = 0.3;
const TAKE_US = 0.6;
const RING_US = 8.5;
/** From a doorbell until the sleeper runs. */
const WAKE_US = 25;
const PACKETS = 47;
const PACKET_BITS = 1440 * 8;
/** Batches of a tunnel that may be on their way. */
const SLABS = 4;
const SIMULATED_US = 200_000;

type Stage = keyof typeof COST;
const NEXT: Record<Stage, Stage> = { tunnel: "saTable", saTable: "netns", netns: "tunnel" };

/** Worker of each stage of a tunnel. */
type Places = (tunnel: number) => Readonly<Record<Stage, number>>;

interface Layout {
  readonly name: string;
  readonly tunnels: number;
  /** Where the actors are with so many workers. */
  readonly places: (workers: number) => Places;
}

/** Workers are as many as cores, where the daemon has MAX_WORKERS at the most. */
const LAYOUTS: readonly Layout[] = [
  {
    name: "packed, one namespace",
    tunnels: 16,
    places: () => () => ({ tunnel: 0, saTable: 0, netns: 0 }),
  },
  {
    name: "packed, 16 namespaces",
    tunnels: 16,
    places: (workers) => (t) => ({ tunnel: t % workers, saTable: t % workers, netns: t % workers }),
  },
  {
    name: "isolated, one tunnel",
    tunnels: 1,
    places: (workers) => () => ({ saTable: 0, netns: 1 % workers, tunnel: 2 % workers }),
  },
  {
    name: "isolated, one namespace, 16 tunnels",
    tunnels: 16,
    places: (workers) => (t) => ({
      saTable: 0,
      netns: 1 % workers,
      tunnel: workers > 2 ? 2 + t % (workers - 2) : t % workers,
    }),
  },
  {
    name: "one namespace in shards, 16 tunnels",
    tunnels: 16,
    places: (workers) => (t) => ({ tunnel: t % workers, saTable: t % workers, netns: t % workers }),
  },
];

/** One layout on so many cores. */
class Simulation {
  readonly #places: Places;
  readonly #queues: { tunnel: number; stage: Stage; hop: boolean }[][];
  readonly #asleep: boolean[];
  readonly #serving: boolean[];
  /** Workers that could run and have no core. */
  readonly #runnable: number[] = [];
  readonly #events: { at: number; run: () => void }[] = [];
  #freeCores: number;
  #now = 0;
  #sent = 0;

  constructor(layout: Layout, cores: number) {
    this.#places = layout.places(cores);
    this.#freeCores = cores;
    this.#queues = Array.from({ length: cores }, () => []);
    this.#asleep = this.#queues.map(() => false);
    this.#serving = this.#queues.map(() => false);
    for (let tunnel = 0; tunnel < layout.tunnels; tunnel++) {
      for (let slab = 0; slab < SLABS; slab++) this.#arrive(tunnel, "tunnel", false);
    }
  }

  /** Gigabits a second that were sent. */
  run(): number {
    while (this.#now < SIMULATED_US) {
      const next = this.#events.shift();
      if (next === undefined) break;
      this.#now = next.at;
      next.run();
    }
    return this.#sent * PACKETS * PACKET_BITS / SIMULATED_US / 1000;
  }

  #after(us: number, run: () => void): void {
    const at = this.#now + us;
    let place = this.#events.length;
    while (place > 0 && this.#events[place - 1]!.at > at) place--;
    this.#events.splice(place, 0, { at, run });
  }

  #arrive(tunnel: number, stage: Stage, hop: boolean): void {
    const worker = this.#places(tunnel)[stage];
    this.#queues[worker]!.push({ tunnel, stage, hop });
    if (this.#serving[worker]) return;
    this.#serving[worker] = true;
    this.#after(this.#asleep[worker] ? WAKE_US : 0, () => this.#want(worker));
  }

  /** A worker has work: it runs when a core is free. */
  #want(worker: number): void {
    if (this.#freeCores === 0) return void this.#runnable.push(worker);
    this.#freeCores--;
    this.#serve(worker);
  }

  /** One batch, then others that wait for the core have their turn. */
  #serve(worker: number): void {
    this.#asleep[worker] = false;
    const { tunnel, stage, hop } = this.#queues[worker]!.shift()!;
    const next = NEXT[stage];
    const to = this.#places(tunnel)[next];
    const rings = to !== worker && this.#asleep[to] && !this.#serving[to];
    const us = COST[stage] + (hop ? TAKE_US : 0) + (to === worker ? 0 : POST_US) + (rings ? RING_US : 0);
    this.#after(us, () => {
      if (stage === "netns") this.#sent++;
      this.#freeCores++;
      this.#arrive(tunnel, next, to !== worker);
      if (this.#queues[worker]!.length > 0) this.#runnable.push(worker);
      else {
        this.#serving[worker] = false;
        this.#asleep[worker] = true;
      }
      while (this.#freeCores > 0 && this.#runnable.length > 0) this.#want(this.#runnable.shift()!);
    });
  }
}

const CORES = [1, 2, 4, 8, 16];
console.log(`| Gbit/s with cores: | ${CORES.join(" | ")} |\n|---|${"---:|".repeat(CORES.length)}`);
for (const layout of LAYOUTS) {
  const rates = CORES.map((cores) => new Simulation(layout, cores).run().toFixed(1));
  console.log(`| ${layout.name} | ${rates.join(" | ")} |`);
}
