import assert from "node:assert/strict";
import { KEY, LINK, NS, POLICY, SA, setUpApi } from "../tests/doubles/api_requests.ts";

Deno.test("each change has one entry: who, what and how it ended", async () => {
  const { ask, audited } = setUpApi();
  await ask("POST", `${NS}/links`, LINK);
  await ask("POST", `${NS}/links`, LINK);
  await ask("PATCH", `${NS}/links/vti9`, { mtu: 1400 });
  await ask("POST", `${NS}/xfrm/states`, SA);
  await ask("DELETE", `${NS}/xfrm/states?dst=192.0.2.2&proto=esp&spi=0x1001&mark=7`);
  await ask("DELETE", `${NS}/xfrm/states?flush=true`);
  await ask("POST", `${NS}/xfrm/policies`, POLICY);
  const who = { peer: { transport: "unix" }, caller: "unix" };
  const links = { ...who, method: "POST", path: "/v1/netns/{ns}/links" };
  const states = { ...who, path: "/v1/netns/{ns}/xfrm/states" };
  assert.deepEqual(audited, [
    { ...links, subject: { ns: "self", ifname: "vti1", local: "192.0.2.1", ikey: 7 }, status: 201 },
    {
      ...links,
      subject: { ns: "self", ifname: "vti1", local: "192.0.2.1", ikey: 7 },
      status: 409,
      errno: "EEXIST",
    },
    {
      ...{ ...who, method: "PATCH", path: "/v1/netns/{ns}/links/{ifname}" },
      ...{ subject: { ns: "self", ifname: "vti9", mtu: 1400 }, status: 404, errno: "ENODEV" },
    },
    {
      ...{ ...states, method: "POST", status: 201 },
      subject: {
        ...{ ns: "self", src: "192.0.2.1", dst: "192.0.2.2", proto: "esp", spi: 0x1001, mode: "tunnel" },
        mark: { value: 7, mask: 0xffffffff },
      },
    },
    {
      ...{ ...states, method: "DELETE", status: 204 },
      subject: { ns: "self", dst: "192.0.2.2", proto: "esp", spi: 0x1001, mark: 7 },
    },
    { ...states, method: "DELETE", status: 200, subject: { ns: "self", flush: true } },
    {
      ...{ ...who, method: "POST", path: "/v1/netns/{ns}/xfrm/policies", status: 201 },
      subject: { ns: "self", dir: "out", sel: POLICY.sel, mark: POLICY.mark },
    },
  ]);
});

Deno.test("reading has no entry, being shown keys has", async () => {
  const { ask, audited } = setUpApi();
  for (const path of ["/v1/netns", "/metrics", "/healthz", `${NS}/links`, `${NS}/xfrm/states`, "/nothing"]) {
    await ask("GET", path).catch(() => null);
  }
  assert.deepEqual(audited, []);
  await ask("GET", `${NS}/xfrm/states?keys=true`);
  assert.deepEqual(audited.map(({ method, subject }) => [method, subject]), [["GET", {
    ns: "self",
    keys: true,
  }]]);
});

Deno.test("no entry has a key, wherever in a request one stands", async () => {
  const { ask, audited } = setUpApi();
  const auth = { name: "sha1", key: KEY };
  for (
    const body of [
      SA,
      { ...SA, aead: undefined, enc: { name: "aes", key: KEY }, auth },
      { ...SA, aead: { ...SA.aead, icv_bits: 1 } },
      { ...SA, key: KEY },
      { ...SA, aead: KEY },
      { ...SA, dst: KEY },
      { ...SA, dst: "a secret in letters" },
      [KEY],
      `${JSON.stringify(SA)}x`,
    ]
  ) {
    await ask("POST", `${NS}/xfrm/states`, body);
    await ask("PUT", `${NS}/xfrm/states`, body);
  }
  assert.equal(audited.length, 18);
  assert.doesNotMatch(JSON.stringify(audited), /5ec7e7|secret/);
});
