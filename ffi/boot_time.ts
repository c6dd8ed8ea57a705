/** The time since the boot. */
import { check } from "./errno.ts";
import { libc } from "./libc.ts";

const CLOCK_BOOTTIME = 7;
/** struct timespec: seconds and nanoseconds, 8 bytes each. */
const timespec = new BigInt64Array(2);
const timespecBytes = new Uint8Array(timespec.buffer);

/** Seconds since the boot, suspension included; nothing sets it. */
export function bootTime(): number {
  check(libc.clock_gettime(CLOCK_BOOTTIME, timespecBytes), "Read the clock", "clock_gettime CLOCK_BOOTTIME");
  return Number(timespec[0]) + Number(timespec[1]) / 1e9;
}
