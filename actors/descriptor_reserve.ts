/**
 * Descriptors that devices and namespaces leave free, for the API and for what is opened for a moment. Without one the
 * API would be lost for good: a server of Deno 2.9 that accept(2) has answered EMFILE accepts nobody any more.
 */
import { EMFILE, SyscallError } from "../ffi/errno.ts";
import { readProcFile } from "../ffi/proc_file.ts";

/** More than the API takes connections. */
const RESERVED = 800;

/** The first descriptor that is too high, since the kernel gives the lowest that is free. */
const limit = /^Max open files +(\d+)/m.exec(readProcFile("/proc/self/limits"));
const files = limit === null ? Infinity : Number(limit[1]);
const end = Math.max(files - RESERVED, files / 2);

/** Throws SyscallError EMFILE for a descriptor that is to be kept for long when few are left behind it. */
export function checkReserve(fd: number, action: string): void {
  if (fd >= end) throw new SyscallError(action, `descriptor ${fd} of ${files}`, EMFILE);
}
