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

Deno.test("a request that is refused changes nothing", async () => {
  const SPD = { default: { in: "block" }, hthresh4: { lbits: 24, rbits: 16 } };
  const INFO = { linkinfo: { info_kind: "vti", info_data: { remote: "192.0.2.9", okey: 9 } } };
  const requests = fc.constantFrom<readonly [string, string, object]>(
    ["POST", "links", LINK],
    ["PUT", "links/vti1", { mtu: 1300, ...INFO }],
    ["PATCH", "links/vti1", { ifname: "vti2", mtu: 1300, up: true, ...INFO }],
    ["POST", "xfrm/states", { ...SA, sel: SEL, limits: { byte_hard: 5 }, flags: ["esn"], replay_window: 64 }],
    ["PUT", "xfrm/states", { ...SA, limits: { byte_soft: 5 } }],
    ["POST", "xfrm/policies", POLICY],
    ["PUT", "xfrm/policies", { ...POLICY, priority: 9, action: "block" }],
    ["PATCH", "xfrm/spd", SPD],
  );
  const anything = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom(
      0,
      -1,
      33,
      129,
      2 ** 32 - 1,
      2 ** 32,
      1.5,
      "",
      "0x",
      "::",
      "10.0.0.0/33",
      "vti9",
      true,
      null,
      [],
    ),
  );
  const paths = ["links", "tunnels", "xfrm/states?keys=true", "xfrm/policies", "xfrm/spd"];
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(requests, fc.nat(), anything, async ([method, path, good], at, value) => {
      const { ask } = setUpApi();
      const everything = async () => {
        const answers = await Promise.all(paths.map((p) => ask("GET", `${NS}/${p}`)));
        return JSON.stringify(answers.map(({ answer }) => answer));
      };
      await ask("POST", `${NS}/links`, LINK);
      if (method !== "POST") {
        await ask("POST", `${NS}/xfrm/states`, SA);
        await ask("POST", `${NS}/xfrm/policies`, POLICY);
      }
      const before = await everything();
      const body = structuredClone(good) as Record<string, unknown>;
      const members = allMembers(body);
      const [parent, name] = members[at % members.length]!;
      parent[name] = value;
      const { status } = await ask(method, `${NS}/${path}`, body);
      if (status < 400) return;
      refused++;
      assert.ok(status < 500 || status === 501, `${method} ${path} ${JSON.stringify(body)}: ${status}`);
      assert.equal(await everything(), before, `${method} ${path} ${JSON.stringify(body)}`);
    }),
    { numRuns: 600 },
  );
  assert.ok(refused > 100, `only ${refused} were refused`);
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
