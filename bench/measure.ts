/** One measurement: a single TCP stream from namespace a to b for some seconds, and what it cost. */
import { type Bench, type Contender, UNDERLAY } from "./peers/contender.ts";
import { Topology } from "../tests/doubles/topology.ts";

export interface Sample {
  /** Received payload, 10⁹ bits a second. */
  readonly gbps: number;
  /** Busy time of all processors of the machine for each gigabit received, seconds; iperf3 and the kernel included. */
  readonly machineCpu: number;
  /** User and system time of the path's own processes for each gigabit received, seconds. */
  readonly pathCpu: number;
  /** Resident memory of the path's processes together at the end of the transfer, MiB. */
  readonly rss: number;
  /** What of it came during the second half of the transfer, MiB. */
  readonly rssGrowth: number;
}

/** Kernel ticks a second in /proc (USER_HZ). */
const USER_HZ = 100;
const MIB = 1024 * 1024;

/** Builds the path from nothing, measures it, and takes it all down. */
export async function measure(contender: Contender, seconds: number): Promise<Sample> {
  await using topology = new Topology();
  const netns = { a: await topology.addNetns("a"), b: await topology.addNetns("b") };
  await topology.veth(
    { netns: netns.a, ifname: "wire", addresses: [`${UNDERLAY.a}/24`] },
    { netns: netns.b, ifname: "wire", addresses: [`${UNDERLAY.b}/24`] },
  );
  const bench: Bench = { topology, netns };
  const path = await contender.start(bench);
  const server = await topology.spawn(netns.b, ["iperf3", "-s", "--forceflush"]);
  await server.printed(/listening/);

  const before = { machine: machineBusy(), path: sum(path.pids, processTime) };
  let halfRss = 0;
  const half = setTimeout(() => halfRss = sum(path.pids, residentBytes), seconds * 500);
  const client = ["iperf3", "-J", "-c", path.server, "-t", `${seconds}`];
  const report = await topology.must(netns.a, client, { timeout: (seconds + 20) * 1000 });
  clearTimeout(half);
  const after = { machine: machineBusy(), path: sum(path.pids, processTime) };
  const rss = sum(path.pids, residentBytes);

  const received = JSON.parse(report).end.sum_received;
  const gigabits = received.bytes * 8 / 1e9;
  return {
    gbps: received.bits_per_second / 1e9,
    machineCpu: (after.machine - before.machine) / gigabits,
    pathCpu: (after.path - before.path) / gigabits,
    rss: rss / MIB,
    rssGrowth: (rss - halfRss) / MIB,
  };
}

function sum(pids: readonly number[], of: (pid: number) => number): number {
  return pids.reduce((total, pid) => total + of(pid), 0);
}

/** Seconds that all processors together were not idle since boot: proc(5), first line of /proc/stat. */
function machineBusy(): number {
  const fields = Deno.readTextFileSync("/proc/stat").split("\n", 1)[0]!.split(/\s+/).slice(1, 9).map(Number);
  const [user, nice, system, , , irq, softirq] = fields as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return (user + nice + system + irq + softirq) / USER_HZ;
}

/** utime and stime of a process with all its threads, seconds: proc(5), fields 14 and 15 of /proc/PID/stat. */
function processTime(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / USER_HZ;
}

function residentBytes(pid: number): number {
  return Number(Deno.readTextFileSync(`/proc/${pid}/status`).match(/^VmRSS:\s+(\d+) kB/m)?.[1] ?? 0) * 1024;
}
