import assert from "node:assert/strict";
import { GatewayDouble } from "../tests/doubles/gateway_double.ts";
import { makeTokenFile, serveTcp, serveUnix } from "./serve.ts";

async function inTempDir(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "vti-gateway-api-" });
  try {
    await body(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function modeOf(path: string): Promise<number> {
  return (await Deno.stat(path)).mode! & 0o777;
}

Deno.test("serveUnix() serves its owner and group, and takes the socket away", () =>
  inTempDir(async (dir) => {
    const path = `${dir}/api.sock`;
    const server = await serveUnix(new GatewayDouble(), path);
    assert.equal(await modeOf(path), 0o660);
    using client = Deno.createHttpClient({ proxy: { transport: "unix", path } });
    const response = await fetch("http://vti-gateway/v1/netns", { client });
    assert.equal(response.status, 200);
    assert.equal((await response.json())[0].name, "self");
    await server.close();
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
  }));

Deno.test("serveUnix() replaces the socket of a dead daemon, never that of a living one", () =>
  inTempDir(async (dir) => {
    const path = `${dir}/api.sock`;
    const dead = Deno.listen({ transport: "unix", path });
    dead.close();
    const server = await serveUnix(new GatewayDouble(), path);
    await assert.rejects(serveUnix(new GatewayDouble(), path), /another daemon answers there/);
    await server.close();
  }));

Deno.test("close() ends event streams", () =>
  inTempDir(async (dir) => {
    const path = `${dir}/api.sock`;
    const server = await serveUnix(new GatewayDouble(), path);
    using client = Deno.createHttpClient({ proxy: { transport: "unix", path } });
    const response = await fetch("http://vti-gateway/v1/events", { client });
    const text = response.text();
    await server.close();
    assert.match(await text, /^: vti-gateway/);
  }));

Deno.test("a client that hangs up ends its event stream", () =>
  inTempDir(async (dir) => {
    const gateway = new GatewayDouble();
    const events = gateway.events.bind(gateway);
    const ended = Promise.withResolvers<void>();
    gateway.events = (after, signal) => {
      signal.addEventListener("abort", () => ended.resolve());
      return events(after, signal);
    };
    const server = await serveUnix(gateway, `${dir}/api.sock`);
    const client = await Deno.connect({ transport: "unix", path: `${dir}/api.sock` });
    await client.write(new TextEncoder().encode("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n"));
    await client.read(new Uint8Array(1024));
    client.close();
    await ended.promise;
    await server.close();
  }));

Deno.test("serveTcp() wants the token", async () => {
  const server = serveTcp(new GatewayDouble(), { hostname: "127.0.0.1", port: 0 }, "the-token");
  try {
    const url = `http://${server.address}/v1/netns`;
    const refused = await fetch(url);
    assert.equal(refused.status, 401);
    await refused.body?.cancel();
    const served = await fetch(url, { headers: { authorization: "Bearer the-token" } });
    assert.equal(served.status, 200);
    await served.body?.cancel();
  } finally {
    await server.close();
  }
});

Deno.test("serveTcp() refuses what is not loopback", () => {
  for (const hostname of ["0.0.0.0", "::", "192.0.2.1", "example.org", "127.example.org"]) {
    const listen = () => serveTcp(new GatewayDouble(), { hostname, port: 0 }, "t");
    assert.throws(listen, /not loopback, and there is no TLS/, hostname);
  }
});

Deno.test("makeTokenFile() writes a new token that only its owner reads", () =>
  inTempDir(async (dir) => {
    const path = `${dir}/token`;
    await Deno.writeTextFile(path, "old", { mode: 0o644 });
    const token = await makeTokenFile(path);
    assert.equal(await modeOf(path), 0o600);
    assert.match(token, /^[\w-]{43}$/);
    assert.equal((await Deno.readTextFile(path)).trim(), token);
    assert.notEqual(await makeTokenFile(path), token);
  }));
