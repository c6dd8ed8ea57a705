/**
 * The vti4 cases of the kernel's own selftest (tools/testing/selftests/net/pmtu.sh), in its own words: scripts that know
 * nothing of the gateway run `ip`, and bin/ip stands before the system's in PATH.
 */
import assert from "node:assert/strict";
import { Daemon } from "../doubles/daemon.ts";
import { type Ran, Topology } from "../doubles/topology.ts";

const BIN = new URL("../../bin", import.meta.url).pathname;
/** 20 bytes of 0x0f: AES-128 and its salt. */
const KEY = `0x${"0f".repeat(20)}`;
const VETH = { a: "192.168.1.1", b: "192.168.1.2" };
const TUNNEL = { a: "192.168.2.1", b: "192.168.2.2" };
const MAX_MTU = 65_535 - 20;

class Selftest {
  constructor(
    readonly topology: Topology,
    readonly daemon: Daemon,
    readonly netns: { a: string; b: string },
  ) {}

  static async start(topology: Topology): Promise<Selftest> {
    const netns = { a: await topology.addNetns("a"), b: await topology.addNetns("b") };
    return new Selftest(topology, await Daemon.start(topology, { placement: "packed" }), netns);
  }

  /** Runs a script in a namespace as somebody would who has bin/ip first in PATH. */
  try(end: "a" | "b", script: string): Promise<Ran> {
    return this.topology.exec(this.netns[end], ["sh", "-ec", script], {
      env: {
        PATH: `${BIN}:${Deno.env.get("PATH")}`,
        VTI_GATEWAY_RUN_DIR: this.daemon.runDir,
        VTI_GATEWAY_DENO: Deno.execPath(),
      },
    });
  }

  async run(end: "a" | "b", script: string): Promise<string> {
    const { code, stdout, stderr } = await this.try(end, script);
    assert.equal(code, 0, `${script}\n${stderr}${stdout}`);
    return stdout;
  }

  /** setup_veth, setup_vti4, setup_xfrm4. */
  async setUp(): Promise<void> {
    await this.run("a", `ip link add veth_a type veth peer name veth_b netns ${this.netns.b}`);
    for (const [here, there] of [["a", "b"], ["b", "a"]] as const) {
      const [veth, vti] = [`veth_${here}`, `vti4_${here}`];
      const aead = `mode tunnel aead 'rfc4106(gcm(aes))' ${KEY} 128`;
      const sa = (from: "a" | "b", to: "a" | "b") =>
        `ip xfrm state add src ${VETH[from]} dst ${VETH[to]} spi 0x100${
          from === "a" ? 0 : 1
        } proto esp ${aead}`;
      const policy = (dir: string, from: "a" | "b", to: "a" | "b") =>
        `ip xfrm policy add dir ${dir} mark 10 tmpl src ${VETH[from]} dst ${VETH[to]} proto esp mode tunnel`;
      await this.run(
        here,
        `ip addr add ${VETH[here]}/24 dev ${veth}
         ip link set ${veth} up
         ip link add ${vti} type vti local ${VETH[here]} remote ${VETH[there]} key 10
         ip addr add ${TUNNEL[here]}/24 dev ${vti}
         ip link set ${vti} up
         ${sa("a", "b")}
         ${sa("b", "a")}
         ${policy("out", here, there)}
         ${policy("in", there, here)}`,
      );
    }
  }

  /** MTU of the route exception for an address, "" when there is none. */
  async exception(end: "a" | "b", address: string): Promise<string> {
    return (await this.run(end, `ip route get ${address}`)).match(/mtu (\d+)/)?.[1] ?? "";
  }

  async mtu(end: "a" | "b", device: string): Promise<number> {
    return Number((await this.run(end, `ip -o link show dev ${device}`)).match(/ mtu (\d+) /)?.[1]);
  }
}

Deno.test("pmtu_vti4_exception", async () => {
  await using topology = new Topology();
  const test = await Selftest.start(topology);
  await test.setUp();
  await test.run("a", "ip link set vti4_a mtu 1480; ip link set veth_a mtu 1500");
  await test.run("b", "ip link set vti4_b mtu 1480; ip link set veth_b mtu 1500");
  // SPI, sequence number, IV, ICV, pad length, next header.
  const payload = 1480 - 4 - 4 - 8 - 16 - 1 - 1;
  assert.equal(payload, 1446);

  const pings = (bytes: number) => `ping -q -M want -i 0.1 -w 1 -s ${bytes - 28} ${TUNNEL.b}`;
  assert.match(await test.run("a", pings(payload)), / 0% packet loss/);
  assert.equal(await test.exception("a", TUNNEL.b), "", "no exception as long as packets fit");
  await test.try("a", pings(payload + 1));
  assert.equal(await test.exception("a", TUNNEL.b), String(payload));
});

Deno.test("pmtu_vti4_default_mtu", async () => {
  await using topology = new Topology();
  const test = await Selftest.start(topology);
  await test.setUp();
  for (const end of ["a", "b"] as const) {
    assert.equal(await test.mtu(end, `vti4_${end}`), await test.mtu(end, `veth_${end}`) - 20);
  }
});

Deno.test("pmtu_vti4_link_add_mtu", async () => {
  await using topology = new Topology();
  const test = await Selftest.start(topology);
  const add = (mtu: number) =>
    test.try("a", `ip link add vti4_a mtu ${mtu} type vti local ${VETH.a} remote ${VETH.b} key 10`);
  const del = () => test.run("a", "ip link del vti4_a");

  // Beyond the range: refused, or brought into it.
  for (const mtu of [67, MAX_MTU + 1]) {
    if ((await add(mtu)).code !== 0) continue;
    const made = await test.mtu("a", "vti4_a");
    assert.ok(made >= 68 && made <= MAX_MTU, `${mtu}: ${made}`);
    await del();
  }
  for (const mtu of [68, 1300, MAX_MTU]) {
    const { code, stderr } = await add(mtu);
    assert.equal(code, 0, stderr);
    assert.equal(await test.mtu("a", "vti4_a"), mtu);
    await del();
  }
  assert.equal((await test.try("a", "ip link show vti4_a")).code, 1, "all are deleted");
});
