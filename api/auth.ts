/**
 * Who may ask over TCP: a bearer token (RFC 6750 §2.1), and a Host that is the gateway's own, so that no web page
 * reaches it by a name that resolves to loopback. The unix socket is guarded by its mode.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { MiddlewareHandler } from "hono";
import { httpProblem } from "./problem.ts";

/** Refuses a Host whose name is none of these; ports don't matter. */
export function hostAllowList(names: readonly string[]): MiddlewareHandler {
  const allowed = new Set(names.map((name) => name.toLowerCase()));
  return async function hostAllowList(c, next) {
    const host = c.req.header("host") ?? new URL(c.req.url).host;
    if (!allowed.has(hostName(host))) {
      return httpProblem(403, "Forbidden", "Cannot answer: the Host header is not the gateway's");
    }
    return await next();
  };
}

/** Asks for `Authorization: Bearer`. Keeps only the token's hash; compares in constant time. */
export function bearerAuth(token: string): MiddlewareHandler {
  const expected = hash(token);
  return async function bearerAuth(c, next) {
    const [, given] = /^Bearer +(\S+) *$/i.exec(c.req.header("authorization") ?? "") ?? [];
    if (given === undefined || !timingSafeEqual(hash(given), expected)) {
      const detail = given === undefined
        ? "Cannot answer: no Authorization: Bearer"
        : "Cannot answer: the token is wrong";
      return httpProblem(401, "Unauthorized", detail, { "www-authenticate": "Bearer" });
    }
    return await next();
  };
}

/** "[::1]:8470" and "localhost:8470" without their ports. */
function hostName(host: string): string {
  return host.toLowerCase().replace(/:[0-9]*$/, "");
}

function hash(token: string): Uint8Array {
  return createHash("sha256").update(token).digest();
}
