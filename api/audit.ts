/** Who changed what, or tried to, or was shown keys: one entry for each such request, and never a key in it. */
import type { MiddlewareHandler } from "hono";
import type { Errno } from "../actors/control/kernel_error.ts";
import { scopesOf } from "./auth.ts";
import type { Peer } from "./caller.ts";
import { type ApiEnv, peerOf } from "./env.ts";
import { hideKeys } from "./hide_keys.ts";

export interface AuditEntry {
  readonly peer: Peer;
  /** Name of the token, "unix", or null for one that showed no good token. */
  readonly caller: string | null;
  readonly method: string;
  /** As in the OpenAPI document, "/v1/netns/{ns}/links"; null where there is none or nobody was let in. */
  readonly path: string | null;
  readonly subject: Readonly<Record<string, unknown>>;
  /** HTTP status of the answer. */
  readonly status: number;
  readonly errno?: Errno;
}

export type Audit = (entry: AuditEntry) => void;

/** Names that say what a request is about. A name that is not here, as that of a key, is not written down. */
const SUBJECT_NAMES = [
  ...["ns", "ifname", "mtu", "up", "local", "remote", "ikey", "okey", "link", "fwmark"],
  ...["src", "dst", "proto", "spi", "mark", "mask", "reqid", "mode", "if_id", "flush", "keys"],
  ...["dir", "index", "sel", "ptype", "priority", "action"],
];
/** Characters; a longer text is no name of anything. */
const MAX_TEXT = 64;

/** Hands `audit` what is not only read, and what is refused for want of a token or scope. */
export function auditTrail(audit: Audit): MiddlewareHandler<ApiEnv> {
  return async function auditTrail(c, next) {
    await next();
    const { status } = c.res;
    const operation = c.get("operation");
    const isRead = operation !== undefined && scopesOf(operation, c).join() === "read";
    const isRefused = status === 401 || status === 403;
    if ((isRead && !isRefused) || (operation === undefined && !isRefused)) return;
    const errno = c.get("errno");
    audit({
      peer: peerOf(c),
      caller: c.get("caller")?.name ?? null,
      method: c.req.method,
      path: operation?.path ?? null,
      // What could not be read may be a key in the place of something else.
      subject: c.get(errno === "EINVAL" ? "place" : "subject") ?? {},
      status,
      ...(errno !== undefined && { errno }),
    });
  };
}

/** What a request is about: those of its names that are harmless, from its path, query and body. */
export function subjectOf(...parts: readonly unknown[]): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const part of parts) {
    if (typeof part !== "object" || part === null) continue;
    const members = part as Record<string, unknown>;
    for (const name of SUBJECT_NAMES) {
      const value = members[name];
      if (value === undefined || value === "") continue;
      found[name] = typeof value === "string" ? hideKeys(value).slice(0, MAX_TEXT) : value;
    }
  }
  return found;
}
