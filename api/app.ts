/**
 * The HTTP API as one Hono application over a Gateway. Every answer but success is a problem (RFC 9457).
 */
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { Gateway } from "../actors/gateway.ts";
import { bearerAuth, hostAllowList } from "./auth.ts";
import { eventsOperation } from "./events_routes.ts";
import { healthOperations } from "./health_routes.ts";
import { linkOperations } from "./link_routes.ts";
import { metricsOperation } from "./metrics.ts";
import { netnsOperations } from "./netns_routes.ts";
import { openApiDocument } from "./openapi.ts";
import type { Operation } from "./operation.ts";
import { httpProblem } from "./problem.ts";
import { noQuery } from "./query_schemas.ts";
import { xfrmPolicyOperations } from "./xfrm_policy_routes.ts";
import { xfrmStateOperations } from "./xfrm_state_routes.ts";

/** Bytes of a request's body. The largest request, a policy with all its templates, takes a few thousand. */
const MAX_BODY_BYTES = 1_000_000;

export type AppOptions =
  & {
    /** Ends the event streams. */
    readonly closing?: AbortSignal;
  }
  & (
    | { readonly origin: "unix" }
    /** `hosts`: names that a Host header may have. */
    | { readonly origin: "tcp"; readonly token: string; readonly hosts: readonly string[] }
  );

export function createApp(gateway: Gateway, options: AppOptions): Hono {
  const app = new Hono();
  if (options.origin === "tcp") {
    app.use(hostAllowList(options.hosts));
    app.use(bearerAuth(options.token));
  }
  app.use(bodyLimit({
    maxSize: MAX_BODY_BYTES,
    onError: () =>
      httpProblem(413, "Content Too Large", `Cannot read the body: longer than ${MAX_BODY_BYTES} bytes`),
  }));
  const operations = [
    ...netnsOperations,
    ...linkOperations,
    ...xfrmStateOperations,
    ...xfrmPolicyOperations,
    eventsOperation(options.closing ?? new AbortController().signal),
    metricsOperation,
    ...healthOperations,
  ];
  operations.push(openApiOperation(operations));
  for (const operation of operations) {
    app.on(operation.method.toUpperCase(), honoPath(operation), (c) => operation.respond(gateway, c));
  }
  refuseOtherMethods(app, operations);
  app.notFound((c) =>
    httpProblem(404, "Not Found", `Cannot find ${new URL(c.req.url).pathname}: no such path`)
  );
  app.onError(unexpected);
  return app;
}

function openApiOperation(operations: readonly Operation[]): Operation {
  const operation: Operation = {
    method: "get",
    path: "/openapi.json",
    summary: "This document",
    query: noQuery,
    answers: { 200: null },
    contentType: "application/json",
    respond: () => Response.json(openApiDocument([...operations])),
  };
  return operation;
}

/** 405 with Allow for every path that exists (RFC 9110 §15.5.6). */
function refuseOtherMethods(app: Hono, operations: readonly Operation[]): void {
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

/** Where a handler threw. The log gets the place, but not the message, which might hold a key. */
function unexpected(error: Error, c: Context): Response {
  const place = error.stack?.split("\n").filter((line) => /^\s+at /.test(line)).join("\n") ?? "";
  console.error(`Cannot answer ${c.req.method} ${new URL(c.req.url).pathname}: ${error.name}\n${place}`);
  return httpProblem(503, "Service Unavailable", "Cannot answer: the gateway failed, its log says where");
}
