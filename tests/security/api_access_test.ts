/** Who gets what from a running daemon: tokens over TCP, credentials over the unix socket, and the audit log. */
import assert from "node:assert/strict";
import { LINK, SA } from "../doubles/api_requests.ts";
import { Daemon } from "../doubles/daemon.ts";
import { must, run, Topology } from "../doubles/topology.ts";

const MOD = new URL("../../mod.ts", import.meta.url).pathname;

/** The port that the daemon says it listens on. */
async function portOf(daemon: Daemon): Promise<number> {
  return Number((await daemon.process.printed(/API on .* and 127\.0\.0\.1:(\d+)/))[1]);
}

Deno.test("tokens are made, rotated and taken away while the daemon runs, and may what their scopes say", async () => {
  await using topology = new Topology();
  const netns = await topology.addNetns("a");
  const daemon = await Daemon.start(topology, { placement: "packed" });
  const port = await portOf(daemon);
  const state = `${daemon.runDir}/state`;
  const tokenCommand = async (...words: string[]) =>
    (await must([Deno.execPath(), "run", "-A", MOD, "token", ...words, "--state-dir", state])).trim();
  const ask = async (token: string, method: string, path: string, body?: unknown) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}` },
      body: body === undefined ? null : JSON.stringify(body),
    });
    await response.body?.cancel();
    return response.status;
  };
  const states = `/v1/netns/${netns}/xfrm/states`;

  const own = (await Deno.readTextFile(`${daemon.runDir}/token`)).trim();
  assert.deepEqual([await ask(own, "POST", states, SA), await ask(own, "GET", `${states}?keys=true`)], [
    201,
    200,
  ]);
  assert.equal(await ask("x".repeat(43), "GET", "/v1/netns"), 401);

  const reader = await tokenCommand("add", "reader", "read");
  assert.deepEqual(
    [
      await ask(reader, "GET", states),
      await ask(reader, "GET", `${states}?keys=true`),
      await ask(reader, "DELETE", `${states}?flush=true`),
    ],
    [200, 403, 403],
  );
  const writer = await tokenCommand("add", "writer", "write");
  assert.deepEqual([await ask(writer, "GET", states), await ask(writer, "POST", states, SA)], [403, 409]);

  const renewed = await tokenCommand("add", "reader", "read,keys");
  assert.deepEqual([await ask(reader, "GET", states), await ask(renewed, "GET", `${states}?keys=true`)], [
    401,
    200,
  ]);
  await tokenCommand("del", "reader");
  assert.equal(await ask(renewed, "GET", states), 401);
  await Deno.writeTextFile(`${daemon.runDir}/token`, "another-token-of-the-owner\n");
  assert.deepEqual([await ask(own, "GET", states), await ask("another-token-of-the-owner", "GET", states)], [
    401,
    200,
  ]);
});

Deno.test("a change by the unix socket is written down with the user and process that made it", async () => {
  await using topology = new Topology();
  const netns = await topology.addNetns("a");
  const daemon = await Daemon.start(topology, { placement: "packed" });
  await daemon.http("POST", `/v1/netns/${netns}/links`, { ...LINK, ifname: "vti9" });
  await daemon.http("GET", `/v1/netns/${netns}/links`);
  await daemon.process.printed(/"ifname":"vti9"/);
  const entries = daemon.process.output.split("\n").filter((line) => line.startsWith('{"audit"'));
  assert.equal(entries.length, 1, daemon.process.output);
  const { audit } = JSON.parse(entries[0]!);
  assert.deepEqual(audit.peer, { transport: "unix", uid: Deno.uid(), gid: Deno.gid(), pid: Deno.pid });
  assert.deepEqual([audit.caller, audit.method, audit.status], ["unix", "POST", 201]);
  assert.deepEqual([audit.subject.ns, audit.subject.ifname], [netns, "vti9"]);
});

Deno.test("the daemon does not listen on other addresses than loopback without a certificate", async () => {
  await using topology = new Topology();
  const directory = await topology.directory();
  const { code, stderr } = await run([
    ...[Deno.execPath(), "run", "-A", MOD, "run", "--run-dir", directory, "--state-dir", directory],
    ...["--listen", "0.0.0.0:0"],
  ]);
  assert.equal(code, 1);
  assert.match(stderr, /not loopback, and there is no --tls-cert/);
  assert.deepEqual(
    [...Deno.readDirSync(directory)].map(({ name }) => name).filter((n) => /sock|token/.test(n)),
    [],
  );
});

Deno.test("a second daemon in the same run directory ends and leaves the first its socket and token", async () => {
  await using topology = new Topology();
  const daemon = await Daemon.start(topology, { placement: "packed" });
  const { code, stderr } = await run([
    ...[Deno.execPath(), "run", "-A", MOD, "run", "--run-dir", daemon.runDir],
    ...["--state-dir", `${daemon.runDir}/other`, "--listen", "127.0.0.1:0"],
  ]);
  assert.equal(code, 1);
  assert.match(stderr, /another daemon answers/);
  assert.equal((await daemon.http("GET", "/readyz")).status, 200);
  assert.ok((await Deno.stat(`${daemon.runDir}/token`)).isFile);
});
