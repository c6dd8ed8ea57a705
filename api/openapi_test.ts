import assert from "node:assert/strict";
import { z } from "zod";
import { LINK, NS, POLICY, SA, setUpApi } from "../tests/doubles/api_requests.ts";
import {
  healthInfo,
  linkInfo,
  netnsInfo,
  policyInfo,
  problem,
  stateInfo,
  xfrmStat,
} from "./answer_schemas.ts";

interface Document {
  openapi: string;
  paths: Record<string, Record<string, { operationId: string; parameters: { name: string; in: string }[] }>>;
  components: { schemas: Record<string, { additionalProperties?: boolean; properties?: object }> };
}

async function readDocument(): Promise<Document> {
  const { app } = setUpApi();
  return await (await app.request("/openapi.json")).json();
}

Deno.test("/openapi.json describes every call, itself included", async () => {
  const { openapi, paths } = await readDocument();
  assert.equal(openapi, "3.1.0");
  const calls = Object.entries(paths).flatMap(([path, ops]) =>
    Object.keys(ops).map((method) => `${method} ${path}`)
  );
  assert.deepEqual(calls.sort(), [
    "delete /v1/netns/{ns}",
    "delete /v1/netns/{ns}/links/{ifname}",
    "delete /v1/netns/{ns}/tunnels/{ifname}",
    "delete /v1/netns/{ns}/xfrm/policies",
    "delete /v1/netns/{ns}/xfrm/states",
    "get /healthz",
    "get /metrics",
    "get /openapi.json",
    "get /readyz",
    "get /v1/events",
    "get /v1/netns",
    "get /v1/netns/{ns}",
    "get /v1/netns/{ns}/links",
    "get /v1/netns/{ns}/links/{ifname}",
    "get /v1/netns/{ns}/tunnels",
    "get /v1/netns/{ns}/tunnels/{ifname}",
    "get /v1/netns/{ns}/xfrm/policies",
    "get /v1/netns/{ns}/xfrm/policies/get",
    "get /v1/netns/{ns}/xfrm/spd",
    "get /v1/netns/{ns}/xfrm/stat",
    "get /v1/netns/{ns}/xfrm/states",
    "get /v1/netns/{ns}/xfrm/states/get",
    "patch /v1/netns/{ns}/links/{ifname}",
    "patch /v1/netns/{ns}/xfrm/spd",
    "post /v1/netns/{ns}/links",
    "post /v1/netns/{ns}/tunnels",
    "post /v1/netns/{ns}/xfrm/policies",
    "post /v1/netns/{ns}/xfrm/states",
    "post /v1/netns/{ns}/xfrm/states/allocspi",
    "put /v1/netns/{ns}",
    "put /v1/netns/{ns}/links/{ifname}",
    "put /v1/netns/{ns}/tunnels/{ifname}",
    "put /v1/netns/{ns}/xfrm/policies",
    "put /v1/netns/{ns}/xfrm/states",
  ]);
  const ids = Object.values(paths).flatMap((ops) => Object.values(ops).map((op) => op.operationId));
  assert.equal(new Set(ids).size, ids.length);
});

Deno.test("/openapi.json has no reference that leads nowhere", async () => {
  const document = await readDocument();
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, ref]) => ref!);
  assert.ok(references.length > 20);
  for (const reference of references) {
    const name = /^#\/components\/schemas\/(\w+)$/.exec(reference)?.[1];
    assert.ok(name !== undefined && name in document.components.schemas, reference);
  }
});

Deno.test("/openapi.json says that bodies are strict and which parameters there are", async () => {
  const { components, paths } = await readDocument();
  assert.equal(components.schemas["XfrmStateRequest"]?.additionalProperties, false);
  assert.ok("aead" in components.schemas["XfrmStateRequest"]!.properties!);
  const names = paths["/v1/netns/{ns}/xfrm/states"]!["get"]!.parameters.map((p) => `${p.in} ${p.name}`);
  assert.deepEqual(names, [
    "path ns",
    "query src",
    "query dst",
    "query proto",
    "query spi",
    "query mode",
    "query reqid",
    "query keys",
  ]);
});

Deno.test("answers are what the document says", async () => {
  const { ask } = setUpApi();
  linkInfo.parse((await ask("POST", `${NS}/links`, LINK)).answer);
  stateInfo.parse((await ask("POST", `${NS}/xfrm/states`, SA)).answer);
  const full = {
    ...SA,
    spi: 2,
    aead: undefined,
    enc: { name: "aes", key: "0x00" },
    auth: { name: "sha1", key: "k", trunc_bits: 96 },
    encap: { type: "espinudp", sport: 4500, dport: 4500, oaddr: "0.0.0.0" },
    output_mark: { value: 1, mask: 1 },
    flags: ["esn", "af-unspec"],
    extra_flags: ["dont-encap-dscp"],
    replay_window: 128,
    if_id: 4,
    tfcpad: 100,
  };
  stateInfo.parse((await ask("POST", `${NS}/xfrm/states`, full)).answer);
  policyInfo.parse((await ask("POST", `${NS}/xfrm/policies`, POLICY)).answer);
  z.array(linkInfo).parse((await ask("GET", `${NS}/links`)).answer);
  z.array(stateInfo).length(2).parse((await ask("GET", `${NS}/xfrm/states?keys=true`)).answer);
  z.array(policyInfo).parse((await ask("GET", `${NS}/xfrm/policies`)).answer);
  z.array(netnsInfo).parse((await ask("GET", "/v1/netns")).answer);
  xfrmStat.parse((await ask("GET", `${NS}/xfrm/stat`)).answer);
  healthInfo.parse((await ask("GET", "/healthz")).answer);
  const refused = await ask("POST", `${NS}/xfrm/states`, {
    ...SA,
    spi: 3,
    aead: { ...SA.aead, icv_bits: 1 },
  });
  problem.parse(refused.answer);
  assert.equal(refused.answer.extack, "Requested AEAD algorithm not found");
});

Deno.test("/readyz is 503 until every worker serves, /healthz answers all the while", async () => {
  const { gateway, ask } = setUpApi();
  assert.equal((await ask("GET", "/readyz")).status, 200);
  gateway.ready = false;
  const waiting = await ask("GET", "/readyz");
  assert.equal(waiting.status, 503);
  assert.match(waiting.answer.detail, /worker 1 is starting/);
  assert.equal((await ask("GET", "/healthz")).answer.ready, false);
});
