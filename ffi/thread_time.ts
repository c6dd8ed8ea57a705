/** What a thread of this process has had of the processors, and whether it wants one now: proc(5), /proc/PID/task/TID. */
import { check, SyscallError } from "./errno.ts";
import { cString, fromCString, libc } from "./libc.ts";
import { readProcFile } from "./proc_file.ts";

export interface ThreadTime {
  /** Time that it has run, in user space and in the kernel, milliseconds, in steps of 10. */
  readonly ranMs: number;
  /** It runs, or waits for a processor; otherwise it sleeps in a call. */
  readonly runnable: boolean;
}

/** Milliseconds of a clock tick of /proc (USER_HZ is 100). */
const TICK_MS = 10;
/** "PID/task/TID" and room to spare. */
const LINK_BYTES = 64;
// Fields of "stat" behind the name, which may hold blanks.
const STATE = 0;
const UTIME = 11;
const STIME = 12;

/** Number of the calling thread. Throws SyscallError without /proc. */
export function threadId(): number {
  const link = new Uint8Array(LINK_BYTES);
  const length = libc.readlink(cString("/proc/thread-self"), link, BigInt(LINK_BYTES - 1));
  check(length, "Find the number of a thread", "readlink");
  return Number(fromCString(link).split("/").at(-1));
}

/** The times of a thread of this process; null when it is gone, or nothing can be read. */
export function readThreadTime(thread: number): ThreadTime | null {
  let text: string;
  try {
    text = readProcFile(`/proc/self/task/${thread}/stat`);
  } catch (error) {
    if (error instanceof SyscallError) return null;
    throw error;
  }
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return {
    ranMs: (Number(fields[UTIME]) + Number(fields[STIME])) * TICK_MS,
    runnable: fields[STATE] === "R",
  };
}
