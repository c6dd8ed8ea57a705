import assert from "node:assert/strict";
import { LINK, NS, POLICY, SA } from "../tests/doubles/api_requests.ts";
import { GatewayDouble } from "../tests/doubles/gateway_double.ts";
import { createApp } from "./app.ts";
import type { AuditEntry } from "./audit.ts";
import { type Caller, type Scope, SCOPES } from "./caller.ts";
import type { Operation } from "./operation.ts";
import { apiOperations } from "./operations.ts";

const OPERATIONS = apiOperations(AbortSignal.abort());
/** A token "read,write" may read and write. */
const find = (token: string): Caller | null => {
  const scopes = token.split(",");
  const isGood = scopes.every((scope) => (SCOPES as readonly string[]).includes(scope));
  return isGood ? { name: `t-${token}`, scopes: new Set(scopes as Scope[]) } : null;
};

function setUp() {
  const gateway = new GatewayDouble();
  const calls: string[] = [];
  const watched = new Proxy(gateway, {
    get(target, name, receiver) {
      const member = Reflect.get(target, name, receiver);
      if (typeof member !== "function") return member;
      return (...args: unknown[]) => {
        calls.push(String(name));
        return member.apply(target, args);
      };
    },
  });
  const audited: AuditEntry[] = [];
  const app = createApp(watched, {
    origin: "tcp",
    tokens: find,
    isOurs: (name) => ["localhost", "127.0.0.1", "[::1]"].includes(name),
    audit: (entry) => audited.push(entry),
    closing: AbortSignal.abort(),
  });
  async function ask(method: string, path: string, headers: Record<string, string>, body?: unknown) {
    const response = await app.request(
      path,
      { method, headers: { host: "localhost:8470", ...headers }, body: body ? JSON.stringify(body) : null },
      { peer: { transport: "tcp", address: "192.0.2.9" } },
    );
    const text = await response.text();
    if (!response.ok) assert.equal(response.headers.get("content-type"), "application/problem+json", text);
    return { status: response.status, challenge: response.headers.get("www-authenticate"), text };
  }
  return { calls, ask, audited };
}

/** A request that the operation serves, with a body where it takes one. */
function request({ method, path, body }: Operation): [method: string, path: string, body: unknown] {
  const [last] = path.split("/").slice(-1);
  const good = {
    links: LINK,
    "{ifname}": {},
    states: SA,
    policies: POLICY,
    allocspi: { ...SA, spi: undefined },
  };
  const query = path.endsWith("/get") ? "?dst=192.0.2.2&proto=esp&spi=1&dir=out" : "";
  const target = path.replace("{ns}", "self").replace("{ifname}", "vti1") + query;
  return [method.toUpperCase(), target, body && good[last as keyof typeof good]];
}

for (const operation of OPERATIONS) {
  const [method, path, body] = request(operation);
  const needed = operation.method === "get" ? "read" : "write";

  Deno.test(`${method} ${operation.path} refuses no, a wrong and too small a token, and the gateway is not asked`, async () => {
    const { ask, calls, audited } = setUp();
    for (const headers of [{}, { authorization: "Bearer wrong" }]) {
      const refused = await ask(method, path, headers, body);
      assert.deepEqual([refused.status, refused.challenge], [401, "Bearer"]);
    }
    const others = SCOPES.filter((scope) => scope !== needed);
    const small = await ask(method, path, { authorization: `Bearer ${others.join(",")}` }, body);
    assert.equal(small.status, 403);
    assert.match(small.challenge!, new RegExp(`insufficient_scope.*"${needed}"`));
    assert.deepEqual(calls, []);
    assert.deepEqual(audited.map(({ status, caller }) => [status, caller]), [
      [401, null],
      [401, null],
      [403, `t-${others.join(",")}`],
    ]);
  });

  Deno.test(`${method} ${operation.path} serves a token with the scope ${needed}`, async () => {
    const { ask } = setUp();
    const { status } = await ask(method, path, { authorization: `Bearer ${needed}` }, body);
    assert.ok(![401, 403, 405, 429].includes(status), `${status}`);
  });
}

Deno.test("keys=true wants the scope keys beside read", async () => {
  const { ask, calls } = setUp();
  for (const path of [`${NS}/xfrm/states`, `${NS}/xfrm/states/get?dst=192.0.2.2&proto=esp&spi=1`]) {
    const query = `${path.includes("?") ? "&" : "?"}keys=true`;
    for (const token of ["read", "write", "keys", "read,write"]) {
      assert.equal((await ask("GET", path + query, { authorization: `Bearer ${token}` })).status, 403, token);
    }
    assert.deepEqual(calls, []);
    const { status } = await ask("GET", path + query, { authorization: "Bearer read,keys" });
    assert.ok(status === 200 || status === 404, `${status}`);
    assert.equal(calls.length, 1);
    calls.length = 0;
  }
});

Deno.test("paths that are not there are refused before they are looked for", async () => {
  const { ask } = setUp();
  for (const path of ["/nothing", "/", "/v1/netns/self/links/a/b"]) {
    assert.equal((await ask("GET", path, {})).status, 401, path);
    assert.equal((await ask("GET", path, { authorization: "Bearer read" })).status, 404, path);
  }
});

Deno.test("bearerAuth() reads the header as RFC 6750 has it", async () => {
  const { ask } = setUp();
  for (const authorization of ["Bearer read", "bearer  read "]) {
    assert.equal((await ask("GET", "/v1/netns", { authorization })).status, 200, authorization);
  }
  for (
    const authorization of ["", "Bearer", "Bearer ", "Basic read", "read", "Bearer readx", "Bearer read x"]
  ) {
    assert.equal((await ask("GET", "/v1/netns", { authorization })).status, 401, authorization);
  }
});

Deno.test("hostAllowList() refuses names that only resolve to loopback, and no name", async () => {
  const { ask } = setUp();
  const authorization = "Bearer read";
  for (const host of ["localhost", "LOCALHOST:1", "127.0.0.1:8470", "[::1]:8470"]) {
    assert.equal((await ask("GET", "/v1/netns", { host, authorization })).status, 200, host);
  }
  const strange = ["evil.example", "localhost.evil.example:8470", "127.0.0.1.nip.io", "[::2]", "", ":8470"];
  for (const host of [...strange, "localhost, evil.example"]) {
    assert.equal((await ask("GET", "/v1/netns", { host, authorization })).status, 403, host);
  }
});

Deno.test("a unix socket's application asks for no token and takes any Host", async () => {
  const open = createApp(new GatewayDouble(), { origin: "unix" });
  assert.equal((await open.request("/v1/netns", { headers: { host: "vti-gateway" } })).status, 200);
});

Deno.test("no answer allows another origin", async () => {
  const open = createApp(new GatewayDouble(), { origin: "unix" });
  for (const method of ["GET", "OPTIONS"]) {
    const response = await open.request("/v1/netns", { method, headers: { origin: "https://evil.example" } });
    await response.body?.cancel();
    assert.deepEqual([...response.headers.keys()].filter((name) => name.startsWith("access-control")), []);
  }
});

Deno.test("bad tokens of an address are soon answered 429, and a good one from there is not held up", async () => {
  const { ask, audited } = setUp();
  const statuses = [];
  for (let i = 0; i < 100; i++) statuses.push((await ask("GET", "/v1/netns", {})).status);
  assert.deepEqual(new Set(statuses), new Set([401, 429]));
  assert.ok(statuses.indexOf(429) <= 25, "the log of refusals is bounded");
  assert.equal(audited.length, statuses.filter((status) => status === 401).length);
  assert.equal((await ask("GET", "/v1/netns", { authorization: "Bearer read" })).status, 200);
});

Deno.test("a caller that asks too much is answered 429 with Retry-After", async () => {
  const open = createApp(new GatewayDouble(), { origin: "unix" });
  const ask = async (uid: number) => {
    const peer = { transport: "unix", uid } as const;
    const response = await open.request("/v1/netns", {}, { peer });
    await response.body?.cancel();
    return response;
  };
  let refused: Response | null = null;
  for (let i = 0; i < 20_000 && refused === null; i++) {
    const response = await ask(1000);
    if (response.status === 429) refused = response;
  }
  assert.match(refused?.headers.get("retry-after") ?? "none", /^\d+$/);
  assert.equal((await ask(1001)).status, 200, "another user has a count of its own");
});

Deno.test("root, who could end the daemon, may ask as much as it likes by the unix socket", async () => {
  const open = createApp(new GatewayDouble(), { origin: "unix" });
  for (let i = 0; i < 6000; i++) {
    const response = await open.request("/v1/netns", {}, { peer: { transport: "unix", uid: 0 } });
    await response.body?.cancel();
    assert.equal(response.status, 200);
  }
});
