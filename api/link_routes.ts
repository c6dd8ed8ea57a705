/** Tunnels: newlink, changelink, dellink, fill_info; and the ioctls of `ip tunnel`. */
import { z } from "zod";
import { linkInfo } from "./answer_schemas.ts";
import { operation } from "./operation.ts";
import { linkChange, linkRequest } from "./schemas.ts";
import { tunnelOperations } from "./tunnel_routes.ts";

const LINKS = "/v1/netns/{ns}/links";
const LINK = `${LINKS}/{ifname}`;

export const linkOperations = [
  operation({
    method: "get",
    path: LINKS,
    summary: "Tunnels, as ip -d -s -j link show prints them",
    answers: { 200: z.array(linkInfo) },
    handle: (gateway, { ns }) => gateway.listLinks(ns),
  }),
  operation({
    method: "post",
    path: LINKS,
    summary: "Makes a tunnel (newlink)",
    body: linkRequest,
    answers: { 201: linkInfo },
    handle: (gateway, { ns, body }) => gateway.newlink(ns, body),
  }),
  operation({
    method: "get",
    path: LINK,
    summary: "One tunnel",
    answers: { 200: linkInfo },
    handle: (gateway, { ns, ifname }) => gateway.getLink(ns, ifname),
  }),
  operation({
    method: "put",
    path: LINK,
    summary: "Replaces a tunnel's parameters: what is absent becomes 0, but for fwmark (changelink)",
    body: linkChange,
    answers: { 200: linkInfo },
    handle: (gateway, { ns, ifname, body }) => gateway.changelink(ns, ifname, body, true),
  }),
  operation({
    method: "patch",
    path: LINK,
    summary: "Changes a tunnel's parameters: what is absent stays",
    body: linkChange,
    answers: { 200: linkInfo },
    handle: (gateway, { ns, ifname, body }) => gateway.changelink(ns, ifname, body, false),
  }),
  operation({
    method: "delete",
    path: LINK,
    summary: "Removes a tunnel (dellink)",
    answers: { 204: null },
    handle: (gateway, { ns, ifname }) => gateway.dellink(ns, ifname),
  }),
  ...tunnelOperations,
];
