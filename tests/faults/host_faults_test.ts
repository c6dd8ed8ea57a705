/** What a host may run out of, and what it may lose, under traffic. */
import assert from "node:assert/strict";
import { algorithm } from "../doubles/algorithms.ts";
import { Daemon } from "../doubles/daemon.ts";
import { eventually } from "../doubles/eventually.ts";
import { must, Topology } from "../doubles/topology.ts";
import { ping } from "../doubles/traffic.ts";
import { joinedPair, setUpTunnel, type TunnelSetup } from "../doubles/tunnel.ts";

const SETUP: TunnelSetup = { ifname: "vti1", key: 7, algorithm: algorithm("gcm128"), udp: false };

/** One daemon for both ends, with the tunnel up; `before` is run in the shell that starts it. */
async function pair(topology: Topology, before?: string) {
  const { a, b } = await joinedPair(topology, async () => {
    const daemon = await Daemon.start(topology, {
      placement: "packed",
      ...(before !== undefined && { mounts: before }),
    });
    return { a: daemon, b: daemon };
  });
  await setUpTunnel(topology, SETUP, a, b);
  await ping(topology, a.netns, "10.9.0.2");
  return { a, b, daemon: a.daemon };
}

Deno.test("a gateway out of descriptors refuses links and namespaces whole, keeps its API, and goes on when some are free", async () => {
  await using topology = new Topology();
  const other = await topology.addNetns("other");
  const { a, daemon } = await pair(topology, "ulimit -n 300");
  const add = (n: number) =>
    daemon.http("POST", `/v1/netns/${a.netns}/links`, {
      ifname: `more${n}`,
      linkinfo: { info_kind: "vti", info_data: { local: "192.0.2.1", remote: `203.0.113.${n}` } },
    });
  let made = 0;
  let last = await add(made);
  while (last.status === 201) last = await add(++made);
  const { errno, detail } = last.body as { errno: string; detail: string };
  assert.deepEqual([last.status, errno], [507, "ENOBUFS"]);
  assert.match(
    detail,
    /^Cannot create link "more\d+": .*EMFILE; raise the limit of open files \(ulimit -n\)$/,
  );
  assert.ok(made > 5, `${made} links`);
  // Nothing of the refused one is left, in the list nor in the system.
  const { body } = await daemon.http("GET", `/v1/netns/${a.netns}/links`);
  const devices = await topology.must(a.netns, ["ip", "-br", "link", "show", "type", "tun"]);
  assert.deepEqual([(body as unknown[]).length, devices.trim().split("\n").length], [made + 2, made + 2]);
  const refused = await daemon.tryIp(other, "link add vti1 type vti local 192.0.2.1 remote 192.0.2.2");
  assert.deepEqual([refused.code, refused.stderr], [2, "RTNETLINK answers: No buffer space available\n"]);
  assert.equal(await topology.must(other, ["ip", "-br", "link", "show", "type", "tun"]), "");

  const answers = await Promise.all(Array.from({ length: 60 }, () => daemon.http("GET", "/readyz")));
  assert.ok(answers.every(({ status }) => status === 200));
  await ping(topology, a.netns, "10.9.0.2");
  await daemon.ip(a.netns, "link del more0");
  await eventually(async () => assert.equal((await add(0)).status, 201));
  assert.equal((await daemon.stop()).code, 0);
});

Deno.test("a gateway that can't look gives up no namespace", async () => {
  await using topology = new Topology();
  const { a, daemon } = await pair(topology);
  const home = await topology.addNetns("home");
  await topology.spawn(home, ["sleep", "600"]);
  await daemon.ip(home, "link add vti1 type vti local 192.0.2.1 remote 192.0.2.2");
  const limit = (files: number) => must(["prlimit", `--pid=${daemon.process.pid}`, `--nofile=${files}:`]);
  // Nothing can be opened from now on, as on a host whose table of files is full.
  await limit(3);
  await must(["ip", "netns", "del", home]);
  await daemon.process.printed(/Cannot tell which namespaces live: /);
  await ping(topology, a.netns, "10.9.0.2");
  await limit(1024);
  const { body } = await daemon.http("GET", "/v1/netns");
  assert.equal((body as { name: string; links: number }[]).find(({ name }) => name === home)?.links, 2);
  assert.equal((await daemon.stop()).code, 0);
});

/** Shell commands that hide libraries from a daemon: an empty file in the place of each. */
async function hide(...names: readonly string[]): Promise<string> {
  const known = await must(["ldconfig", "-p"]);
  return names.map((name) => `mount --bind /dev/null ${new RegExp(`${name} .*=> (\\S+)`).exec(known)![1]}`)
    .join("\n");
}

Deno.test("a restart without a crypto library goes on with the next, and SAs that only it can do wait for it", async () => {
  await using topology = new Topology();
  const [runDir, netns] = [await topology.directory(), await topology.addNetns("other")];
  const start = (mounts = "true", args: string[] = []) =>
    Daemon.start(topology, { placement: "packed", crypto: "auto", runDir, mounts, args });
  const { a, b } = await joinedPair(topology, async () => ({
    a: await start(),
    b: await Daemon.start(topology, { placement: "packed" }),
  }));
  await setUpTunnel(topology, SETUP, a, b);
  let { daemon } = a;
  const camellia = "xfrm state add src 192.0.2.8 dst 192.0.2.9 proto esp spi 9 mode tunnel " +
    `enc cbc(camellia) 0x${"11".repeat(16)} auth hmac(sha256) 0x${"22".repeat(32)}`;
  await daemon.ip(netns, camellia);
  const states = async () =>
    ((await daemon.http("GET", `/v1/netns/${netns}/xfrm/states`)).body as unknown[]).length;
  const crypto = async () => ((await daemon.http("GET", "/readyz")).body as { crypto: string }).crypto;
  assert.deepEqual([await crypto(), await states()], ["ipsec-mb", 1]);
  for (
    const [hidden, expected, left] of [
      [["libIPSec_MB.so.1"], "libcrypto", 1],
      [["libIPSec_MB.so.1", "libcrypto.so.3"], "noble", 0],
      [[], "ipsec-mb", 1],
    ] as const
  ) {
    await daemon.stop("SIGKILL");
    daemon = await start(await hide(...hidden));
    assert.deepEqual([await crypto(), await states()], [expected, left]);
    const said = /Cannot take up SA to 192\.0\.2\.9 spi 0x9 again: .*camellia/.test(daemon.process.output);
    assert.equal(said, left === 0);
    await ping(topology, a.netns, "10.9.0.2");
  }
  await daemon.stop();
  await assert.rejects(
    start(await hide("libIPSec_MB.so.1"), ["--crypto", "ipsec-mb"]),
    /Choose crypto library "ipsec-mb": libIPSec_MB\.so\.1 is missing or does not fit this processor; apt-get install/,
  );
});

Deno.test("without memory for counters and windows a daemon does not start, says so, and leaves its state as it is", async () => {
  await using topology = new Topology();
  const { a, b, daemon } = await pair(topology);
  const maps = await Deno.readTextFile(`/proc/${daemon.process.pid}/maps`);
  const [cells] = /\/dev\/shm\/vti-gateway-\w+/.exec(maps)!;
  await daemon.stop("SIGKILL");
  const start = (mounts: string) =>
    Daemon.start(topology, { placement: "packed", runDir: daemon.runDir, mounts });
  const fault = ["-P", cells, "-e", "trace=mmap", "-e", "inject=mmap:error=ENOMEM"];
  await assert.rejects(
    start(`set -- strace -f -o /dev/null ${fault.join(" ")} "$@"`),
    /mmap answered ENOMEM/,
  );
  const next = await start("true");
  for (const { netns } of [a, b]) {
    const { body } = await next.http("GET", `/v1/netns/${netns}/xfrm/states`);
    assert.deepEqual((body as { input_refused?: string }[]).map((state) => state.input_refused), [
      undefined,
      undefined,
    ]);
  }
  await ping(topology, a.netns, "10.9.0.2");
  await next.stop();
});
