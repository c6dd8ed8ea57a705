/** What the SPD says beside its policies: XFRM_MSG_GETSPDINFO, NEWSPDINFO, GETDEFAULT, SETDEFAULT. */
import { spdInfo } from "./answer_schemas.ts";
import { operation } from "./operation.ts";
import { spdChange } from "./schemas.ts";

const SPD = "/v1/netns/{ns}/xfrm/spd";

export const xfrmSpdOperations = [
  operation({
    method: "get",
    path: SPD,
    summary: "Default policies and hash thresholds (XFRM_MSG_GETDEFAULT, XFRM_MSG_GETSPDINFO)",
    answers: { 200: spdInfo },
    handle: (gateway, { ns }) => gateway.getSpd(ns),
  }),
  operation({
    method: "patch",
    path: SPD,
    summary: "Changes those that are named (XFRM_MSG_SETDEFAULT, XFRM_MSG_NEWSPDINFO)",
    body: spdChange,
    answers: { 200: spdInfo },
    handle: (gateway, { ns, body }) => gateway.setSpd(ns, body),
  }),
];
