/** Waiting for many descriptors at once (epoll), without garbage. */
import { check, EINTR, errno, SyscallError } from "./errno.ts";
import { close } from "./io.ts";
import { libc } from "./libc.ts";
import { EPOLL_DATA, EPOLL_EVENT_BYTES, nativeTable } from "./struct_layout.ts";

export const EPOLLIN = 0x001;
export const EPOLLOUT = 0x004;
export const EPOLLHUP = 0x010;
/** Report a change once, not for as long as it lasts. */
export const EPOLLET = 0x80000000;

const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
const PR_SET_TIMERSLACK = 29;
/** By how much a nap may last longer, nanoseconds; the kernel's default is 50,000. */
const TIMER_SLACK_NS = 1000n;
/** struct timespec: seconds (8), nanoseconds (8). */
const TIMESPEC_BYTES = 16;
const TV_NSEC = 2;
/** Events that one wait can report; the rest waits for the next. */
const MAX_EVENTS = 64;

export class Epoll {
  readonly fd: number;
  readonly #table = nativeTable(MAX_EVENTS * EPOLL_EVENT_BYTES);
  readonly #timespec = nativeTable(TIMESPEC_BYTES);
  /** The thread's timers have been told to be exact. */
  #punctual = false;

  /** Makes an epoll descriptor, or takes one over. Throws SyscallError. */
  constructor(fd = check(libc.epoll_create1(EPOLL_CLOEXEC), "Make an epoll set", "epoll_create1")) {
    this.fd = fd;
  }

  /** Watches `fd` for `events` (EPOLLIN …); `token`, a u32, comes back with each of its events. */
  add(fd: number, events: number, token: number): void {
    this.#control(EPOLL_CTL_ADD, fd, events, token);
  }

  modify(fd: number, events: number, token: number): void {
    this.#control(EPOLL_CTL_MOD, fd, events, token);
  }

  remove(fd: number): void {
    this.#control(EPOLL_CTL_DEL, fd, 0, 0);
  }

  /**
   * Waits until something happens or `timeoutMs` is over; 0 only looks, -1 waits for ever. Returns the number of
   * events, read by token(i) and events(i) until the next wait; a signal ends the wait with 0. Throws SyscallError
   * for a closed descriptor.
   */
  wait(timeoutMs: number): number {
    const n = libc.epoll_wait(this.fd, this.#table.pointer, MAX_EVENTS, timeoutMs);
    if (n >= 0) return n;
    const error = errno();
    if (error === EINTR) return 0;
    throw new SyscallError("Wait for descriptors", "epoll_wait", error);
  }

  /** Sleeps for about `us` microseconds, below 1,000,000. A signal ends it early. */
  nap(us: number): void {
    if (!this.#punctual) {
      this.#punctual = true;
      libc.prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS, 0n, 0n, 0n);
    }
    this.#timespec.i32[TV_NSEC] = us * 1000;
    libc.nanosleep(this.#timespec.pointer, null);
  }

  /** Token of event `i` of the last wait, as u32. */
  token(i: number): number {
    return this.#table.i32[(i * EPOLL_EVENT_BYTES + EPOLL_DATA) >> 2] >>> 0;
  }

  /** EPOLL* bits of event `i` of the last wait. */
  events(i: number): number {
    return this.#table.i32[(i * EPOLL_EVENT_BYTES) >> 2];
  }

  close(): void {
    close(this.fd);
  }

  #control(operation: number, fd: number, events: number, token: number): void {
    const event = new Int32Array(EPOLL_EVENT_BYTES >> 2);
    event[0] = events;
    event[EPOLL_DATA >> 2] = token;
    check(libc.epoll_ctl(this.fd, operation, fd, event), `Watch descriptor ${fd}`, "epoll_ctl");
  }
}
