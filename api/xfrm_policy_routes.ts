/** Policies: XFRM_MSG_NEWPOLICY, UPDPOLICY, DELPOLICY, GETPOLICY, FLUSHPOLICY. */
import { z } from "zod";
import type { Gateway } from "../actors/gateway.ts";
import { ok, type Result } from "../actors/control/kernel_error.ts";
import { flushed, policyInfo } from "./answer_schemas.ts";
import { operation } from "./operation.ts";
import { policyDeleteQuery, policyIdOf, policyIdQuery, refuseNames, requireNames } from "./query_schemas.ts";
import { policyRequest } from "./schemas.ts";

const POLICIES = "/v1/netns/{ns}/xfrm/policies";

export const xfrmPolicyOperations = [
  operation({
    method: "get",
    path: POLICIES,
    summary: "Policies, newest first",
    answers: { 200: z.array(policyInfo) },
    handle: (gateway, { ns }) => gateway.listPolicies(ns),
  }),
  operation({
    method: "post",
    path: POLICIES,
    summary: "Adds a policy (XFRM_MSG_NEWPOLICY)",
    body: policyRequest,
    answers: { 201: policyInfo },
    handle: (gateway, { ns, body }) => gateway.newPolicy(ns, body),
  }),
  operation({
    method: "put",
    path: POLICIES,
    summary: "Replaces the policy with this selector, dir and mark, or adds it (XFRM_MSG_UPDPOLICY)",
    body: policyRequest,
    answers: { 200: policyInfo },
    handle: (gateway, { ns, body }) => gateway.updPolicy(ns, body),
  }),
  operation({
    method: "delete",
    path: POLICIES,
    summary: "Removes the policy with this selector or index, dir and mark; with flush=true all of a ptype",
    query: policyDeleteQuery,
    answers: { 200: flushed, 204: null },
    handle: (gateway, { ns, query }) =>
      query.flush ? flushPolicies(gateway, ns, query) : delPolicy(gateway, ns, query),
  }),
  operation({
    method: "get",
    path: `${POLICIES}/get`,
    summary: "The policy with this selector or index, dir and mark (XFRM_MSG_GETPOLICY)",
    query: policyIdQuery,
    answers: { 200: policyInfo },
    handle: (gateway, { ns, query }) => gateway.getPolicy(ns, policyIdOf(query)),
  }),
];

type DeleteQuery = z.output<typeof policyDeleteQuery>;

async function flushPolicies(gateway: Gateway, ns: string, query: DeleteQuery): Promise<Result<unknown>> {
  const others = Object.keys(query).filter((name) => name !== "flush" && name !== "ptype");
  const refused = refuseNames(query, others, "a flush");
  if (!refused.ok) return refused;
  const result = await gateway.flushPolicies(ns, query.ptype ?? "main");
  return result.ok ? ok({ count: result.value }) : result;
}

async function delPolicy(gateway: Gateway, ns: string, query: DeleteQuery): Promise<Result<unknown>> {
  const complete = requireNames(query, ["dir"]);
  if (!complete.ok) return complete;
  return await gateway.delPolicy(ns, policyIdOf(query as z.output<typeof policyIdQuery>));
}
