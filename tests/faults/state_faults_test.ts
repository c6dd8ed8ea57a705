/** What the state directory may meet: a loss of power, a full disk, a disk that can't be written to or that fails. */
import assert from "node:assert/strict";
import { algorithm } from "../doubles/algorithms.ts";
import { Capture, readPackets } from "../doubles/capture.ts";
import { Daemon } from "../doubles/daemon.ts";
import { eventually } from "../doubles/eventually.ts";
import { must, Topology } from "../doubles/topology.ts";
import { ping } from "../doubles/traffic.ts";
import { joinedPair, setUpTunnel, stateWords, type TunnelEnd, type TunnelSetup } from "../doubles/tunnel.ts";

const SETUP: TunnelSetup = { ifname: "vti1", key: 7, algorithm: algorithm("gcm128"), udp: false };
const PLACEMENT = { placement: "packed" } as const;

/** Two daemons; what is said of `a` applies to its state directory. */
async function pair(topology: Topology, mounts?: string): Promise<{ a: TunnelEnd; b: TunnelEnd }> {
  const ends = await joinedPair(topology, async () => ({
    a: await Daemon.start(topology, { ...PLACEMENT, ...(mounts !== undefined && { mounts }) }),
    b: await Daemon.start(topology, PLACEMENT),
  }));
  await setUpTunnel(topology, SETUP, ends.a, ends.b);
  await ping(topology, ends.a.netns, "10.9.0.2");
  return ends;
}

Deno.test("after a loss of power numbers go on, and what arrives is refused until its SA is replaced", async () => {
  await using topology = new Topology();
  const { a, b } = await pair(topology);
  const wire = await Capture.start(topology, a.netns, "wire", "ip proto 50");
  await topology.must(a.netns, ["ping", "-q", "-i", "0.002", "-c", "200", "10.9.0.2"]);
  // What the disk has at one moment; then another boot, whose memory knows nothing.
  const left = await topology.directory();
  Deno.kill(a.daemon.process.pid, "SIGSTOP");
  await must(["cp", "-r", `${a.daemon.runDir}/state`, left]);
  await a.daemon.stop("SIGKILL");
  const mounts = `echo 00000000-0000-4000-8000-000000000000 > ${left}/boot_id
    mount --bind ${left}/boot_id /proc/sys/kernel/random/boot_id
    mount -t tmpfs tmpfs /dev/shm`;
  const daemon = await Daemon.start(topology, { ...PLACEMENT, mounts, runDir: left });
  assert.match(
    daemon.process.output,
    /2 SAs take nothing that arrives until they are replaced, the replay window/,
  );
  const { body } = await daemon.http("GET", `/v1/netns/${a.netns}/xfrm/states`);
  const refused = (body as { input_refused?: string }[]).filter((state) => state.input_refused !== undefined);
  assert.equal(refused.length, 2);

  const peer = async () => (await b.daemon.link(b.netns, "vti1")).stats64.rx.packets;
  const before = await peer();
  const { code } = await topology.exec(a.netns, ["ping", "-c1", "-W1", "10.9.0.2"]);
  assert.notEqual(code, 0);
  assert.equal(await peer() - before, 1, "the peer has refused what was sent");
  assert.equal((await daemon.xfrmStat(a.netns)).XfrmInStateSeqError, 1);

  // The peer's SA is replaced as a key exchange would: another SPI, another key.
  const again = { a: { ...a, daemon, spi: 0x1003 }, b };
  const fresh = { ...SETUP, algorithm: algorithm("gcm256") };
  for (const { daemon, netns } of [again.a, again.b]) {
    await daemon.ip(netns, stateWords(fresh, again.b, again.a));
  }
  await b.daemon.ip(b.netns, `xfrm state delete src ${b.outer} dst ${a.outer} proto esp spi ${a.spi} mark 7`);
  await ping(topology, a.netns, "10.9.0.2");
  await wire.stop();
  const numbers = (await readPackets(wire.path)).map((packet) => packet.slice(40, 56));
  assert.ok(numbers.length > 400);
  assert.equal(new Set(numbers).size, numbers.length, "a sequence number was sent twice");
  await daemon.stop();
});

Deno.test("keys are sealed on the disk, and a daemon without the key for them does not start", async () => {
  await using topology = new Topology();
  const [runDir, secret] = [await topology.directory(), "5c".repeat(32)];
  const env = { VTI_GATEWAY_STATE_KEY: secret };
  const { a, b } = await joinedPair(topology, async () => ({
    a: await Daemon.start(topology, { ...PLACEMENT, runDir, env }),
    b: await Daemon.start(topology, PLACEMENT),
  }));
  await setUpTunnel(topology, SETUP, a, b);
  const { encKey } = SETUP.algorithm;
  const plain = Uint8Array.fromHex(encKey);
  const maps = await Deno.readTextFile(`/proc/${a.daemon.process.pid}/maps`);
  const files = [
    ...Array.from(Deno.readDirSync(`${runDir}/state`), ({ name }) => `${runDir}/state/${name}`),
    /\/dev\/shm\/vti-gateway-\w+/.exec(maps)![0],
  ];
  assert.ok(files.length >= 3);
  const text = new TextDecoder("latin1");
  for (const file of files) {
    const content = text.decode(await Deno.readFile(file));
    for (const canary of [text.decode(plain), encKey, secret]) assert.ok(!content.includes(canary), file);
  }
  assert.doesNotMatch(a.daemon.process.output, /unsealed/);
  await a.daemon.stop("SIGKILL");
  const unable = Daemon.start(topology, { ...PLACEMENT, runDir });
  await assert.rejects(unable, /they are sealed, and no key to open them is given/);
  const other = Daemon.start(topology, {
    ...PLACEMENT,
    runDir,
    env: { VTI_GATEWAY_STATE_KEY: "5d".repeat(32) },
  });
  await assert.rejects(other, /they are sealed with another key than the one given/);
  const daemon = await Daemon.start(topology, { ...PLACEMENT, runDir, env });
  await ping(topology, a.netns, "10.9.0.2");
  await daemon.stop();
});

Deno.test("a full disk stops no traffic, refuses what can't be kept, and is over when there is room", async () => {
  await using topology = new Topology();
  const runDir = await topology.directory();
  const dir = `${runDir}/state`;
  const mounts = `mkdir ${dir}\nmount -t tmpfs -o size=600k tmpfs ${dir}`;
  const { a, b } = await joinedPair(topology, async () => ({
    a: await Daemon.start(topology, { ...PLACEMENT, mounts, runDir }),
    b: await Daemon.start(topology, PLACEMENT),
  }));
  await setUpTunnel(topology, SETUP, a, b);
  const inside = (script: string) =>
    must(["nsenter", "--mount", `--target=${a.daemon.process.pid}`, "sh", "-c", script]);
  await inside(`dd if=/dev/zero of=${dir}/filler bs=4k 2>/dev/null; true`);
  const added = (spi: number) => a.daemon.tryIp(a.netns, stateWords({ ...SETUP, key: 8 }, a, { ...b, spi }));
  // Room within pages that SQLite has already may last for some.
  let spi = 0x3000;
  await eventually(async () => assert.match((await added(spi++)).stderr, /No buffer space available/));
  assert.match(a.daemon.process.output, /Write state in .*: database or disk is full; changes are not kept/);
  await ping(topology, a.netns, "10.9.0.2", 1300);
  // Deleting needs no promise of the disk.
  await a.daemon.ip(a.netns, "xfrm policy delete src ::/0 dst ::/0 dir in mark 7");
  assert.equal(a.daemon.process.output.match(/disk is full/g)?.length, 1);

  await inside(`rm ${dir}/filler`);
  await a.daemon.process.printed(/State in .* is written again/);
  assert.equal((await added(0x4000)).code, 0);
  await a.daemon.stop("SIGKILL");
});

Deno.test("a disk that fails to sync stops no traffic, and is over when it syncs again", async () => {
  await using topology = new Topology();
  const { a, b } = await pair(topology);
  const strace = await topology.spawn(null, [
    ...["strace", "-f", "-p", `${a.daemon.process.pid}`, "-o", "/dev/null"],
    ...["-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO"],
  ]);
  await strace.printed(/attached/);
  const refused = await a.daemon.tryIp(a.netns, stateWords({ ...SETUP, key: 8 }, a, { ...b, spi: 0x3000 }));
  assert.match(refused.stderr, /No buffer space available/);
  assert.match(a.daemon.process.output, /Write state in .*: disk I\/O error; changes are not kept/);
  await ping(topology, a.netns, "10.9.0.2");
  await strace.stop("SIGINT");
  await a.daemon.ip(a.netns, stateWords({ ...SETUP, key: 8 }, a, { ...b, spi: 0x3000 }));
  assert.match(a.daemon.process.output, /State in .* is written again/);
  // The refused one is not there, the accepted one is.
  await a.daemon.stop("SIGKILL");
  const daemon = await Daemon.start(topology, { ...PLACEMENT, runDir: a.daemon.runDir });
  const { body } = await daemon.http("GET", `/v1/netns/${a.netns}/xfrm/states`);
  assert.equal((body as unknown[]).length, 3);
  await ping(topology, a.netns, "10.9.0.2");
  await daemon.stop();
});

Deno.test("a disk that hangs stops neither traffic nor requests, refuses what can't be kept, and is over when it answers", async () => {
  await using topology = new Topology();
  const { a, b } = await pair(topology);
  const strace = await topology.spawn(null, [
    ...["strace", "-f", "-p", `${a.daemon.process.pid}`, "-o", "/dev/null"],
    ...["-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:delay_enter=600s"],
  ]);
  await strace.printed(/attached/);
  const add = (spi: number) => a.daemon.tryIp(a.netns, stateWords({ ...SETUP, key: 8 }, a, { ...b, spi }));
  for (const spi of [0x3000, 0x3001]) {
    assert.match((await add(spi)).stderr, /No buffer space available/);
    assert.match(
      a.daemon.process.output,
      /Write state in .*: the disk does not answer; changes are not kept/,
    );
    const { body } = await a.daemon.http("GET", `/v1/netns/${a.netns}/xfrm/states`);
    assert.equal((body as unknown[]).length, 2);
    await ping(topology, a.netns, "10.9.0.2");
  }
  await strace.stop("SIGINT");
  await a.daemon.process.printed(/State in .* is written again/);
  assert.equal((await add(0x3001)).code, 0);
  // What the disk wrote late is not there, though it was under way when it was refused.
  await a.daemon.stop("SIGKILL");
  const daemon = await Daemon.start(topology, { ...PLACEMENT, runDir: a.daemon.runDir });
  const { body } = await daemon.http("GET", `/v1/netns/${a.netns}/xfrm/states`);
  const spis = (body as { spi: number }[]).map(({ spi }) => spi);
  assert.deepEqual(spis.sort((x, y) => x - y), [a.spi, b.spi, 0x3001]);
  await ping(topology, a.netns, "10.9.0.2");
  await daemon.stop();
});

Deno.test("a read-only directory is a warning, and an error when there is a state in it", async () => {
  await using topology = new Topology();
  const runDir = await topology.directory();
  const dir = `${runDir}/state`;
  await Deno.mkdir(dir);
  const mounts = `mount --bind ${dir} ${dir}\nmount -o remount,bind,ro ${dir}`;
  const netns = await topology.addNetns("a");
  const without = await Daemon.start(topology, { ...PLACEMENT, mounts, runDir });
  assert.equal(
    without.process.output.match(/Nothing will outlive this daemon: .*read-only file system/gi)?.length,
    1,
  );
  await without.ip(netns, "link add vti1 type vti local 192.0.2.1 remote 192.0.2.2");
  await without.stop();
  assert.equal(await topology.must(netns, ["ip", "-br", "link", "show", "type", "tun"]), "");

  const writing = await Daemon.start(topology, { ...PLACEMENT, runDir });
  await writing.ip(netns, "link add vti1 type vti local 192.0.2.1 remote 192.0.2.2");
  await writing.stop();
  const started = Daemon.start(topology, { ...PLACEMENT, mounts, runDir });
  await assert.rejects(started, /Cannot go on from the state in .*read-only file system; make it writable/i);
});
