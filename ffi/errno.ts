/**
 * errno of the calling thread, and the one error class that this folder throws.
 *
 * The hot functions of ffi/ never throw: they answer `-errno`, where EAGAIN is a value like any other.
 */
import { libc } from "./libc.ts";

export const EPERM = 1;
export const ENOENT = 2;
export const ESRCH = 3;
export const EINTR = 4;
export const EIO = 5;
export const ENXIO = 6;
export const EBADF = 9;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EACCES = 13;
export const EFAULT = 14;
export const EBUSY = 16;
export const EEXIST = 17;
export const ENODEV = 19;
export const EINVAL = 22;
export const ENFILE = 23;
export const EMFILE = 24;
export const ENOTTY = 25;
export const ENOSPC = 28;
export const EROFS = 30;
export const ERANGE = 34;
export const ENOSYS = 38;
export const EBADFD = 77;
export const EMSGSIZE = 90;
export const ENOPROTOOPT = 92;
export const EPROTONOSUPPORT = 93;
export const EOPNOTSUPP = 95;
export const EAFNOSUPPORT = 97;
export const EADDRINUSE = 98;
export const EADDRNOTAVAIL = 99;
export const ENETDOWN = 100;
export const ENETUNREACH = 101;
export const ENOBUFS = 105;
export const ETIMEDOUT = 110;
export const ECONNREFUSED = 111;
export const EHOSTUNREACH = 113;
export const EDQUOT = 122;

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries({
    EPERM,
    ENOENT,
    ESRCH,
    EINTR,
    EIO,
    ENXIO,
    EBADF,
    EAGAIN,
    ENOMEM,
    EACCES,
    EFAULT,
    EBUSY,
    EEXIST,
    ENODEV,
    EINVAL,
    ENFILE,
    EMFILE,
    ENOTTY,
    ENOSPC,
    EROFS,
    ERANGE,
    ENOSYS,
    EBADFD,
    EMSGSIZE,
    ENOPROTOOPT,
    EPROTONOSUPPORT,
    EOPNOTSUPP,
    EAFNOSUPPORT,
    EADDRINUSE,
    EADDRNOTAVAIL,
    ENETDOWN,
    ENETUNREACH,
    ENOBUFS,
    ETIMEDOUT,
    ECONNREFUSED,
    EHOSTUNREACH,
    EDQUOT,
  }).map(([name, value]) => [value, name]),
);

/**
 * A view of this thread's errno. A worker is one OS thread for its whole life and has its own copy of this module, so
 * the address is asked for once; reading it then costs 2 ns instead of the 25 of an UnsafePointerView.
 */
const location = new Int32Array(
  Deno.UnsafePointerView.getArrayBuffer(libc.__errno_location()!, 4),
);

/** errno as the last call on this thread left it. Read it at once: no await, no other call between. */
export function errno(): number {
  return location[0];
}

/** "EBUSY" for 16; "errno 999" for a number without a name here. */
export function errnoName(value: number): string {
  return NAMES.get(value) ?? `errno ${value}`;
}

/** What helps, for the errors whose cause does not depend on the call. */
const REMEDIES: Readonly<Record<number, string>> = {
  [EPERM]: "run as root or with CAP_NET_ADMIN, CAP_NET_RAW and CAP_SYS_ADMIN",
  [EACCES]: "run as root or with CAP_NET_ADMIN, CAP_NET_RAW and CAP_SYS_ADMIN",
  [ENFILE]: "raise the host's limit of open files (sysctl fs.file-max)",
  [EMFILE]: "raise the limit of open files (ulimit -n)",
};

/** A system call that failed where it must not: set-up and tear-down, never a packet. */
export class SyscallError extends Error {
  override readonly name = "SyscallError";
  /** The call, for example "ioctl TUNSETIFF". */
  readonly syscall: string;
  readonly errno: number;
  /** For example "EBUSY". */
  readonly errnoName: string;

  /** `action` is what was tried, in words; `remedies` replaces the general remedy for an errno. */
  constructor(
    action: string,
    syscall: string,
    errno: number,
    remedies: Readonly<Record<number, string>> = {},
  ) {
    const name = errnoName(errno);
    const remedy = remedies[errno] ?? REMEDIES[errno];
    super(`${action}: ${syscall} answered ${name}${remedy === undefined ? "" : `; ${remedy}`}`);
    this.syscall = syscall;
    this.errno = errno;
    this.errnoName = name;
  }
}

/** Passes a result of 0 or more through; throws the SyscallError of this thread's errno for -1. */
export function check(
  result: number,
  action: string,
  syscall: string,
  remedies?: Readonly<Record<number, string>>,
): number {
  if (result >= 0) return result;
  throw new SyscallError(action, syscall, location[0], remedies);
}
