/**
 * The HTTP API as one Hono application over a Gateway. Every answer but success is a problem (RFC 9457).
 */
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { Gateway } from "../actors/gateway.ts";
import { type Audit, auditTrail } from "./audit.ts";
import { bearerAuth, hostAllowList, insufficientScope, scopesOf, unixCaller } from "./auth.ts";
import type { ApiEnv } from "./env.ts";
import { rateLimit } from "./limits.ts";
import type { Operation } from "./operation.ts";
import { apiOperations } from "./operations.ts";
import { httpProblem } from "./problem.ts";
import type { TokenLookup } from "./tokens.ts";

/** Bytes of a request's body. The largest request, a policy with all its templates, takes a few thousand. */
const MAX_BODY_BYTES = 1_000_000;

export type AppOptions =
  & {
    /** Ends the event streams. */
    readonly closing?: AbortSignal;
    readonly audit?: Audit;
  }
  & (
    | { readonly origin: "unix" }
    /** `isOurs`: whether a Host header may have this name. */
    | { readonly origin: "tcp"; readonly tokens: TokenLookup; readonly isOurs: (name: string) => boolean }
  );

export function createApp(gateway: Gateway, options: AppOptions): Hono<ApiEnv> {
  const app = new Hono<ApiEnv>();
  const { before, after } = rateLimit();
  if (options.audit !== undefined) app.use(auditTrail(options.audit));
  app.use(before);
  if (options.origin === "tcp") {
    app.use(hostAllowList(options.isOurs));
    app.use(bearerAuth(options.tokens));
  } else {
    app.use(unixCaller);
  }
  app.use(after);
  app.use(bodyLimit({
    maxSize: MAX_BODY_BYTES,
    onError: () =>
      httpProblem(413, "Content Too Large", `Cannot read the body: longer than ${MAX_BODY_BYTES} bytes`),
  }));
  const operations = apiOperations(options.closing ?? new AbortController().signal);
  for (const operation of operations) {
    app.on(operation.method.toUpperCase(), honoPath(operation), (c) => {
      c.set("operation", operation);
      return insufficientScope(c.get("caller"), scopesOf(operation, c)) ?? operation.respond(gateway, c);
    });
  }
  refuseOtherMethods(app, operations);
  app.notFound((c) =>
    httpProblem(404, "Not Found", `Cannot find ${new URL(c.req.url).pathname}: no such path`)
  );
  app.onError(unexpected);
  return app;
}

/** 405 with Allow for every path that exists (RFC 9110 §15.5.6). */
function refuseOtherMethods(app: Hono<ApiEnv>, operations: readonly Operation[]): void {
  const byPath = Map.groupBy(operations, honoPath);
  for (const [path, ofPath] of byPath) {
    const methods = ofPath.map(({ method }) => method.toUpperCase());
    const allow = [...methods, ...(methods.includes("GET") ? ["HEAD"] : [])].join(", ");
    app.all(path, (c) => {
      const detail = `Cannot ${c.req.method} ${new URL(c.req.url).pathname}: allowed are ${allow}`;
      return httpProblem(405, "Method Not Allowed", detail, { allow });
    });
  }
}

function honoPath({ path }: Operation): string {
  return path.replace(/\{(\w+)\}/g, ":$1");
}

/** What Node says of a client that hung up before the end of its body. */
const HUNG_UP = "ECONNRESET";

/** Where a handler threw. The log gets the place, but not the message, which might hold a key. */
function unexpected(error: Error & { code?: unknown }, c: Context<ApiEnv>): Response {
  if (error.code === HUNG_UP) {
    return httpProblem(400, "Bad Request", "Cannot read the body: the client hung up");
  }
  const place = error.stack?.split("\n").filter((line) => /^\s+at /.test(line)).join("\n") ?? "";
  console.error(`Cannot answer ${c.req.method} ${new URL(c.req.url).pathname}: ${error.name}\n${place}`);
  return httpProblem(503, "Service Unavailable", "Cannot answer: the gateway failed, its log says where");
}
