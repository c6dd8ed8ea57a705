import assert from "node:assert/strict";
import fc from "fast-check";
import { LINK, NS, POLICY, SA, SEL, setUpApi } from "../tests/doubles/api_requests.ts";

const POSTS = ["links", "xfrm/states", "xfrm/states/allocspi", "xfrm/policies"];
const PUTS = ["links/vti1", "xfrm/states", "xfrm/policies"];

async function assertNo500(method: string, path: string, body: string): Promise<void> {
  const { ask } = setUpApi();
  const { status } = await ask(method, `${NS}/${path}`, body);
  assert.ok(status < 500 || status === 501, `${method} ${path} ${body}: ${status}`);
}

Deno.test("any JSON as a body is answered, and never by a failure", async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...POSTS), fc.json(), (path, body) => assertNo500("POST", path, body)),
    { numRuns: 300 },
  );
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...PUTS), fc.string(), (path, body) => assertNo500("PUT", path, body)),
    { numRuns: 100 },
  );
});

Deno.test("a good body with one member replaced by anything is answered, and never by a failure", async () => {
  const good = fc.constantFrom(
    ["links", LINK],
    ["xfrm/states", SA],
    ["xfrm/states", {
      ...SA,
      aead: undefined,
      enc: { name: "aes", key: "k" },
      auth: { name: "sha1", key: "" },
      encap: { type: "espinudp", sport: 1, dport: 2, oaddr: "::" },
      limits: { byte_hard: 5 },
      sel: SEL,
      flags: ["esn"],
      replay_window: 64,
    }],
    ["xfrm/policies", POLICY],
    ["xfrm/states/allocspi", { src: "::1", dst: "::2", proto: "esp", min: 1, max: 9 }],
  );
  const anything = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom(0, -1, 2 ** 31, 2 ** 32 - 1, 2 ** 53, 1e308, "", "0x", "::", "/", "0.0.0.0/33", "\u0000"),
  );
  await fc.assert(
    fc.asyncProperty(good, fc.nat(), anything, async ([path, body], at, value) => {
      const copy = JSON.parse(JSON.stringify(body));
      const members = allMembers(copy);
      const [parent, name] = members[at % members.length]!;
      parent[name] = value;
      await assertNo500("POST", path as string, JSON.stringify(copy));
    }),
    { numRuns: 1000 },
  );
});

function allMembers(value: Record<string, unknown>): [Record<string, unknown>, string][] {
  return Object.entries(value).flatMap(([name, member]) => [
    [value, name] as [Record<string, unknown>, string],
    ...(typeof member === "object" && member !== null ? allMembers(member as Record<string, unknown>) : []),
  ]);
}

Deno.test("any path and query is answered, and never by a failure", async () => {
  const part = fc.oneof(
    fc.string(),
    fc.constantFrom("v1", "netns", "self", "links", "xfrm", "states", "get", "%", "%zz"),
  );
  const encode = fc.boolean();
  await fc.assert(
    fc.asyncProperty(
      fc.array(part),
      fc.array(fc.tuple(part, part)),
      encode,
      async (parts, query, encoded) => {
        const text = (s: string) => encoded ? encodeURIComponent(s) : s.replace(/[\s#?\\]/g, "");
        const { app } = setUpApi();
        const path = `/${parts.map(text).join("/")}?${
          query.map(([n, v]) => `${text(n)}=${text(v)}`).join("&")
        }`;
        const response = await app.request(`http://localhost${path}`);
        await response.body?.cancel();
        assert.ok(response.status < 500, `${path}: ${response.status}`);
      },
    ),
    { numRuns: 500 },
  );
});
