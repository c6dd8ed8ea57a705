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

  /** setup_veth. */
  async joinByVeth(): Promise<void> {
    await this.run("a", `ip link add veth_a type veth peer name veth_b netns ${this.netns.b}`);
    for (const end of ["a", "b"] as const) {
      await this.run(end, `ip addr add ${VETH[end]}/24 dev veth_${end}; ip link set veth_${end} up`);
    }
  }

  /** setup_routing, as far as R1; returns its namespace. */
  async joinByRouter(): Promise<string> {
    const r1 = await this.topology.addNetns("r1");
    for (const [end, name, network] of [["a", "A", "10.0.1"], ["b", "B", "10.0.3"]] as const) {
      await this.run(
        end,
        `ip link add veth_${name}-R1 type veth peer name veth_R1-${name} netns ${r1}
         ip addr add ${network}.1/24 dev veth_${name}-R1
         ip link set veth_${name}-R1 up
         ip -n ${r1} addr add ${network}.2/24 dev veth_R1-${name}
         ip -n ${r1} link set veth_R1-${name} up
         ip route add default via ${network}.2`,
      );
    }
    await this.topology.sysctl(r1, { "net/ipv4/ip_forward": 1 });
    return r1;
  }

  /** setup_vti4 and setup_xfrm4, between these addresses. */
  async setUp(outer: { readonly a: string; readonly b: string }, encap = ""): Promise<void> {
    for (const [here, there] of [["a", "b"], ["b", "a"]] as const) {
      const vti = `vti4_${here}`;
      const sa = (from: "a" | "b", to: "a" | "b") =>
        `ip -4 xfrm state add src ${outer[from]} dst ${outer[to]} spi 0x100${from === "a" ? 0 : 1} ` +
        `proto esp aead 'rfc4106(gcm(aes))' ${KEY} 128 mode tunnel ${encap}`;
      const policy = (dir: string, from: "a" | "b", to: "a" | "b") =>
        `ip -4 xfrm policy add dir ${dir} mark 10 tmpl src ${outer[from]} dst ${
          outer[to]
        } proto esp mode tunnel`;
      await this.run(
        here,
        `ip link add ${vti} type vti local ${outer[here]} remote ${outer[there]} key 10
         ip addr add ${TUNNEL[here]}/24 dev ${vti}
         ip link set ${vti} up
         ${sa("a", "b")}
         ${sa("b", "a")}
         ${policy("out", here, there)}
         ${policy("in", there, here)}`,
      );
    }
  }

  /** The script's ping, of an IP packet of so many bytes. */
  ping(bytes: number): Promise<Ran> {
    return this.try("a", `ping -q -M want -i 0.1 -w 1 -s ${bytes - 28} ${TUNNEL.b}`);
  }

  /** Packets of so many bytes pass, and teach no MTU. */
  async passes(bytes: number): Promise<void> {
    assert.match((await this.ping(bytes)).stdout, / 0% packet loss/);
    assert.equal(await this.exception("a", TUNNEL.b), "", "no exception as long as packets fit");
  }

  /** MTU of the route exception for an address, "" when there is none. */
  async exception(end: "a" | "b", address: string): Promise<string> {
    return (await this.run(end, `ip route get ${address}`)).match(/mtu (\d+)/)?.[1] ?? "";
  }

  async mtu(end: "a" | "b", device: string): Promise<number> {
    return Number((await this.run(end, `ip -o link show dev ${device}`)).match(/ mtu (\d+) /)?.[1]);
  }
}

const VETH_MTU = 1500;
const VTI_MTU = VETH_MTU - 20;
/** SPI, sequence number, IV, ICV, pad length, next header. */
const ESP_BYTES = 4 + 4 + 8 + 16 + 1 + 1;
const UDP_BYTES = 8;
const ENCAP = "encap espinudp 4500 4500 0.0.0.0";

for (
  const [name, encap, payload] of [
    ["pmtu_vti4_exception", "", VTI_MTU - ESP_BYTES],
    ["pmtu_vti4_udp_exception", ENCAP, VTI_MTU - UDP_BYTES - ESP_BYTES],
  ] as const
) {
  Deno.test(name, async () => {
    await using topology = new Topology();
    const test = await Selftest.start(topology);
    await test.joinByVeth();
    await test.setUp(VETH, encap);
    for (const end of ["a", "b"] as const) {
      await test.run(
        end,
        `ip link set dev veth_${end} mtu ${VETH_MTU}; ip link set dev vti4_${end} mtu ${VTI_MTU}`,
      );
    }
    await test.passes(payload);
    await test.ping(payload + 1);
    assert.equal(await test.exception("a", TUNNEL.b), String(payload));
  });
}

Deno.test("pmtu_vti4_udp_routed_exception", async () => {
  await using topology = new Topology();
  const test = await Selftest.start(topology);
  const r1 = await test.joinByRouter();
  await test.setUp({ a: "10.0.1.1", b: "10.0.3.1" }, ENCAP);
  for (const end of ["a", "b"] as const) await test.run(end, `ip link set dev vti4_${end} mtu ${VTI_MTU}`);
  const payload = VTI_MTU - UDP_BYTES - ESP_BYTES;
  await test.passes(payload);
  await test.run("a", `ip -n ${r1} link set dev veth_R1-B mtu ${VETH_MTU - 8}`);
  await test.ping(payload);
  assert.equal(await test.exception("a", TUNNEL.b), String(payload - 8));
});

Deno.test("pmtu_vti4_default_mtu", async () => {
  await using topology = new Topology();
  const test = await Selftest.start(topology);
  await test.joinByVeth();
  await test.setUp(VETH);
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
