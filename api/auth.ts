/**
 * Who may ask over TCP: a bearer token (RFC 6750 §2.1), and a Host that is the gateway's own, so that no web page
 * reaches it by a name that resolves to loopback. The unix socket is guarded by its mode.
 */
import type { Context, MiddlewareHandler } from "hono";
import { type Caller, type Scope, UNIX_CALLER } from "./caller.ts";
import type { ApiEnv } from "./env.ts";
import type { Operation } from "./operation.ts";
import { httpProblem } from "./problem.ts";
import type { TokenLookup } from "./tokens.ts";

/** Refuses a Host whose name is not `isOurs`; ports don't matter. */
export function hostAllowList(isOurs: (name: string) => boolean): MiddlewareHandler<ApiEnv> {
  return async function hostAllowList(c, next) {
    if (!isOurs(hostName(c.req.header("host") ?? ""))) {
      return httpProblem(403, "Forbidden", "Cannot answer: the Host header is not the gateway's");
    }
    return await next();
  };
}

/** Every caller is the one that the socket's mode let in. */
export const unixCaller: MiddlewareHandler<ApiEnv> = async function unixCaller(c, next) {
  c.set("caller", UNIX_CALLER);
  return await next();
};

/** Asks for `Authorization: Bearer`. */
export function bearerAuth(find: TokenLookup): MiddlewareHandler<ApiEnv> {
  return async function bearerAuth(c, next) {
    const [, given] = /^Bearer +(\S+) *$/i.exec(c.req.header("authorization") ?? "") ?? [];
    const caller = given === undefined ? null : find(given);
    if (caller === null) {
      const detail = given === undefined
        ? "Cannot answer: no Authorization: Bearer"
        : "Cannot answer: the token is wrong";
      return httpProblem(401, "Unauthorized", detail, { "www-authenticate": "Bearer" });
    }
    c.set("caller", caller);
    return await next();
  };
}

/** What a caller must be allowed for this request. */
export function scopesOf({ method }: Operation, c: Context<ApiEnv>): readonly Scope[] {
  if (method !== "get") return ["write"];
  return c.req.queries("keys")?.includes("true") ? ["read", "keys"] : ["read"];
}

/** The refusal of a caller that lacks one of `scopes`, or null (RFC 6750 §3.1). */
export function insufficientScope(caller: Caller, scopes: readonly Scope[]): Response | null {
  const lacking = scopes.filter((scope) => !caller.scopes.has(scope));
  if (lacking.length === 0) return null;
  const detail = `Cannot answer: the token "${caller.name}" lacks the scope ${lacking.join(" and ")}`;
  const challenge = `Bearer error="insufficient_scope", scope="${scopes.join(" ")}"`;
  return httpProblem(403, "Forbidden", detail, { "www-authenticate": challenge });
}

/** "[::1]:8470" and "localhost:8470" without their ports, in small letters. */
function hostName(host: string): string {
  return host.toLowerCase().replace(/:[0-9]*$/, "");
}
