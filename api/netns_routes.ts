/** Namespaces: init_net and exit_batch; and the counters of /proc/net/xfrm_stat. */
import { z } from "zod";
import { netnsInfo, xfrmStat } from "./answer_schemas.ts";
import { operation } from "./operation.ts";
import { ok } from "../actors/control/kernel_error.ts";

const NETNS = "/v1/netns/{ns}";

export const netnsOperations = [
  operation({
    method: "get",
    path: "/v1/netns",
    summary: "Namespaces that the gateway serves",
    answers: { 200: z.array(netnsInfo) },
    handle: async (gateway) => ok(await gateway.listNetns()),
  }),
  operation({
    method: "get",
    path: NETNS,
    summary: "One namespace: a name under /run/netns, pid:N, or self",
    answers: { 200: netnsInfo },
    handle: (gateway, { ns }) => gateway.getNetns(ns),
  }),
  operation({
    method: "put",
    path: NETNS,
    summary: "Makes the namespace where it is not there, and serves it",
    answers: { 200: netnsInfo },
    handle: (gateway, { ns }) => gateway.newNetns(ns),
  }),
  operation({
    method: "delete",
    path: NETNS,
    summary: "Removes every tunnel, SA and policy of the namespace, and its name",
    answers: { 204: null },
    handle: (gateway, { ns }) => gateway.delNetns(ns),
  }),
  operation({
    method: "get",
    path: `${NETNS}/xfrm/stat`,
    summary: "Counters of /proc/net/xfrm_stat",
    answers: { 200: xfrmStat },
    handle: (gateway, { ns }) => gateway.xfrmStat(ns),
  }),
];
