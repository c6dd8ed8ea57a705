/** SAs: XFRM_MSG_NEWSA, UPDSA, DELSA, GETSA, FLUSHSA, ALLOCSPI. */
import { z } from "zod";
import type { Gateway } from "../actors/gateway.ts";
import { ok, type Result } from "../actors/control/kernel_error.ts";
import { flushed, stateInfo } from "./answer_schemas.ts";
import { operation } from "./operation.ts";
import {
  refuseNames,
  requireNames,
  stateDeleteQuery,
  stateFilterOf,
  stateGetQuery,
  stateIdOf,
  type stateIdQuery,
  stateListQuery,
} from "./query_schemas.ts";
import { allocSpiRequest, stateRequest } from "./schemas.ts";

const STATES = "/v1/netns/{ns}/xfrm/states";

export const xfrmStateOperations = [
  operation({
    method: "get",
    path: STATES,
    summary: "SAs that match the filter, newest first",
    query: stateListQuery,
    answers: { 200: z.array(stateInfo) },
    handle: (gateway, { ns, query }) => gateway.listStates(ns, stateFilterOf(query), query.keys ?? false),
  }),
  operation({
    method: "post",
    path: STATES,
    summary: "Adds an SA (XFRM_MSG_NEWSA)",
    body: stateRequest,
    answers: { 201: stateInfo },
    handle: (gateway, { ns, body }) => gateway.newState(ns, body),
  }),
  operation({
    method: "put",
    path: STATES,
    summary: "Updates an SA: encapsulation, limits, output mark (XFRM_MSG_UPDSA)",
    body: stateRequest,
    answers: { 200: stateInfo },
    handle: (gateway, { ns, body }) => gateway.updState(ns, body),
  }),
  operation({
    method: "delete",
    path: STATES,
    summary: "Removes the SA with this dst, proto, spi and mark; with flush=true every SA that matches",
    query: stateDeleteQuery,
    answers: { 200: flushed, 204: null },
    handle: (gateway, { ns, query }) =>
      query.flush ? flushStates(gateway, ns, query) : delState(gateway, ns, query),
  }),
  operation({
    method: "get",
    path: `${STATES}/get`,
    summary: "The SA with this dst, proto, spi and mark (XFRM_MSG_GETSA)",
    query: stateGetQuery,
    answers: { 200: stateInfo },
    handle: (gateway, { ns, query }) => gateway.getState(ns, stateIdOf(query), query.keys ?? false),
  }),
  operation({
    method: "post",
    path: `${STATES}/allocspi`,
    summary: "Reserves an SPI for 30 seconds (XFRM_MSG_ALLOCSPI)",
    body: allocSpiRequest,
    answers: { 201: stateInfo },
    handle: (gateway, { ns, body }) => gateway.allocSpi(ns, body),
  }),
];

type DeleteQuery = z.output<typeof stateDeleteQuery>;

async function flushStates(gateway: Gateway, ns: string, query: DeleteQuery): Promise<Result<unknown>> {
  const refused = refuseNames(query, ["mark", "mask"], "a flush");
  if (!refused.ok) return refused;
  const result = await gateway.flushStates(ns, stateFilterOf(query));
  return result.ok ? ok({ count: result.value }) : result;
}

async function delState(gateway: Gateway, ns: string, query: DeleteQuery): Promise<Result<unknown>> {
  const refused = refuseNames(query, ["mode", "reqid"], "one SA, only with flush=true");
  if (!refused.ok) return refused;
  const complete = requireNames(query, ["dst", "proto", "spi"]);
  if (!complete.ok) return complete;
  return await gateway.delState(ns, stateIdOf(query as z.output<typeof stateIdQuery>));
}
