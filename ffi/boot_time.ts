/** The time since the boot. */
import { check } from "./errno.ts";
import { libc } from "./libc.ts";

const CLOCK_BOOTTIME = 7;
/** struct timespec: seconds and nanoseconds, 8 bytes each; in halves, the low one first, since a BigInt is an object. */
const timespec = new Uint32Array(4);
const timespecBytes = new Uint8Array(timespec.buffer);
const TWO_32 = 0x1_0000_0000;

/** Seconds since the boot, suspension included; nothing sets it. */
export function bootTime(): number {
  check(libc.clock_gettime(CLOCK_BOOTTIME, timespecBytes), "Read the clock", "clock_gettime CLOCK_BOOTTIME");
  return timespec[1] * TWO_32 + timespec[0] + timespec[2] / 1e9;
}
