/** The ioctls of `ip tunnel`: SIOCGETTUNNEL, SIOCADDTUNNEL, SIOCCHGTUNNEL, SIOCDELTUNNEL. */
import { z } from "zod";
import { tunnelInfo } from "./answer_schemas.ts";
import { operation } from "./operation.ts";
import { tunnelEndsQuery } from "./query_schemas.ts";
import { tunnelParm, tunnelRequest } from "./schemas.ts";

const TUNNELS = "/v1/netns/{ns}/tunnels";
const TUNNEL = `${TUNNELS}/{ifname}`;

export const tunnelOperations = [
  operation({
    method: "get",
    path: TUNNELS,
    summary: "Parameters of all tunnels, as ip tunnel show prints them",
    answers: { 200: z.array(tunnelInfo) },
    handle: (gateway, { ns }) => gateway.listTunnels(ns),
  }),
  operation({
    method: "post",
    path: TUNNELS,
    summary: "Makes a tunnel (SIOCADDTUNNEL)",
    body: tunnelRequest,
    answers: { 201: tunnelInfo },
    handle: (gateway, { ns, body }) => gateway.addTunnel(ns, body),
  }),
  operation({
    method: "get",
    path: TUNNEL,
    summary: "Parameters of one tunnel; of ip_vti0, the tunnel with these ends (SIOCGETTUNNEL)",
    query: tunnelEndsQuery,
    answers: { 200: tunnelInfo },
    handle: (gateway, { ns, ifname, query }) => gateway.getTunnel(ns, ifname, query),
  }),
  operation({
    method: "put",
    path: TUNNEL,
    summary: "Replaces a tunnel's parameters; of ip_vti0, the tunnel with these ends (SIOCCHGTUNNEL)",
    body: tunnelParm,
    answers: { 200: tunnelInfo },
    handle: (gateway, { ns, ifname, body }) => gateway.chgTunnel(ns, ifname, body),
  }),
  operation({
    method: "delete",
    path: TUNNEL,
    summary: "Removes a tunnel; of ip_vti0, the tunnel with these ends (SIOCDELTUNNEL)",
    query: tunnelEndsQuery,
    answers: { 204: null },
    handle: (gateway, { ns, ifname, query }) => gateway.delTunnel(ns, ifname, query),
  }),
];
