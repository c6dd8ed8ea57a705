/** Starts that fail: one sentence with what helps, no stack. And ends that are forced. */
import assert from "node:assert/strict";
import { Daemon } from "../doubles/daemon.ts";
import { type Ran, run, Topology } from "../doubles/topology.ts";

const MOD = new URL("../../mod.ts", import.meta.url).pathname;
const POWERLESS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];

/** A start that ends by itself. `before` is what runs the program. */
function start(directory: string, args: readonly string[], before: readonly string[] = []): Promise<Ran> {
  const dirs = ["--run-dir", `${directory}/run`, "--state-dir", `${directory}/state`];
  const words = [Deno.execPath(), "run", "-A", MOD, "run", ...dirs, "--listen", "127.0.0.1:0", ...args];
  return run([...before, ...words]);
}

function assertSentence({ code, stdout, stderr }: Ran, expected: string | RegExp): void {
  assert.equal(code, 1, stderr);
  assert.equal(stdout, "");
  if (typeof expected === "string") assert.equal(stderr, `${expected}\n`);
  else assert.match(stderr, expected);
  assert.equal(stderr.trimEnd().split("\n").length, 1, stderr);
}

Deno.test("a start without capabilities says which is missing", async () => {
  await using topology = new Topology();
  assertSentence(
    await start(await topology.directory(), [], POWERLESS),
    "Cannot start: CAP_NET_ADMIN: missing: TUN devices and big socket buffers; run as root or with CAP_NET_ADMIN",
  );
});

Deno.test("a start without /dev/net/tun says so", async () => {
  await using topology = new Topology();
  // A mount namespace of its own, in which the directory of the device is empty.
  const hidden = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /dev/net && exec "$@"', "sh"];
  assertSentence(
    await start(await topology.directory(), [], hidden),
    /^Cannot start: tun: Open TUN device .*: open \/dev\/net\/tun answered ENOENT; load the tun module, or .*mknod/,
  );
});

Deno.test("a start with a port in use names it and the option", async () => {
  await using topology = new Topology();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const address = `127.0.0.1:${(listener.addr as Deno.NetAddr).port}`;
  const directory = await topology.directory();
  assertSentence(
    await start(directory, ["--listen", address]),
    `Cannot listen on ${address}: the port is in use; choose another with --listen HOST:PORT, port 0 for a free one`,
  );
  await assert.rejects(Deno.stat(`${directory}/run/api.sock`), Deno.errors.NotFound);
});

Deno.test("a start with a run directory that can't be written says why", async () => {
  await using topology = new Topology();
  const directory = await topology.directory();
  await Deno.writeTextFile(`${directory}/file`, "");
  for (const runDir of [`${directory}/file`, `${directory}/file/below`, "/proc/vti-gateway"]) {
    const ran = await start(directory, ["--run-dir", runDir]);
    assertSentence(
      ran,
      RegExp(`^Cannot use run directory ${runDir}: [^;(]+; choose another with --run-dir\n$`),
    );
  }
});

Deno.test("a start beside another daemon leaves that one alone", async () => {
  await using topology = new Topology();
  const first = await Daemon.start(topology, { placement: "packed" });
  assertSentence(
    await start(first.runDir, ["--run-dir", first.runDir]),
    `Cannot start: another daemon answers on ${first.runDir}/api.sock; stop it, or choose another --run-dir`,
  );
  assert.equal((await first.http("GET", "/readyz")).status, 200);
  assert.ok((await Deno.stat(`${first.runDir}/token`)).isFile);
});

Deno.test("a second signal forces the end", async () => {
  await using topology = new Topology();
  const daemon = await Daemon.start(topology, { placement: "packed" });
  const path = `${daemon.runDir}/api.sock`;
  // A request that is never finished: the daemon waits a while for it.
  using slow = await Deno.connect({ transport: "unix", path });
  await slow.write(new TextEncoder().encode("GET /healthz HTTP/1.1\r\nHost: x\r\n"));
  Deno.kill(daemon.process.pid, "SIGTERM");
  for (;;) {
    const other = await Deno.connect({ transport: "unix", path }).catch(() => null);
    if (other === null) break;
    other.close();
  }
  const { code } = await daemon.stop("SIGINT");
  assert.equal(code, 130, daemon.process.output);
  assert.match(daemon.process.output, /SIGINT again: ending at once/);
});
