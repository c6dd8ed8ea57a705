/** The doorbell: an eventfd in the epoll set of a thread that sleeps there. */
import { check } from "./errno.ts";
import { libc } from "./libc.ts";
import { nativeTable } from "./struct_layout.ts";

const EFD_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;

/** The counter's increment, 1; and where a read counter goes. Module scope: native code holds the address. */
const one = nativeTable(8);
one.i32[0] = 1;
const counter = nativeTable(8);

/** Makes an eventfd at 0, nonblocking and closed on exec. Throws SyscallError. */
export function createEventfd(): number {
  return check(libc.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "Make a doorbell", "eventfd");
}

/** Wakes whoever waits for the descriptor. A full counter (EAGAIN) already does. */
export function ring(fd: number): void {
  libc.write(fd, one.pointer, 8);
}

/** Silences the descriptor. Returns the number of rings since the last drain, at most 2 ** 32 - 1. */
export function drain(fd: number): number {
  return libc.read(fd, counter.pointer, 8) === 8 ? counter.i32[0] >>> 0 : 0;
}
