/** When the threads of this process get a processor: sched(7). */
import { libc } from "./libc.ts";

/** Only when nothing else wants one. */
const SCHED_IDLE = 5;
/** struct sched_param: its one priority, which this policy has not. */
const NO_PRIORITY = new Uint8Array(4);

/**
 * Lets a thread of this process run only where nothing else would, for good as far as an unprivileged process may say.
 * A thread that is gone does not matter.
 */
export function runWhenIdle(thread: number): void {
  libc.sched_setscheduler(thread, SCHED_IDLE, NO_PRIORITY);
}
