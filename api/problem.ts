/**
 * Refusals over HTTP: application/problem+json (RFC 9457) with the kernel's errno.
 */
import { type Errno, type KernelError, STRERROR } from "../actors/control/kernel_error.ts";
import { hideKeys } from "./hide_keys.ts";

/** Members of a problem. `type` is left out, which means about:blank (RFC 9457 §4.2.1). */
export interface Problem {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly errno?: Errno;
  /** Path of the attribute to blame ("linkinfo.info_data.local"). */
  readonly attribute?: string;
  /** The kernel's own words, which iproute2 prints in place of the errno's. */
  readonly extack?: string;
}

export const PROBLEM_TYPE = "application/problem+json";

const STATUS_OF_ERRNO: Readonly<Record<Errno, number>> = {
  EPERM: 403,
  ENOENT: 404,
  ESRCH: 404,
  ENODEV: 404,
  EEXIST: 409,
  EBUSY: 409,
  EADDRINUSE: 409,
  EINVAL: 422,
  E2BIG: 422,
  ERANGE: 422,
  EMSGSIZE: 422,
  ENOSYS: 501,
  EOPNOTSUPP: 501,
  EPROTONOSUPPORT: 501,
  EAGAIN: 503,
  ENOMEM: 507,
  ENOBUFS: 507,
};

/** A refusal of the gateway. */
export function kernelProblem(error: KernelError): Response {
  const { errno, message, attribute, extack } = error;
  return problemResponse({
    status: STATUS_OF_ERRNO[errno],
    title: STRERROR[errno],
    detail: message,
    errno,
    ...(attribute !== undefined && { attribute }),
    ...(extack !== undefined && { extack }),
  });
}

/** A refusal of HTTP itself, before any gateway was asked. */
export function httpProblem(
  status: number,
  title: string,
  detail: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return problemResponse({ status, title, detail }, headers);
}

function problemResponse(problem: Problem, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(hideKeys(JSON.stringify(problem)), {
    status: problem.status,
    headers: { ...headers, "content-type": PROBLEM_TYPE },
  });
}
