/** `doctor` where the gateway can run, and where it can't. */
import assert from "node:assert/strict";
import { run, Topology } from "../doubles/topology.ts";
import type { Diagnosis } from "../../daemon/doctor.ts";

const MOD = new URL("../../mod.ts", import.meta.url).pathname;
const DOCTOR = [Deno.execPath(), "run", "-A", MOD, "doctor"];
/** Root without any capability. */
const POWERLESS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];

Deno.test("doctor says that the gateway can run here, for people and for scripts", async () => {
  const text = await run(DOCTOR);
  assert.equal(text.code, 0, text.stdout + text.stderr);
  assert.match(text.stdout, /^ok +tun +\/dev\/net\/tun/m);
  assert.match(text.stdout, /^ok +crypto +found: .*noble; --crypto auto takes /m);
  assert.match(text.stdout, /^The gateway can run on this host\.\n$/m);
  for (const option of ["-j", "--json"]) {
    const { code, stdout } = await run([...DOCTOR, option]);
    const { ready, host, crypto } = JSON.parse(stdout) as Diagnosis;
    assert.deepEqual([code, ready], [0, true]);
    assert.ok(host.some(({ name, ok, required }) => name === "raw sockets" && ok && required));
    assert.ok(crypto.found.includes(crypto.auto));
  }
});

Deno.test("doctor names what is missing and what helps, and exits 1", async () => {
  const text = await run([...POWERLESS, ...DOCTOR]);
  assert.equal(text.code, 1);
  assert.match(text.stdout, /^missing CAP_NET_ADMIN .*\n +→ run as root or with CAP_NET_ADMIN$/m);
  assert.match(text.stdout, /^The gateway can't run on this host: it lacks .*raw sockets/m);
  const json = await run([...POWERLESS, ...DOCTOR, "--json"]);
  assert.deepEqual([json.code, (JSON.parse(json.stdout) as Diagnosis).ready], [1, false]);
});

Deno.test("doctor leaves no device behind", async () => {
  await using topology = new Topology();
  const netns = await topology.addNetns("doctor");
  const links = () => topology.must(netns, ["ip", "-o", "link"]);
  const before = await links();
  await topology.must(netns, DOCTOR);
  assert.equal(await links(), before);
});

Deno.test("doctor takes no other words", async () => {
  const { code, stderr } = await run([...DOCTOR, "--fix"]);
  assert.equal(code, 1);
  assert.match(stderr, /--fix/);
});
