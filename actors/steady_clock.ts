/**
 * Time that nobody sets: what ages and limits go by. Seconds since 1970 as the system's clock had them when a gateway
 * first ran since the boot, and what has passed since, suspension too (CLOCK_BOOTTIME, as the timers of kernel SAs).
 */
import { bootTime } from "../ffi/boot_time.ts";

export class SteadyClock {
  /** `offset`: what now() is ahead of the time since the boot. */
  constructor(readonly offset: number = wallOffset()) {}

  now(): number {
    return bootTime() + this.offset;
  }

  /** What the system's clock, as it is set at present, says of a moment; 0 is never. */
  wallTime(seconds: number): number {
    return seconds === 0 ? 0 : Math.round(seconds + wallOffset() - this.offset);
  }
}

/** What the system's clock is ahead of the time since the boot, seconds. */
export function wallOffset(): number {
  return Date.now() / 1000 - bootTime();
}
