/**
 * `deno task soak [SECONDS [RATE [packed|isolated]]]`: the long run, 30 minutes unless told. RATE is what TCP may send in
 * each direction, as iperf3 takes it; "0", the default, for as much as passes. The short run is soak_test.ts.
 */
import type { Placement } from "../doubles/daemon.ts";
import { soak } from "./soak.ts";

const [seconds = "1800", rate = "0", placement = "packed"] = Deno.args;
const started = performance.now();
const log = (line: string) => console.log(`${((performance.now() - started) / 1000).toFixed(0)} s  ${line}`);
const report = await soak({
  seconds: Number(seconds),
  rate,
  placement: placement as Placement,
  datagrams: 2000,
  log,
});
const memory = report.memory.map(([first, last]) => `${first.toFixed(0)} to ${last.toFixed(0)} MiB`);
log(`${report.packets} packets, ${report.rekeys} rekeys, ${report.linksMade} links made and removed`);
log(`${report.lost} datagrams lost, each accounted for; memory ${memory.join(", ")}`);
