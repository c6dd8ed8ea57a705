import assert from "node:assert/strict";
import { blame, LINK, NS, POLICY, SA, SEL, setUpApi } from "../tests/doubles/api_requests.ts";

Deno.test("links are made, read, changed and removed", async () => {
  const { ask } = setUpApi();
  const made = await ask("POST", `${NS}/links`, LINK);
  assert.deepEqual([made.status, made.answer.ifname], [201, "vti1"]);
  assert.equal(blame(await ask("POST", `${NS}/links`, LINK)), "409 EEXIST ifname");
  assert.deepEqual((await ask("GET", `${NS}/links`)).answer, [made.answer]);
  assert.deepEqual((await ask("GET", `${NS}/links/vti1`)).answer, made.answer);
  assert.equal((await ask("PUT", `${NS}/links/vti1`, { mtu: 1400 })).answer.mtu, 1400);
  assert.equal((await ask("PATCH", `${NS}/links/vti1`, { mtu: 1300 })).answer.mtu, 1300);
  assert.equal(blame(await ask("PATCH", `${NS}/links/vti1`, { mtu: 67 })), "422 EINVAL mtu");
  assert.equal((await ask("DELETE", `${NS}/links/vti1`)).status, 204);
  for (const [method, body] of [["GET"], ["DELETE"], ["PUT", {}], ["PATCH", {}]] as const) {
    assert.equal(blame(await ask(method, `${NS}/links/vti1`, body)), "404 ENODEV ifname");
  }
});

Deno.test("tunnels are added, read, changed and removed as by ioctl", async () => {
  const { ask } = setUpApi();
  const parm = { local: "192.0.2.2", remote: "192.0.2.1", ikey: 7, okey: 7, ttl: 64, tos: 0, pmtudisc: true };
  const made = await ask("POST", `${NS}/tunnels`, { ifname: "vti1", ...parm });
  assert.deepEqual([made.status, made.answer], [201, { ifname: "vti1", ...parm }]);
  assert.equal(blame(await ask("POST", `${NS}/tunnels`, { ifname: "vti1" })), "409 EEXIST");
  assert.deepEqual((await ask("GET", `${NS}/tunnels`)).answer, [made.answer]);
  assert.deepEqual((await ask("GET", `${NS}/tunnels/vti1?local=192.0.2.2`)).answer, made.answer);
  assert.equal((await ask("PUT", `${NS}/tunnels/vti1`, { ...parm, ikey: 8 })).answer.ikey, 8);
  assert.equal(blame(await ask("PUT", `${NS}/tunnels/vti1`, { ttl: 256 })), "422 EINVAL ttl");
  assert.equal(blame(await ask("GET", `${NS}/tunnels/vti1?key=7`)), "422 EINVAL key");
  assert.equal((await ask("DELETE", `${NS}/tunnels/vti1`)).status, 204);
  assert.equal(blame(await ask("GET", `${NS}/tunnels/vti1`)), "404 ENODEV ifname");
});

Deno.test("SAs are added, found, updated, listed and removed", async () => {
  const { ask } = setUpApi();
  const id = "dst=192.0.2.2&proto=esp&spi=0x1001";
  assert.equal((await ask("POST", `${NS}/xfrm/states`, SA)).status, 201);
  assert.equal(blame(await ask("POST", `${NS}/xfrm/states`, SA)), "409 EEXIST");
  assert.equal(blame(await ask("GET", `${NS}/xfrm/states/get?${id}`)), "404 ESRCH");
  const found = await ask("GET", `${NS}/xfrm/states/get?${id}&mark=7`);
  assert.deepEqual([found.status, found.answer.spi, found.answer.mark.mask], [200, 0x1001, 0xffffffff]);
  const update = { ...SA, limits: { byte_hard: 1000 } };
  assert.deepEqual((await ask("PUT", `${NS}/xfrm/states`, update)).answer.limits, { byte_hard: 1000 });
  assert.equal(blame(await ask("PUT", `${NS}/xfrm/states`, { ...SA, spi: 9 })), "404 ESRCH");
  assert.equal((await ask("GET", `${NS}/xfrm/states?spi=4097&mode=tunnel`)).answer.length, 1);
  assert.equal((await ask("GET", `${NS}/xfrm/states?spi=4098`)).answer.length, 0);
  assert.equal(blame(await ask("DELETE", `${NS}/xfrm/states?${id}`)), "404 ESRCH");
  assert.equal((await ask("DELETE", `${NS}/xfrm/states?${id}&mark=0x7&mask=0xffffffff`)).status, 204);
  assert.deepEqual((await ask("GET", `${NS}/xfrm/states`)).answer, []);
});

Deno.test("DELETE of SAs removes many only with flush=true, and nothing by a name it does not know", async () => {
  const { ask } = setUpApi();
  for (const spi of [1, 2, 3]) await ask("POST", `${NS}/xfrm/states`, { ...SA, spi, reqid: spi });
  assert.equal(blame(await ask("DELETE", `${NS}/xfrm/states`)), "422 EINVAL dst");
  assert.equal(blame(await ask("DELETE", `${NS}/xfrm/states?flush=false`)), "422 EINVAL dst");
  assert.equal(blame(await ask("DELETE", `${NS}/xfrm/states?dst=192.0.2.2&proto=esp`)), "422 EINVAL spi");
  const one = "dst=192.0.2.2&proto=esp&spi=1";
  assert.equal(blame(await ask("DELETE", `${NS}/xfrm/states?${one}&reqid=2`)), "422 EINVAL reqid");
  assert.equal(blame(await ask("DELETE", `${NS}/xfrm/states?flush=true&mark=7`)), "422 EINVAL mark");
  assert.equal(blame(await ask("DELETE", `${NS}/xfrm/states?flush=true&typo=1`)), "422 EINVAL typo");
  assert.deepEqual((await ask("DELETE", `${NS}/xfrm/states?flush=true&reqid=2`)).answer, { count: 1 });
  assert.deepEqual((await ask("DELETE", `${NS}/xfrm/states?flush=true`)).answer, { count: 2 });
});

Deno.test("allocspi reserves an SPI", async () => {
  const { ask } = setUpApi();
  const range = { src: "192.0.2.1", dst: "192.0.2.2", proto: "esp", min: 0x200, max: 0x200 };
  const got = await ask("POST", `${NS}/xfrm/states/allocspi`, range);
  assert.deepEqual([got.status, got.answer.spi], [201, 0x200]);
  assert.equal(blame(await ask("POST", `${NS}/xfrm/states/allocspi`, range)), "404 ENOENT");
});

Deno.test("policies are added, found by selector or index, replaced and removed", async () => {
  const { ask } = setUpApi();
  const added = await ask("POST", `${NS}/xfrm/policies`, POLICY);
  assert.equal(added.status, 201);
  assert.equal(blame(await ask("POST", `${NS}/xfrm/policies`, POLICY)), "409 EEXIST");
  const bySelector = `${NS}/xfrm/policies/get?dir=out&src=0.0.0.0/0&mark=7`;
  const byIndex = `${NS}/xfrm/policies/get?dir=out&index=${added.answer.index}&mark=7`;
  assert.deepEqual((await ask("GET", bySelector)).answer, added.answer);
  assert.deepEqual((await ask("GET", byIndex)).answer, added.answer);
  assert.equal(blame(await ask("GET", `${NS}/xfrm/policies/get?dir=out&mark=7`)), "422 EINVAL sel");
  assert.equal(blame(await ask("GET", `${NS}/xfrm/policies/get?dst=::/0`)), "422 EINVAL dir");
  assert.equal(blame(await ask("GET", `${NS}/xfrm/policies/get?dir=out&index=999`)), "404 ENOENT");
  assert.equal((await ask("PUT", `${NS}/xfrm/policies`, { ...POLICY, priority: 6 })).answer.priority, 6);
  assert.equal(blame(await ask("DELETE", `${NS}/xfrm/policies`)), "422 EINVAL dir");
  assert.equal(blame(await ask("DELETE", `${NS}/xfrm/policies?flush=true&dir=out`)), "422 EINVAL dir");
  assert.equal((await ask("DELETE", `${NS}/xfrm/policies?dir=out&src=0.0.0.0/0&mark=7`)).status, 204);
  const ported = { ...POLICY, sel: { ...SEL, proto: 6, dport: 80, dport_mask: 0xffff, dev: "lo" } };
  assert.equal((await ask("POST", `${NS}/xfrm/policies`, ported)).status, 201);
  const query = "dir=out&proto=6&dport=80&dev=lo&mark=7";
  assert.equal((await ask("GET", `${NS}/xfrm/policies/get?${query}`)).answer.sel.dport, 80);
  assert.deepEqual((await ask("DELETE", `${NS}/xfrm/policies?flush=true`)).answer, { count: 1 });
});

Deno.test("namespaces are made, listed and removed; their names can't leave /run/netns", async () => {
  const { ask } = setUpApi();
  assert.equal((await ask("PUT", "/v1/netns/red")).answer.name, "red");
  assert.deepEqual((await ask("GET", "/v1/netns")).answer.map((n: { name: string }) => n.name), [
    "self",
    "red",
  ]);
  assert.equal((await ask("DELETE", "/v1/netns/red")).status, 204);
  assert.equal(blame(await ask("GET", "/v1/netns/red/links")), "404 ENOENT");
  assert.equal(blame(await ask("GET", "/v1/netns/pid:1")), "404 ENOENT");
  for (
    const bad of [
      "..%2f..%2fetc",
      "%2e%2e%2fx",
      "a%2fb",
      "a%00b",
      "pid:0",
      "pid:x",
      "pid:1e5",
      "x".repeat(256),
    ]
  ) {
    assert.equal(blame(await ask("PUT", `/v1/netns/${bad}`)), "422 EINVAL ns", bad);
  }
  assert.equal(Object.keys((await ask("GET", `${NS}/xfrm/stat`)).answer).length, 28);
});
