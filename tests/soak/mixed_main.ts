/** `deno task soak:mixed`: the long run of 200 tunnels in 10 namespaces; the short one is tests/netns/mixed_test.ts. */
import type { Placement } from "../doubles/daemon.ts";
import { NUMBER, PLACEMENT, wordsOfRun } from "../doubles/long_run.ts";
import { mixed } from "./mixed.ts";

const TIMES = 5;
const USAGE = `Usage: deno task soak:mixed [SECONDS [SEED [packed|isolated]]]
SECONDS of changes under traffic (default 600)`;

const words = wordsOfRun(USAGE, [NUMBER, NUMBER, PLACEMENT]);
const [seconds = "600", seed = `${Date.now() % 2 ** 31}`, placement = "packed"] = words;
const started = performance.now();
const log = (line: string) => console.log(`${((performance.now() - started) / 1000).toFixed(0)} s  ${line}`);
log(`seed ${seed}`);
const { changes, datagrams } = await mixed({
  placement: placement as Placement,
  namespaces: 10,
  tunnelsEach: 20,
  seconds: Number(seconds) / TIMES,
  times: TIMES,
  seed: Number(seed),
  log,
});
log(`${changes} changes under traffic, ${datagrams} datagrams received, none astray`);
