/** Every call of the API: what is routed, described and guarded. */
import { eventsOperation } from "./events_routes.ts";
import { healthOperations } from "./health_routes.ts";
import { linkOperations } from "./link_routes.ts";
import { metricsOperation } from "./metrics.ts";
import { netnsOperations } from "./netns_routes.ts";
import { openApiDocument } from "./openapi.ts";
import type { Operation } from "./operation.ts";
import { noQuery } from "./query_schemas.ts";
import { xfrmPolicyOperations } from "./xfrm_policy_routes.ts";
import { xfrmSpdOperations } from "./xfrm_spd_routes.ts";
import { xfrmStateOperations } from "./xfrm_state_routes.ts";

/** `closing` ends the event streams. */
export function apiOperations(closing: AbortSignal): readonly Operation[] {
  const operations: Operation[] = [
    ...netnsOperations,
    ...linkOperations,
    ...xfrmStateOperations,
    ...xfrmPolicyOperations,
    ...xfrmSpdOperations,
    eventsOperation(closing),
    metricsOperation,
    ...healthOperations,
  ];
  // Writing it takes 15 ms, and it never changes.
  let document: string | undefined;
  operations.push({
    method: "get",
    path: "/openapi.json",
    summary: "This document",
    query: noQuery,
    answers: { 200: null },
    contentType: "application/json",
    respond() {
      document ??= JSON.stringify(openApiDocument(operations));
      return new Response(document, { headers: { "content-type": "application/json" } });
    },
  });
  return operations;
}
