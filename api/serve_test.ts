import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { connect } from "node:tls";
import { GatewayDouble } from "../tests/doubles/gateway_double.ts";
import type { AuditEntry } from "./audit.ts";
import { SCOPES } from "./caller.ts";
import { type ApiServer, serveTcp, serveUnix, type TcpOptions } from "./serve.ts";

async function inTempDir(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "vti-gateway-api-" });
  try {
    await body(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const TCP: TcpOptions = {
  hostname: "127.0.0.1",
  port: 0,
  tokens: (token) => token === "good" ? { name: "good", scopes: new Set(SCOPES) } : null,
};
const AUTHORIZED = { authorization: "Bearer good" };

async function modeOf(path: string): Promise<number> {
  return (await Deno.stat(path)).mode! & 0o777;
}

Deno.test("serveUnix() serves its owner and group, knows who asks, and takes the socket away", () =>
  inTempDir(async (dir) => {
    const path = `${dir}/api.sock`;
    const audited: AuditEntry[] = [];
    const server = await serveUnix(new GatewayDouble(), {
      path,
      gid: Deno.gid()!,
      credentials: (fd) => fd > 2 ? { uid: 7, gid: 8, pid: 9 } : null,
      audit: (entry) => audited.push(entry),
    });
    assert.equal(await modeOf(path), 0o660);
    using client = Deno.createHttpClient({ proxy: { transport: "unix", path } });
    const response = await fetch("http://vti-gateway/v1/netns", { client });
    assert.equal(response.status, 200);
    assert.equal((await response.json())[0].name, "self");
    const refused = await fetch("http://vti-gateway/v1/netns/self/links/no", { client, method: "DELETE" });
    assert.equal(refused.status, 404);
    await refused.body?.cancel();
    assert.deepEqual(audited.map(({ peer }) => peer), [{ transport: "unix", uid: 7, gid: 8, pid: 9 }]);
    await server.close();
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
  }));

Deno.test("serveUnix() replaces the socket of a dead daemon, never that of a living one", () =>
  inTempDir(async (dir) => {
    const path = `${dir}/api.sock`;
    const dead = Deno.listen({ transport: "unix", path });
    dead.close();
    const server = await serveUnix(new GatewayDouble(), { path });
    await assert.rejects(serveUnix(new GatewayDouble(), { path }), /another daemon answers there/);
    await server.close();
  }));

Deno.test("close() ends event streams", () =>
  inTempDir(async (dir) => {
    const path = `${dir}/api.sock`;
    const server = await serveUnix(new GatewayDouble(), { path });
    using client = Deno.createHttpClient({ proxy: { transport: "unix", path } });
    const response = await fetch("http://vti-gateway/v1/events", { client });
    const text = response.text();
    await server.close();
    assert.match(await text, /^: vti-gateway/);
  }));

for (const [what, requests] of [["alone", 1], ["behind another", 2]] as const) {
  Deno.test(`a client that hangs up ends its event stream, ${what}`, () =>
    inTempDir(async (dir) => {
      const gateway = new GatewayDouble();
      const events = gateway.events.bind(gateway);
      const [open, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      let [streams, ends] = [0, 0];
      gateway.events = (after, signal) => {
        if (++streams === requests) open.resolve();
        signal.addEventListener("abort", () => ++ends === requests && ended.resolve());
        return events(after, signal);
      };
      const server = await serveUnix(gateway, { path: `${dir}/api.sock` });
      const client = await Deno.connect({ transport: "unix", path: `${dir}/api.sock` });
      const head = "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n";
      await client.write(new TextEncoder().encode(head.repeat(requests)));
      await open.promise;
      client.close();
      await ended.promise;
      await server.close();
    }));
}

Deno.test("a client that hangs up within its body is not worth a line", () =>
  inTempDir(async (dir) => {
    const path = `${dir}/api.sock`;
    const server = await serveUnix(new GatewayDouble(), { path });
    const logged: unknown[] = [];
    const { error } = console;
    console.error = (...words: unknown[]) => logged.push(...words);
    try {
      const client = await Deno.connect({ transport: "unix", path });
      const head = "POST /v1/netns/self/links HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{";
      await client.write(new TextEncoder().encode(head));
      await client.closeWrite();
      assert.doesNotMatch(await new Response(client.readable).text(), / 20\d | 503 /);
      await server.close();
    } finally {
      console.error = error;
    }
    assert.deepEqual(logged, []);
  }));

Deno.test("an event reaches a client as it comes", () =>
  inTempDir(async (dir) => {
    const gateway = new GatewayDouble();
    const path = `${dir}/api.sock`;
    const server = await serveUnix(gateway, { path });
    using client = Deno.createHttpClient({ proxy: { transport: "unix", path } });
    const reader = (await fetch("http://vti-gateway/v1/events", { client })).body!.getReader();
    const next = async () => new TextDecoder().decode((await reader.read()).value);
    assert.equal(await next(), ": vti-gateway\n\n");
    for (const name of ["one", "two"]) {
      gateway.tell("newlink", { name });
      assert.match(await next(), new RegExp(`^id: \\d\nevent: newlink\ndata: .*${name}`));
    }
    await reader.cancel();
    await server.close();
  }));

Deno.test("serveTcp() wants the token", async () => {
  const server = await serveTcp(new GatewayDouble(), TCP);
  try {
    const url = `http://${server.address}/v1/netns`;
    const refused = await fetch(url);
    assert.equal(refused.status, 401);
    await refused.body?.cancel();
    const served = await fetch(url, { headers: AUTHORIZED });
    assert.equal(served.status, 200);
    await served.body?.cancel();
  } finally {
    await server.close();
  }
});

Deno.test("serveTcp() refuses what is not loopback when there is no certificate", async () => {
  for (const hostname of ["0.0.0.0", "::", "192.0.2.1", "example.org", "127.example.org"]) {
    const listening = serveTcp(new GatewayDouble(), { ...TCP, hostname });
    await assert.rejects(listening, /not loopback, and there is no --tls-cert/, hostname);
  }
});

Deno.test("serveTcp() says that a port is taken", async () => {
  const server = await serveTcp(new GatewayDouble(), TCP);
  const port = Number(server.address.split(":")[1]);
  await assert.rejects(serveTcp(new GatewayDouble(), { ...TCP, port }), /Cannot listen on .*: EADDRINUSE/);
  await server.close();
});

// ---- TLS ---------------------------------------------------------------------------------------------------------

/** A certificate of its own for these names, made by openssl. */
function makeCertificate(
  dir: string,
  commonName: string,
  names: string,
): { certFile: string; keyFile: string } {
  const files = { certFile: `${dir}/cert.pem`, keyFile: `${dir}/key.pem` };
  execFileSync("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
    ...["-keyout", files.keyFile, "-out", files.certFile, "-subj", `/CN=${commonName}`],
    ...["-addext", `subjectAltName=${names}`],
  ], { stdio: "ignore" });
  Deno.chmodSync(files.keyFile, 0o600);
  return files;
}

async function withTls(
  body: (server: ApiServer, port: number, dir: string) => Promise<void>,
  names = "DNS:gw.example,DNS:*.wild.example,IP:127.0.0.1",
): Promise<void> {
  await inTempDir(async (dir) => {
    const tls = makeCertificate(dir, "first", names);
    const server = await serveTcp(new GatewayDouble(), { ...TCP, hostname: "0.0.0.0", tls });
    try {
      await body(server, Number(server.address.split(":")[1]), dir);
    } finally {
      await server.close();
    }
  });
}

/** The head of the answer to a GET with this Host, and the common name of the certificate. */
function askTls(port: number, host: string): Promise<{ head: string; name: string }> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
      const name = String(socket.getPeerCertificate().subject?.CN);
      socket.write(`GET /v1/netns HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer good\r\n\r\n`);
      socket.once("data", (data) => {
        socket.destroy();
        resolve({ head: String(data).split("\r\n")[0]!, name });
      });
    });
    socket.once("error", reject);
  });
}

Deno.test("serveTcp() with a certificate serves any address by TLS, under the certificate's names only", () =>
  withTls(async (_, port) => {
    for (const host of ["gw.example", `GW.example:${port}`, "a.wild.example", "127.0.0.1", "localhost"]) {
      assert.deepEqual(await askTls(port, host), { head: "HTTP/1.1 200 OK", name: "first" }, host);
    }
    for (const host of ["evil.example", "wild.example", "192.0.2.7", "gw.example.evil.example"]) {
      assert.deepEqual(await askTls(port, host), { head: "HTTP/1.1 403 Forbidden", name: "first" }, host);
    }
    const plain = await Deno.connect({ port });
    await plain.write(new TextEncoder().encode("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    const answer = new Uint8Array(512);
    const n = await plain.read(answer).catch(() => null) ?? 0;
    assert.doesNotMatch(new TextDecoder().decode(answer.subarray(0, n)), /HTTP/, "answered without TLS");
    plain.close();
  }));

Deno.test("reload() takes a renewed certificate, and keeps the old one when the new is no good", () =>
  withTls(async (server, port, dir) => {
    makeCertificate(dir, "second", "DNS:new.example");
    server.reload();
    assert.deepEqual(await askTls(port, "new.example"), { head: "HTTP/1.1 200 OK", name: "second" });
    assert.equal((await askTls(port, "gw.example")).head, "HTTP/1.1 403 Forbidden");
    await Deno.chmod(`${dir}/key.pem`, 0o604);
    assert.throws(() => server.reload(), /everybody can reach it/);
    await Deno.writeTextFile(`${dir}/cert.pem`, "no certificate");
    assert.throws(() => server.reload(), /not PEM of an X.509 certificate/);
    assert.equal((await askTls(port, "new.example")).name, "second");
  }));
