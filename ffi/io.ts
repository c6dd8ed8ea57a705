/** What every kind of descriptor is asked: to write from a slab, to take an option, to close. */
import type { Batch } from "../datapath/batch.ts";
import { check, EINTR, errno, SyscallError } from "./errno.ts";
import { libc } from "./libc.ts";
import { pointerAt } from "./slab_pointers.ts";

/** Writes `length` bytes from byte `offset` of the slab. Returns the bytes written, or -errno. */
export function writeSlab(fd: number, batch: Batch, offset: number, length: number): number {
  const n = libc.write(fd, pointerAt(batch, offset), length);
  return n < 0 ? -errno() : n;
}

/** Closes a descriptor. EINTR is success: Linux has closed it by then. Throws SyscallError for others, as EBADF. */
export function close(fd: number): void {
  if (libc.close(fd) === 0) return;
  const error = errno();
  if (error !== EINTR) throw new SyscallError(`Close descriptor ${fd}`, "close", error);
}

/** Sets an integer socket option. Throws SyscallError. */
export function setSocketOption(
  fd: number,
  level: number,
  option: number,
  value: number,
  name: string,
): void {
  const bytes = Int32Array.of(value);
  check(libc.setsockopt(fd, level, option, bytes, 4), `Set socket option ${name}`, "setsockopt");
}
