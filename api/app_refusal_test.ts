import assert from "node:assert/strict";
import { blame, KEY, LINK, NS, POLICY, SA, SEL, setUpApi } from "../tests/doubles/api_requests.ts";

Deno.test("a malformed body is refused and the field named", async (t) => {
  const rows: [method: string, path: string, body: unknown, expected: string][] = [
    ["POST", "links", {}, "422 EINVAL linkinfo"],
    ["POST", "links", [], "422 EINVAL"],
    ["POST", "links", null, "422 EINVAL"],
    ["POST", "links", [LINK], "422 EINVAL"],
    ["POST", "links", { ...LINK, bogus: 1 }, "422 EINVAL bogus"],
    ["POST", "links", { linkinfo: { info_kind: "gre" } }, "422 EINVAL linkinfo.info_kind"],
    [
      "POST",
      "links",
      { linkinfo: { info_kind: "vti", info_data: { key: 7 } } },
      "422 EINVAL linkinfo.info_data.key",
    ],
    [
      "POST",
      "links",
      { linkinfo: { info_kind: "vti", info_data: { ikey: -1 } } },
      "422 EINVAL linkinfo.info_data.ikey",
    ],
    [
      "POST",
      "links",
      { linkinfo: { info_kind: "vti", info_data: { okey: 2 ** 32 } } },
      "422 EINVAL linkinfo.info_data.okey",
    ],
    ["PUT", "links/vti1", { mtu: "1480" }, "422 EINVAL mtu"],
    ["PATCH", "links/vti1", { mtu: 1.5 }, "422 EINVAL mtu"],
    ["PATCH", "links/vti1", { up: "yes" }, "422 EINVAL up"],
    ["POST", "xfrm/states", { ...SA, spi: "0x1001" }, "422 EINVAL spi"],
    ["POST", "xfrm/states", { ...SA, proto: "tcp" }, "422 EINVAL proto"],
    ["POST", "xfrm/states", { ...SA, mark: { value: 7 } }, "422 EINVAL mark.mask"],
    ["POST", "xfrm/states", { ...SA, flags: ["esn", "foo"] }, "422 EINVAL flags.1"],
    ["POST", "xfrm/states", { ...SA, aead: { ...SA.aead, icv: 1 } }, "422 EINVAL aead.icv"],
    ["POST", "xfrm/states", { ...SA, aead: { ...SA.aead, icv_bits: 100 } }, "501 ENOSYS aead"],
    ["POST", "xfrm/states", { ...SA, sel: { ...SEL, src: "x" } }, "422 EINVAL sel.src"],
    ["PUT", "xfrm/states", { ...SA, replay_window: 5000 }, "422 EINVAL replay_window"],
    ["POST", "xfrm/states", '{"__proto__":{"src":"x"}}', "422 EINVAL src"],
    ["POST", "xfrm/states/allocspi", { ...SA }, "422 EINVAL spi"],
    ["POST", "xfrm/policies", { ...POLICY, dir: "sideways" }, "422 EINVAL dir"],
    ["POST", "xfrm/policies", { dir: "out" }, "422 EINVAL sel"],
    ["POST", "xfrm/policies", { ...POLICY, sel: { ...SEL, sport: 65536 } }, "422 EINVAL sel.sport"],
    [
      "POST",
      "xfrm/policies",
      { ...POLICY, tmpl: [{ proto: "esp" }, { mode: "tunnel" }] },
      "422 EINVAL tmpl.1.proto",
    ],
    ["PUT", "xfrm/policies", { ...POLICY, tmpl: Array(7).fill({ proto: "esp" }) }, "422 EINVAL tmpl"],
    ["POST", "links", "{", "400"],
    ["POST", "links", "", "400"],
    ["POST", "links", "{'a':1}", "400"],
    ["POST", "links", "[".repeat(500_000), "400"],
    ["POST", "links", `"${"x".repeat(1_000_000)}"`, "413"],
  ];
  for (const [method, path, body, expected] of rows) {
    await t.step(`${method} ${path} ${expected}`, async () => {
      const { ask } = setUpApi();
      assert.equal(blame(await ask(method, `${NS}/${path}`, body)), expected);
    });
  }
});

Deno.test("a malformed query is refused and the parameter named", async () => {
  const { ask } = setUpApi();
  const rows: [query: string, expected: string][] = [
    ["xfrm/states?bogus=1", "422 EINVAL bogus"],
    ["xfrm/states?spi=1&spi=2", "422 EINVAL spi"],
    ["xfrm/states?spi=0x100000000", "422 EINVAL spi"],
    ["xfrm/states?spi=1e3", "422 EINVAL spi"],
    ["xfrm/states?spi=", "422 EINVAL spi"],
    ["xfrm/states?proto=tcp", "422 EINVAL proto"],
    ["xfrm/states?src=nowhere", "422 EINVAL src"],
    ["xfrm/states?keys=yes", "422 EINVAL keys"],
    ["xfrm/states/get?dst=192.0.2.2&spi=1", "422 EINVAL proto"],
    ["xfrm/policies/get?dir=out&sport=65536", "422 EINVAL sport"],
    ["links?x=1", "422 EINVAL x"],
  ];
  for (const [query, expected] of rows) {
    assert.equal(blame(await ask("GET", `${NS}/${query}`)), expected, query);
  }
});

Deno.test("unknown paths are 404, other methods 405 with Allow", async () => {
  const { ask } = setUpApi();
  for (const path of ["/", "/v1", "/v2/netns", `${NS}/nothing`, `${NS}/links/vti1/x`]) {
    assert.equal((await ask("GET", path)).status, 404, path);
  }
  const refused = await ask("DELETE", `${NS}/links`);
  assert.deepEqual([refused.status, refused.response.headers.get("allow")], [405, "GET, POST, HEAD"]);
  assert.equal((await ask("OPTIONS", `${NS}/links`)).status, 405);
  assert.equal((await ask("POST", "/metrics", {})).status, 405);
  assert.equal((await ask("POST", `${NS}/xfrm/states/get`, {})).status, 405);
});

Deno.test("a gateway that throws gives a problem without its words", async () => {
  const { gateway, ask } = setUpApi();
  gateway.listLinks = () => Promise.reject(new Error(`worker lost ${KEY}`));
  const logged: string[] = [];
  const log = console.error;
  console.error = (...words: unknown[]) => logged.push(words.join(" "));
  const { status, text } = await ask("GET", `${NS}/links`).finally(() => console.error = log);
  assert.equal(status, 503);
  assert.doesNotMatch(text, /5ec7e7| at /);
  assert.doesNotMatch(logged.join(), /5ec7e7/);
  assert.match(logged.join(), /GET \/v1\/netns\/self\/links: Error/);
});

Deno.test("keys appear in no answer, event or log unless keys=true asks for them", async () => {
  const { gateway, ask } = setUpApi();
  const logged: string[] = [];
  const log = console.error;
  console.error = (...words: unknown[]) => logged.push(words.join(" "));
  const seen: string[] = [];
  const id = "dst=192.0.2.2&proto=esp&spi=4097&mark=7";
  const say = async (method: string, path: string, body?: unknown) =>
    seen.push((await ask(method, path, body)).text);
  try {
    for (
      const body of [
        SA,
        SA,
        { ...SA, aead: { ...SA.aead, icv_bits: 1 } },
        { ...SA, aead: { ...SA.aead, name: KEY.slice(0, 2) } },
        { ...SA, aead: { ...SA.aead, key: `${KEY}q` } },
        { ...SA, aead: { ...SA.aead, key: KEY.repeat(99) } },
        { ...SA, aead: { ...SA.aead, key: [KEY] } },
        { ...SA, aead: KEY },
        JSON.stringify(SA).slice(0, -3),
      ]
    ) {
      await say("POST", `${NS}/xfrm/states`, body);
      await say("PUT", `${NS}/xfrm/states`, body);
    }
    await say("GET", `${NS}/xfrm/states`);
    await say("GET", `${NS}/xfrm/states?keys=false`);
    await say("GET", `${NS}/xfrm/states/get?${id}`);
    const asked = await ask("GET", `${NS}/xfrm/states/get?${id}&keys=true`);
    assert.equal(asked.answer.aead.key, KEY);
    assert.match((await ask("GET", `${NS}/xfrm/states?keys=true`)).text, /5ec7e7/);
    await say("DELETE", `${NS}/xfrm/states?${id}`);
  } finally {
    console.error = log;
  }
  assert.equal(gateway.xfrm.stateCount, 0);
  assert.doesNotMatch(JSON.stringify([seen, logged, gateway.eventLog]), /5ec7e7/);
});
