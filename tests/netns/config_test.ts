/** A daemon that is told by a file what to carry: at its start, and again at each SIGHUP. */
import assert from "node:assert/strict";
import type { LinkInfo, XfrmStateInfo } from "../../actors/gateway.ts";
import { Daemon, type Placement } from "../doubles/daemon.ts";
import { type Background, run, Topology } from "../doubles/topology.ts";
import { ping } from "../doubles/traffic.ts";

const MOD = new URL("../../mod.ts", import.meta.url).pathname;
const EXAMPLES = new URL("../../examples/", import.meta.url).pathname;

/** One tunnel between the two namespaces of a test, both ends in one daemon. */
interface Tunnel {
  readonly number: number;
  /** A byte that the tunnel's keys are made of. */
  readonly key: number;
  readonly more?: string;
}

const outer = (number: number, end: number) => `192.0.${number}.${end}`;

/** Both ends of a tunnel as a file has them. */
function tunnelToml(netns: readonly [string, string], { number, key, more = "" }: Tunnel): string {
  const hex = (end: number) => `0x${(key * 2 + end).toString(16).padStart(2, "0").repeat(20)}`;
  const ends = [1, 2].map((end) => {
    const [here, there] = [outer(number, end), outer(number, 3 - end)];
    const states = [1, 2].map((from) => `
[[state]]
netns = "${netns[end - 1]}"
src = "${outer(number, from)}"
dst = "${outer(number, 3 - from)}"
proto = "esp"
spi = ${0x1000 * from + number}
mode = "tunnel"
mark = ${number}
replay_window = 128
flags = ["af-unspec"]
aead = { name = "rfc4106(gcm(aes))", icv_bits = 128, key = "${hex(from)}" }`);
    const policies = (["out", "in"] as const).map((dir) => `
[[policy]]
netns = "${netns[end - 1]}"
dir = "${dir}"
src = "0.0.0.0/0"
dst = "0.0.0.0/0"
mark = ${number}
[[policy.tmpl]]
src = "${dir === "out" ? here : there}"
dst = "${dir === "out" ? there : here}"
proto = "esp"
mode = "tunnel"`);
    return `
[[link]]
netns = "${netns[end - 1]}"
name = "vti${number}"
local = "${here}"
remote = "${there}"
key = ${number}
addresses = ["10.9.${number}.${end}/30"]
${end === 1 ? more : ""}${states.join("\n")}${policies.join("\n")}`;
  });
  return ends.join("\n");
}

/** A daemon with a file, and the ways to change the file. */
class Configured {
  readonly daemon: Daemon;
  readonly path: string;
  #hangups = 1;

  private constructor(daemon: Daemon, path: string) {
    this.daemon = daemon;
    this.path = path;
  }

  /** Another daemon with the same directories, once this one has ended; it reads a new text. */
  async restart(topology: Topology, text: string): Promise<Configured> {
    await Deno.writeTextFile(this.path, text);
    const { runDir } = this.daemon;
    const args = ["--config", this.path];
    return new Configured(await Daemon.start(topology, { placement: "packed", runDir, args }), this.path);
  }

  static async start(topology: Topology, placement: Placement, text: string): Promise<Configured> {
    const path = `${await topology.directory()}/gateway.toml`;
    await Deno.writeTextFile(path, text, { mode: 0o600 });
    return new Configured(await Daemon.start(topology, { placement, args: ["--config", path] }), path);
  }

  /** Has the daemon read a new text; returns the line that it logs about the file. */
  async reload(text: string): Promise<string> {
    await Deno.writeTextFile(this.path, text);
    Deno.kill(this.daemon.process.pid, "SIGHUP");
    // One line each time, one for the start.
    const nth = new RegExp(`^(?:[^]*?${this.path}(:[^\\n]*)\\n){${++this.#hangups}}`);
    return (await this.daemon.process.printed(nth))[1]!;
  }
}

/** Two namespaces with a wire for each tunnel. */
async function twoSites(topology: Topology, numbers: readonly number[]): Promise<[string, string]> {
  const netns: [string, string] = [await topology.addNetns("a"), await topology.addNetns("b")];
  for (const number of numbers) {
    const end = (end: number) => ({
      netns: netns[end - 1]!,
      ifname: `wire${number}`,
      addresses: [`${outer(number, end)}/24`],
    });
    await topology.veth(end(1), end(2));
  }
  return netns;
}

/** Echoes 2 ms apart for as long as reloading takes. */
const FLOOD = ["ping", "-n", "-q", "-i", "0.002", "-W", "2"];

/** Starts echoes from a namespace through a link; resolves when the first has been sent. */
async function startFlood(
  topology: Topology,
  { daemon }: Configured,
  netns: string,
  before: LinkInfo,
  to: string,
): Promise<Background> {
  const flood = await topology.spawn(netns, [...FLOOD, to]);
  let { stats64 } = before;
  while (!flood.ended && stats64.tx.packets === before.stats64.tx.packets) {
    ({ stats64 } = await daemon.link(netns, before.ifname));
  }
  return flood;
}

/**
 * Ends a flood that began when the link had the counters `before`; returns the packets sent since and the answers. The
 * link's counters have them, because ping does not wait for the last answer.
 */
async function stopFlood(
  flood: Background,
  { daemon }: Configured,
  netns: string,
  before: LinkInfo,
): Promise<{ sent: number; answered: number; errors: number }> {
  await flood.stop("SIGINT");
  const [, sent] = /(\d+) packets transmitted/.exec(flood.output) ?? [];
  assert.ok(sent !== undefined, flood.output);
  const deadline = Date.now() + 2000;
  for (;;) {
    const { tx, rx } = (await daemon.link(netns, before.ifname)).stats64;
    const answered = rx.packets - before.stats64.rx.packets;
    if (answered < Number(sent) && Date.now() < deadline) continue;
    assert.equal(tx.packets - before.stats64.tx.packets, Number(sent), "counters go on");
    return { sent: Number(sent), answered, errors: tx.errors + rx.errors };
  }
}

for (const placement of ["packed", "isolated"] as const) {
  Deno.test(`SIGHUP changes what differs and lets the rest forward, ${placement}`, async () => {
    await using topology = new Topology();
    const netns = await twoSites(topology, [1, 2, 3]);
    const [a, b] = netns;
    const one = tunnelToml(netns, { number: 1, key: 1 });
    const two = (key: number, more = "") => tunnelToml(netns, { number: 2, key, more });
    const configured = await Configured.start(topology, placement, one + two(2));
    const { daemon } = configured;
    await ping(topology, a, "10.9.1.2");
    await ping(topology, a, "10.9.2.2");
    const before = await daemon.link(a, "vti1");

    const flood = await startFlood(topology, configured, a, before, "10.9.1.2");
    // New keys for the second tunnel, then another route, then a third instead of it, then back to one.
    assert.match(await configured.reload(one + two(3)), /: 4 changes made$/);
    await ping(topology, a, "10.9.2.2");
    assert.match(await configured.reload(one + two(3, 'routes = ["10.50.0.0/16"]')), /: 1 changes made$/);
    assert.match(await topology.must(a, ["ip", "route"]), /^10\.50\.0\.0\/16 dev vti2/m);
    assert.match(await configured.reload(one + two(3)), /: 1 changes made$/);
    assert.doesNotMatch(await topology.must(a, ["ip", "route"]), /10\.50/);
    const three = tunnelToml(netns, { number: 3, key: 4 });
    assert.match(await configured.reload(one + three), /changes made$/);
    await ping(topology, b, "10.9.3.1");
    assert.match(await configured.reload(one), /changes made$/);
    assert.match(await configured.reload(one), /: nothing to change$/);
    const { sent, answered, errors } = await stopFlood(flood, configured, a, before);

    assert.ok(sent > 50, `${sent} packets are too few to prove anything`);
    assert.deepEqual([answered, errors], [sent, 0]);
    assert.equal((await daemon.link(a, "vti1")).ifindex, before.ifindex);
    for (const side of netns) {
      const { body: links } = await daemon.http("GET", `/v1/netns/${side}/links`);
      const names = (links as { ifname: string }[]).map(({ ifname }) => ifname);
      assert.deepEqual(names.filter((name) => name !== "ip_vti0"), ["vti1"]);
      const { body: states } = await daemon.http("GET", `/v1/netns/${side}/xfrm/states`);
      assert.equal((states as unknown[]).length, 2);
    }
  });
}

Deno.test("SIGHUP with a wrong file changes nothing and says which line", async () => {
  await using topology = new Topology();
  const netns = await twoSites(topology, [1, 2]);
  const one = tunnelToml(netns, { number: 1, key: 1 });
  const configured = await Configured.start(topology, "packed", one);
  const { daemon } = configured;
  const before = await daemon.link(netns[0], "vti1");
  const flood = await startFlood(topology, configured, netns[0], before, "10.9.1.2");
  const lines = one.split("\n").length;
  const cases: readonly (readonly [text: string, line: RegExp])[] = [
    [`${one}\nname = `, RegExp(`^:${lines + 1}: not TOML: `)],
    [
      `${one}\n[[link]]\nname = "vti9"\nremote = "nowhere"`,
      RegExp(`^:${lines + 3}: key "remote": got "nowhere", expected an IPv4 address$`),
    ],
    [
      `${one}\n[[link]]\nname = "vti9"\nremote = "192.0.2.1"\ndev = "nosuch0"`,
      RegExp(`^:${lines + 4}: Cannot create link "vti9": there is no device "nosuch0"$`),
    ],
    // The rest of the file would take the tunnel away.
    ['[[netns]]\nname = "a/b"', /^:2: key "name": got "a\/b", expected the name of a network namespace$/],
  ];
  for (const [text, line] of cases) assert.match(await configured.reload(text), line);
  const { sent, answered } = await stopFlood(flood, configured, netns[0], before);
  assert.ok(sent > 0);
  assert.equal(answered, sent);
  assert.equal((await daemon.link(netns[0], "vti1")).ifname, "vti1");
  assert.match(await configured.reload(one), /nothing to change$/);
});

Deno.test("a restart goes on with what the file still has, and removes what left it meanwhile", async () => {
  await using topology = new Topology();
  const netns = await twoSites(topology, [1, 2]);
  const [a] = netns;
  const one = (more: string) => tunnelToml(netns, { number: 1, key: 1, more });
  const two = tunnelToml(netns, { number: 2, key: 2 });
  const routes = (...texts: string[]) => `routes = ${JSON.stringify(texts)}`;
  const first = await Configured.start(
    topology,
    "packed",
    one(routes("10.50.0.0/16", "10.51.0.0/16")) + two,
  );
  await ping(topology, a, "10.9.1.2");
  const { code } = await first.daemon.stop();
  assert.equal(code, 0);
  const { daemon } = await first.restart(topology, one(routes("10.51.0.0/16")));
  const replays = await daemon.http("GET", `/v1/netns/${a}/xfrm/states`);
  const sent = (replays.body as XfrmStateInfo[]).map(({ replay }) => replay.oseq);
  assert.ok(sent.some((oseq) => oseq > 0), "sequence numbers go on");
  await ping(topology, a, "10.9.1.2");
  const route = await topology.must(a, ["ip", "route"]);
  assert.match(route, /^10\.51\.0\.0\/16 dev vti1/m);
  assert.doesNotMatch(route, /10\.50\./);
  for (const side of netns) {
    const { body } = await daemon.http("GET", `/v1/netns/${side}/links`);
    const names = (body as { ifname: string }[]).map(({ ifname }) => ifname);
    assert.deepEqual(names.filter((name) => name !== "ip_vti0"), ["vti1"]);
    const states = await daemon.http("GET", `/v1/netns/${side}/xfrm/states`);
    assert.equal((states.body as unknown[]).length, 2);
  }
});

Deno.test("at the start a wrong file ends the daemon with the line, and leaves nothing", async () => {
  await using topology = new Topology();
  const name = await topology.addNetns("a");
  const directory = await topology.directory();
  const path = `${directory}/gateway.toml`;
  const unused = `${name}-unused`;
  await Deno.writeTextFile(
    path,
    `[[netns]]\nname = "${unused}"\n[[link]]\nnetns = "${name}"\nname = "vti1"\nremote = "192.0.2.2"\nkey = -1\n`,
  );
  const dirs = ["--run-dir", `${directory}/run`, "--state-dir", `${directory}/state`];
  const { code, stderr } = await run(
    [Deno.execPath(), "run", "-A", MOD, "run", ...dirs, "--listen", "127.0.0.1:0", "--config", path],
  );
  assert.equal(code, 1);
  assert.equal(stderr, `${path}:7: key "key": got -1, expected a number of 0 to 4294967295\n`);
  const links = await topology.must(name, ["ip", "-o", "link"]);
  assert.doesNotMatch(links, /vti/);
  await assert.rejects(Deno.stat(`/run/netns/${unused}`), Deno.errors.NotFound);
});

Deno.test("a file makes namespaces and removes those that it made", async () => {
  await using topology = new Topology();
  const found = await topology.addNetns("found");
  const made = `${found}-made`;
  const text = (...names: string[]) => names.map((name) => `[[netns]]\nname = "${name}"\n`).join("");
  const names = async () =>
    (await topology.must(found, ["ip", "netns", "list"])).split("\n").map((line) => line.split(" ")[0]);
  const link =
    `[[link]]\nnetns = "${made}"\nname = "vti1"\nremote = "192.0.2.2"\naddresses = ["10.9.0.1/30"]\n`;
  const configured = await Configured.start(topology, "packed", text(found, made) + link);
  assert.ok((await names()).includes(made));
  assert.match(await topology.must(made, ["ip", "address", "show", "vti1"]), /10\.9\.0\.1\/30/);
  assert.match(await configured.reload(text(found)), /changes made$/);
  assert.ok(!(await names()).includes(made));
  assert.match(await configured.reload(""), /changes made$/);
  assert.ok((await names()).includes(found), "it was there before");
});

Deno.test("the example is applied as it stands", async () => {
  await using topology = new Topology();
  const name = await topology.addNetns("example");
  const directory = await topology.directory();
  for (const file of ["gateway.toml", "vti1-out.key"]) {
    const text = await Deno.readTextFile(`${EXAMPLES}${file}`);
    await Deno.writeTextFile(`${directory}/${file}`, text.replaceAll("vti-example", name), { mode: 0o600 });
  }
  const args = ["--config", `${directory}/gateway.toml`];
  const daemon = await Daemon.start(topology, { placement: "packed", args });
  const { mtu, flags, linkinfo } = await daemon.link(name, "vti1");
  assert.deepEqual([mtu, flags.includes("UP"), linkinfo.info_data.okey], [1400, true, "0.0.0.7"]);
  const shown = await topology.must(name, ["sh", "-c", "ip address; ip route; ip -6 route"]);
  for (const text of ["10.9.0.1/30", "fd00:9::1/64", "10.50.0.0/16 dev vti1", "fd00:50::/32 dev vti1"]) {
    assert.ok(shown.includes(text), `${text} is not in ${shown}`);
  }
  const { body: states } = await daemon.http("GET", `/v1/netns/${name}/xfrm/states`);
  const { body: policies } = await daemon.http("GET", `/v1/netns/${name}/xfrm/policies`);
  assert.deepEqual([(states as unknown[]).length, (policies as unknown[]).length], [3, 5]);
  assert.doesNotMatch(daemon.process.output, /others may read/);
});
