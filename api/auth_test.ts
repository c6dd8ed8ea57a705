import assert from "node:assert/strict";
import { GatewayDouble } from "../tests/doubles/gateway_double.ts";
import { createApp } from "./app.ts";

const TOKEN = "a-token-of-some-length";
const app = createApp(new GatewayDouble(), {
  origin: "tcp",
  token: TOKEN,
  hosts: ["localhost", "127.0.0.1", "[::1]"],
});

async function status(headers: Record<string, string>, path = "/v1/netns"): Promise<number> {
  const response = await app.request(path, { headers: { host: "localhost:8470", ...headers } });
  if (!response.ok) assert.equal(response.headers.get("content-type"), "application/problem+json");
  if (response.status === 401) assert.equal(response.headers.get("www-authenticate"), "Bearer");
  await response.body?.cancel();
  return response.status;
}

Deno.test("bearerAuth() wants the token on every path, known or not", async () => {
  for (const path of ["/v1/netns", "/metrics", "/healthz", "/openapi.json", "/v1/events", "/nothing"]) {
    assert.equal(await status({}, path), 401, path);
  }
  assert.equal(await status({ authorization: `Bearer ${TOKEN}` }), 200);
  assert.equal(await status({ authorization: `bearer  ${TOKEN} ` }), 200);
});

Deno.test("bearerAuth() refuses any other token", async () => {
  const wrong = [
    "",
    "Bearer",
    "Bearer ",
    `Basic ${TOKEN}`,
    TOKEN,
    `Bearer ${TOKEN}x`,
    `Bearer ${TOKEN.slice(1)}`,
  ];
  for (const authorization of wrong) assert.equal(await status({ authorization }), 401, authorization);
});

Deno.test("hostAllowList() refuses names that only resolve to loopback", async () => {
  const authorization = `Bearer ${TOKEN}`;
  for (const host of ["localhost", "LOCALHOST:1", "127.0.0.1:8470", "[::1]:8470"]) {
    assert.equal(await status({ host, authorization }), 200, host);
  }
  for (
    const host of ["evil.example", "localhost.evil.example:8470", "127.0.0.1.nip.io", "[::2]", "", ":8470"]
  ) {
    assert.equal(await status({ host, authorization }), 403, host);
  }
});

Deno.test("a unix socket's application asks for no token and takes any Host", async () => {
  const open = createApp(new GatewayDouble(), { origin: "unix" });
  assert.equal((await open.request("/v1/netns", { headers: { host: "vti-gateway" } })).status, 200);
});

Deno.test("no answer allows another origin", async () => {
  const headers = { host: "localhost", authorization: `Bearer ${TOKEN}`, origin: "https://evil.example" };
  const response = await app.request("/v1/netns", { headers });
  assert.equal(response.headers.get("access-control-allow-origin"), null);
});
