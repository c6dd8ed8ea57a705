/** `deno task soak`: the long run; the short one is soak_test.ts. */
import type { Placement } from "../doubles/daemon.ts";
import { NUMBER, PLACEMENT, wordsOfRun } from "../doubles/long_run.ts";
import { soak } from "./soak.ts";

const USAGE = `Usage: deno task soak [SECONDS [RATE [packed|isolated]]]
SECONDS (default 1800); RATE that TCP may send in each direction, as iperf3 takes it (default 0, no limit)`;
const RATE = /^\d+(\.\d+)?[KMGkmg]?$/;

const words = wordsOfRun(USAGE, [NUMBER, RATE, PLACEMENT]);
const [seconds = "1800", rate = "0", placement = "packed"] = words;
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
