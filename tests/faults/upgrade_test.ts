/** A state directory that another version has left: an older one is gone on from, a newer one is refused. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Daemon } from "../doubles/daemon.ts";
import { Topology } from "../doubles/topology.ts";

/** A daemon in a namespace of its own, which it knows by no name, as the one that left the state did. */
const NAMELESS = "mount -t tmpfs tmpfs /run/netns; ip link set lo up";

Deno.test("a daemon goes on from the state that schema 1 has left, with all that was in it", async () => {
  await using topology = new Topology();
  const [runDir, netns] = [await topology.directory(), await topology.addNetns("a")];
  await Deno.mkdir(`${runDir}/state`);
  const left = new DatabaseSync(`${runDir}/state/state.db`);
  left.exec(await Deno.readTextFile(new URL("../vectors/state_v1.sql", import.meta.url)));
  left.close();
  const daemon = await Daemon.start(topology, { placement: "packed", netns, runDir, mounts: NAMELESS });
  assert.doesNotMatch(daemon.process.output, /Cannot|damaged|forgotten/);
  const client = [Deno.execPath(), "run", "-A", new URL("../../mod.ts", import.meta.url).pathname];
  const ip = (words: string) => topology.must(netns, [...client, "--run-dir", runDir, ...words.split(" ")]);
  assert.match(
    await ip("link show vti1"),
    /vti1@NONE: <POINTOPOINT,NOARP,UP,LOWER_UP> mtu 1400 .*\n +link\/ipip 192\.0\.2\.1 peer 192\.0\.2\.2\n/,
  );
  assert.equal(
    await ip("tunnel show vti2"),
    "vti2: ip/ip remote 192.0.2.3 local 192.0.2.1 ttl 64 ikey 8 okey 9\n",
  );
  assert.equal(await ip("xfrm state"), STATES);
  assert.equal(await ip("xfrm policy"), POLICIES);
  await daemon.remove();
});

Deno.test("a daemon does not touch the state of a newer version, and says so", async () => {
  await using topology = new Topology();
  const runDir = await topology.directory();
  await Deno.mkdir(`${runDir}/state`);
  const path = `${runDir}/state/state.db`;
  const newer = new DatabaseSync(path);
  newer.exec("CREATE TABLE objects (something TEXT); PRAGMA user_version = 999");
  newer.close();
  const before = await Deno.readFile(path);
  await assert.rejects(
    Daemon.start(topology, { placement: "packed", runDir }),
    /Open the state in \S+state\.db: it has schema 999, of a newer vti-gateway; this one knows \d+/,
  );
  assert.deepEqual(await Deno.readFile(path), before);
});

const STATES = `\
src 192.0.2.1 dst 192.0.2.2
	proto ah spi 0x00003003 reqid 0 mode transport
	replay-window 0 
	output-mark 0x5/0xffffffff
	auth-trunc hmac(sha1) 0x404142434445464748494a4b4c4d4e4f50515253 96
	anti-replay context: seq 0x0, oseq 0x0, bitmap 0x00000000
	sel src 0.0.0.0/0 dst 0.0.0.0/0 
src 192.0.2.2 dst 192.0.2.1
	proto esp spi 0x00001001 reqid 5 mode tunnel
	replay-window 32 flag af-unspec
	mark 0x7/0xffffffff 
	auth-trunc hmac(sha256) 0x303132333435363738393a3b3c3d3e3f303132333435363738393a3b3c3d3e3f 128
	enc cbc(aes) 0x202122232425262728292a2b2c2d2e2f
	encap type espinudp sport 4500 dport 4500 addr 0.0.0.0
	anti-replay context: seq 0x0, oseq 0x0, bitmap 0x00000000
	sel src 10.0.0.0/8 dst 10.9.0.0/16 
src 192.0.2.1 dst 192.0.2.2
	proto esp spi 0x00002002 reqid 0 mode tunnel
	replay-window 0 flag af-unspec esn
	mark 0x7/0xffffffff 
	aead rfc4106(gcm(aes)) 0x101112131415161718191a1b1c1d1e1fdeadbeef 128
	anti-replay esn context:
	 seq-hi 0x0, seq 0x0, oseq-hi 0x0, oseq 0x3e8
	 replay_window 128, bitmap-length 4
	 00000000 00000000 00000000 00000000 
`;

const POLICIES = `\
src ::/0 dst ::/0 
	dir fwd action block priority 100 ptype sub 
src 10.0.0.0/8 dst 10.9.0.0/16 proto tcp dport 80 
	dir in priority 0 ptype main 
	mark 0x7/0xffffffff 
	tmpl src 192.0.2.2 dst 192.0.2.1
		proto esp reqid 5 mode tunnel
		level use 
src 0.0.0.0/0 dst 0.0.0.0/0 
	dir out priority 3 ptype main 
	mark 0x7/0xffffffff 
	tmpl src 192.0.2.1 dst 192.0.2.2
		proto esp reqid 0 mode tunnel
`;
