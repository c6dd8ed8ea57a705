/**
 * Errors of the control path, as data: the errno that the kernel would answer, and the attribute to blame.
 */

/** errno values that the gateway answers, with the text of strerror(3) that iproute2 prints. */
export const STRERROR = {
  EPERM: "Operation not permitted",
  ENOENT: "No such file or directory",
  ESRCH: "No such process",
  E2BIG: "Argument list too long",
  EAGAIN: "Resource temporarily unavailable",
  ENOMEM: "Cannot allocate memory",
  EBUSY: "Device or resource busy",
  EEXIST: "File exists",
  ENODEV: "No such device",
  EINVAL: "Invalid argument",
  ERANGE: "Numerical result out of range",
  ENOSYS: "Function not implemented",
  EMSGSIZE: "Message too long",
  EPROTONOSUPPORT: "Protocol not supported",
  EOPNOTSUPP: "Operation not supported",
  EADDRINUSE: "Address already in use",
  ENOBUFS: "No buffer space available",
} as const;
export type Errno = keyof typeof STRERROR;

export interface KernelError {
  readonly errno: Errno;
  /** One sentence: action, colon, current state, no full stop. */
  readonly message: string;
  /** The attribute to blame, as a path into the request ("linkinfo.info_data.local"), where one is. */
  readonly attribute?: string;
  /** The kernel's own words (NLMSGERR_ATTR_MSG), which iproute2 prints in place of the errno, where it has any. */
  readonly extack?: string;
}

export type Result<T> = { readonly ok: true; readonly value: T } | {
  readonly ok: false;
  readonly error: KernelError;
};

export function ok<T>(value: T): Result<T> {
  return { ok: true, value };
}

export function fail<T = never>(
  errno: Errno,
  message: string,
  attribute?: string,
  extack?: string,
): Result<T> {
  const blame = attribute === undefined ? {} : { attribute };
  const words = extack === undefined ? {} : { extack };
  return { ok: false, error: { errno, message, ...blame, ...words } };
}
