/** What processes and the machine have used, from /proc. */

/** Kernel ticks a second in /proc (USER_HZ). */
const USER_HZ = 100;

export function sum(pids: readonly number[], of: (pid: number) => number): number {
  return pids.reduce((total, pid) => total + of(pid), 0);
}

/** Seconds that all processors together were not idle since boot: proc(5), first line of /proc/stat. */
export function machineBusy(): number {
  const [user, nice, system, , , irq, softirq] = Deno.readTextFileSync("/proc/stat").split("\n", 1)[0]!
    .split(/\s+/).slice(1).map(Number) as [number, number, number, number, number, number, number];
  return (user + nice + system + irq + softirq) / USER_HZ;
}

/** utime and stime of a process with all its threads, seconds: proc(5), fields 14 and 15 of /proc/PID/stat. */
export function processTime(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / USER_HZ;
}

/** The same to the nanosecond, of the threads that live: proc(5), first field of /proc/PID/task/TID/schedstat. */
export function threadTimes(pid: number): number {
  let ns = 0;
  for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
    ns += Number(Deno.readTextFileSync(`/proc/${pid}/task/${name}/schedstat`).split(" ", 1)[0]);
  }
  return ns / 1e9;
}

export function residentBytes(pid: number): number {
  return Number(Deno.readTextFileSync(`/proc/${pid}/status`).match(/^VmRSS:\s+(\d+) kB/m)?.[1] ?? 0) * 1024;
}
