/**
 * The OpenAPI 3.1 document, written from the operations and the zod schemas that the application itself works by.
 */
import { z } from "zod";
import * as answers from "./answer_schemas.ts";
import type { Operation } from "./operation.ts";
import { PROBLEM_TYPE } from "./problem.ts";
import * as requests from "./schemas.ts";

/** Schemas that get a name of their own in the document. */
const NAMED = {
  LinkRequest: requests.linkRequest,
  LinkChange: requests.linkChange,
  LinkInfo: answers.linkInfo,
  TunnelParm: requests.tunnelParm,
  TunnelRequest: requests.tunnelRequest,
  TunnelInfo: answers.tunnelInfo,
  XfrmSelector: requests.selector,
  XfrmLimits: requests.limits,
  XfrmMark: requests.mark,
  XfrmStateRequest: requests.stateRequest,
  XfrmStateInfo: answers.stateInfo,
  AllocSpiRequest: requests.allocSpiRequest,
  XfrmPolicyRequest: requests.policyRequest,
  XfrmPolicyInfo: answers.policyInfo,
  NetnsInfo: answers.netnsInfo,
  GatewayHealth: answers.healthInfo,
  GatewayEvent: answers.eventInfo,
  XfrmStat: answers.xfrmStat,
  Flushed: answers.flushed,
  Problem: answers.problem,
} as const;

type Json = Record<string, unknown>;

export function openApiDocument(operations: readonly Operation[]): Json {
  const paths: Record<string, Json> = {};
  for (const operation of operations) {
    (paths[operation.path] ??= {})[operation.method] = describeOperation(operation);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "vti-gateway",
      version: "1",
      description:
        "Linux ip_vti in user space. Over TCP every call needs a token, whose scopes it names; over the unix " +
        "socket none. keys=true needs the scope keys too.",
      license: { name: "GPL-2.0-or-later", identifier: "GPL-2.0-or-later" },
    },
    paths,
    components: {
      schemas: componentSchemas(),
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
    },
  };
}

function componentSchemas(): Json {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(NAMED)) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, { uri: reference, io: "input" });
  return Object.fromEntries(Object.entries(schemas).map(([id, schema]) => [id, bare(schema)]));
}

function describeOperation(operation: Operation): Json {
  const { method, path, summary, query, body, answers, contentType } = operation;
  const responses = Object.entries(answers).map(([status, schema]) => [status, {
    description: Number(status) === 204 ? "Done" : "Success",
    ...(schema !== null && { content: { [contentType ?? "application/json"]: { schema: refer(schema) } } }),
    ...(schema === null && contentType !== undefined && { content: { [contentType]: {} } }),
  }]);
  return {
    operationId: operationId(method, path),
    summary,
    security: [{ token: [method === "get" ? "read" : "write"] }, {}],
    parameters: [...pathParameters(path), ...queryParameters(query)],
    ...(body &&
      { requestBody: { required: true, content: { "application/json": { schema: refer(body) } } } }),
    responses: {
      ...Object.fromEntries(responses),
      default: { description: "Refused", content: { [PROBLEM_TYPE]: { schema: refer(NAMED.Problem) } } },
    },
  };
}

function pathParameters(path: string): Json[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
}

function queryParameters(query: z.ZodObject): Json[] {
  const schema = z.toJSONSchema(query, { io: "input" });
  return Object.entries(schema.properties ?? {}).map(([name, property]) => ({
    name,
    in: "query",
    required: schema.required?.includes(name) ?? false,
    schema: property,
  }));
}

/** A reference for a named schema or an array of one; else the schema itself. */
function refer(schema: z.ZodType): Json {
  const named = Object.entries(NAMED).find(([, known]) => known === schema);
  if (named) return { $ref: reference(named[0]) };
  if (schema instanceof z.ZodArray) return { type: "array", items: refer(schema.element as z.ZodType) };
  return bare(z.toJSONSchema(schema, { io: "input" }));
}

function reference(id: string): string {
  return `#/components/schemas/${id}`;
}

/** Without the members that only a schema document of its own has. */
function bare(schema: object): Json {
  const { $schema: _, $id: __, ...rest } = schema as Json;
  return rest;
}

/** "get /v1/netns/{ns}/links" is "get_netns_links". */
function operationId(method: string, path: string): string {
  const words = path.split("/").filter((word) => word !== "" && word !== "v1" && !word.startsWith("{"));
  const ofOne = path.endsWith("}") ? ["one"] : [];
  return [method, ...words, ...ofOne].join("_").replaceAll(".", "_");
}
