/**
 * One call of the API: where it is, what it takes, what it answers. The application routes by it and the OpenAPI
 * document is written from it, so that the two can't differ.
 */
import type { Context } from "hono";
import { z } from "zod";
import type { Gateway } from "../actors/gateway.ts";
import { fail, type KernelError, ok, type Result } from "../actors/control/kernel_error.ts";
import { subjectOf } from "./audit.ts";
import type { ApiEnv } from "./env.ts";
import { httpProblem, kernelProblem } from "./problem.ts";
import { noQuery } from "./query_schemas.ts";

export type Method = "get" | "post" | "put" | "patch" | "delete";

export interface Operation {
  readonly method: Method;
  /** With {name} for its parameters, as in OpenAPI. */
  readonly path: string;
  readonly summary: string;
  readonly query: z.ZodObject;
  readonly body?: z.ZodType;
  /** Status and body of success; null is an answer without a body. */
  readonly answers: Readonly<Record<number, z.ZodType | null>>;
  /** Where it is not JSON. */
  readonly contentType?: string;
  respond(gateway: Gateway, c: Context<ApiEnv>): Promise<Response> | Response;
}

/** What a handler is given, all of it checked. */
export interface Asked<Q, B> {
  /** Parameters of the path, percent-decoded. */
  readonly ns: string;
  readonly ifname: string;
  readonly query: Q;
  readonly body: B;
}

interface JsonOperation<Q extends z.ZodObject, B extends z.ZodType>
  extends Pick<Operation, "method" | "path" | "summary" | "answers"> {
  readonly query?: Q;
  readonly body?: B;
  /** Its value is the answer's body; undefined is 204 No Content. */
  handle(gateway: Gateway, asked: Asked<z.output<Q>, z.output<B>>): Promise<Result<unknown>>;
}

const NETNS = /^(?:self|pid:[1-9][0-9]{0,9}|(?!pid:)(?!\.{1,2}$)[^/\0]{1,255})$/;

/** An operation that answers JSON. Its first answer is that of success with a body. */
export function operation<Q extends z.ZodObject = typeof noQuery, B extends z.ZodType = z.ZodUndefined>(
  { method, path, summary, query, body, answers, handle }: JsonOperation<Q, B>,
): Operation {
  const [status] = Object.keys(answers).map(Number);
  async function respond(gateway: Gateway, c: Context<ApiEnv>): Promise<Response> {
    const ns = c.req.param("ns") ?? "";
    const ifname = c.req.param("ifname") ?? "";
    const place = subjectOf({ ns, ifname });
    c.set("place", place);
    c.set("subject", place);
    if (path.includes("{ns}") && !NETNS.test(ns)) {
      return refuse(c, {
        errno: "EINVAL",
        message: `Cannot use namespace: no such name`,
        attribute: "ns",
      });
    }
    const asked = checkQuery(query ?? noQuery, c);
    if (!asked.ok) return refuse(c, asked.error);
    const given = body === undefined ? ok(undefined) : await checkBody(body, c);
    if (given instanceof Response) return given;
    if (!given.ok) return refuse(c, given.error);
    c.set("subject", subjectOf(given.value, infoData(given.value), asked.value, place));
    const result = await handle(gateway, {
      ns,
      ifname,
      query: asked.value as z.output<Q>,
      body: given.value as z.output<B>,
    });
    if (!result.ok) return refuse(c, result.error);
    return result.value === undefined ? c.body(null, 204) : Response.json(result.value, { status: status! });
  }
  return { method, path, summary, query: query ?? noQuery, ...(body && { body }), answers, respond };
}

function refuse(c: Context<ApiEnv>, error: KernelError): Response {
  c.set("errno", error.errno);
  return kernelProblem(error);
}

/** The parameters of a tunnel in a body that has some. */
function infoData(body: unknown): unknown {
  return (body as { linkinfo?: { info_data?: unknown } } | undefined)?.linkinfo?.info_data;
}

/** Holds a value against a schema; the error names the first attribute to blame, by its path. */
export function check<T extends z.ZodType>(schema: T, value: unknown): Result<z.output<T>> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return ok(parsed.data);
  const issue = parsed.error.issues[0]!;
  const path = issue.code === "unrecognized_keys" ? [...issue.path, issue.keys[0]!] : issue.path;
  const attribute = path.map(String).join(".");
  // zod's message says what was expected and never repeats the value, which may be a key.
  const message = `Cannot read ${attribute || "the request"}: ${describe(issue)}`;
  return attribute === "" ? fail("EINVAL", message) : fail("EINVAL", message, attribute);
}

function describe(issue: z.core.$ZodIssue): string {
  return issue.code === "unrecognized_keys"
    ? "unknown name"
    : issue.message.charAt(0).toLowerCase() + issue.message.slice(1);
}

function checkQuery(schema: z.ZodObject, c: Context<ApiEnv>): Result<unknown> {
  const given = Object.entries(c.req.queries());
  const twice = given.find(([, values]) => values.length > 1);
  if (twice) return fail("EINVAL", `Cannot read ${twice[0]}: given twice`, twice[0]);
  return check(schema, Object.fromEntries(given.map(([name, [value]]) => [name, value])));
}

async function checkBody(schema: z.ZodType, c: Context<ApiEnv>): Promise<Result<unknown> | Response> {
  const text = await c.req.text();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own message would repeat the text, and with it a key.
    return httpProblem(400, "Bad Request", "Cannot read the body: it is not JSON");
  }
  return check(schema, value);
}
