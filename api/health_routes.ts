/** Whether the gateway lives, and whether it forwards. */
import { healthInfo } from "./answer_schemas.ts";
import { type Operation, operation } from "./operation.ts";
import { httpProblem } from "./problem.ts";
import { noQuery } from "./query_schemas.ts";
import { ok } from "../actors/control/kernel_error.ts";

const readyz: Operation = {
  method: "get",
  path: "/readyz",
  summary: "200 when every worker serves, else 503",
  query: noQuery,
  answers: { 200: healthInfo },
  respond(gateway) {
    const health = gateway.health();
    if (health.ready) return Response.json(health);
    const waiting = health.workers.map((worker) => `worker ${worker.id} is ${worker.state}`);
    const state = waiting.length === 0 ? "no worker yet" : waiting.join(", ");
    return httpProblem(503, "Service Unavailable", `Cannot serve yet: ${state}`);
  },
};

export const healthOperations = [
  operation({
    method: "get",
    path: "/healthz",
    summary: "Answers while the daemon lives: placement, crypto library, workers",
    answers: { 200: healthInfo },
    handle: (gateway) => Promise.resolve(ok(gateway.health())),
  }),
  readyz,
];
