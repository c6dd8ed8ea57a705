/**
 * `deno task soak:mixed [SECONDS [SEED [packed|isolated]]]`: the long run of 200 tunnels in 10 namespaces, 10 minutes of
 * changes unless told. The short run is tests/netns/mixed_test.ts.
 */
import type { Placement } from "../doubles/daemon.ts";
import { mixed } from "./mixed.ts";

const TIMES = 5;
const [seconds = "600", seed = `${Date.now() % 2 ** 31}`, placement = "packed"] = Deno.args;
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
