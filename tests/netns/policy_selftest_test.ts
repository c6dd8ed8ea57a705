/**
 * The kernel's own selftest of policies (tools/testing/selftests/net/xfrm_policy.sh), by a vti: which of the policies for
 * overlapping prefixes decides, in whatever order they came, with any hash thresholds, and again after a flush.
 *
 * There a packet that meets an exception leaves in clear; a vti has no other way for it and says host unreachable.
 */
import assert from "node:assert/strict";
import { algorithm } from "../doubles/algorithms.ts";
import { Daemon } from "../doubles/daemon.ts";
import { eventually } from "../doubles/eventually.ts";
import { Topology } from "../doubles/topology.ts";
import { gatewayIp } from "../interop/kernel/gateway_client.ts";

const LOCAL = "192.0.2.1", REMOTE = "192.0.2.2";
const FROM = "10.0.1.0/24", TO = "10.0.2.0/24";
const TEMPLATE = `tmpl src ${LOCAL} dst ${REMOTE} proto esp mode tunnel`;
const HOSTS = ["10.0.2.2", "10.0.2.253", "10.0.2.254"] as const;

/** Selector and the rest of each policy; all of them are out policies of the tunnel's mark. */
const TUNNELLED = [`src ${FROM} dst ${TO}`, `priority 100 ${TEMPLATE}`] as const;
const DIRECT = ["src 10.0.1.1/32 dst 10.0.2.253/32", `priority 10 ${TEMPLATE}`] as const;
const EXCEPTIONS = [
  [`src ${FROM} dst 10.0.2.254/32`, "priority 10"],
  ["src 10.0.1.0/28 dst 10.0.2.240/28", "priority 20"],
] as const;
const OVERLAPS = [
  ["10.0.0.0/8", "10.0.0.0/8"],
  ["10.0.1.0/24", "10.0.2.0/25"],
  ["10.0.1.0/25", "10.0.0.0/16"],
  ["0.0.0.0/0", "10.0.2.253/32"],
  ["10.0.1.1/32", "0.0.0.0/0"],
  ["10.0.1.0/29", "10.0.2.0/29"],
  ["10.0.1.0/28", "10.0.2.128/28"],
  ["10.0.1.0/27", "10.0.2.224/27"],
].map(([src, dst]) => [`src ${src} dst ${dst}`, "priority 200 action block"] as const);

Deno.test("xfrm_policy.sh: exceptions, direct policies and blocks by priority", async () => {
  await using topology = new Topology();
  const [a, b] = [await topology.addNetns("a"), await topology.addNetns("b")];
  const end = (netns: string, address: string) => ({ netns, ifname: "wire", addresses: [`${address}/24`] });
  await topology.veth(end(a, LOCAL), end(b, REMOTE));
  const daemon = await Daemon.start(topology, { placement: "packed" });
  const ip = (words: string) => gatewayIp(daemon, a, words);
  await ip(`link add vti1 type vti local ${LOCAL} remote ${REMOTE} key 10`);
  await ip("link set vti1 up");
  const sa = `src ${LOCAL} dst ${REMOTE} proto esp spi 1 mode tunnel mark 10`;
  await ip(`xfrm state add ${sa} ${algorithm("gcm128").words}`);
  await topology.addresses({ netns: a, ifname: "vti1", addresses: ["10.0.1.1/24"] });
  await topology.must(a, ["ip", "route", "add", TO, "dev", "vti1"]);

  type Policy = readonly [string, string];
  const add = async (policies: readonly Policy[]) => {
    for (const [selector, more] of policies) await ip(`xfrm policy add ${selector} dir out mark 10 ${more}`);
  };
  /** Hosts whose packets are encrypted; the packets of the others are refused and answered. */
  const tunnelled = async () => {
    const found: string[] = [];
    for (const host of HOSTS) {
      const before = (await daemon.link(a, "vti1")).stats64.tx;
      await topology.exec(a, ["ping", "-n", "-c1", "-W0.05", host]);
      const sent = await eventually(async () => {
        const { packets, carrier_errors } = (await daemon.link(a, "vti1")).stats64.tx;
        const [more, refused] = [packets - before.packets, carrier_errors - before.carrier_errors];
        assert.equal(more + refused, 1, host);
        return more === 1;
      });
      if (sent) found.push(host);
    }
    return found;
  };
  const findsEach = async (policies: readonly Policy[]) => {
    for (const [selector] of policies) await ip(`xfrm policy get ${selector} dir out mark 10`);
  };

  await add([TUNNELLED]);
  assert.deepEqual(await tunnelled(), HOSTS);
  await add(EXCEPTIONS);
  assert.deepEqual(await tunnelled(), ["10.0.2.2"]);
  await add([DIRECT]);
  const expected = ["10.0.2.2", "10.0.2.253"];
  assert.deepEqual(await tunnelled(), expected);
  await add(OVERLAPS);
  const all = [TUNNELLED, ...EXCEPTIONS, DIRECT, ...OVERLAPS];
  assert.deepEqual(await tunnelled(), expected);
  for (const thresholds of ["hthresh4 28 24", "hthresh4 16 16", "hthresh4 32 32", "hthresh6 0 0"]) {
    await ip(`xfrm policy set ${thresholds}`);
    await findsEach(all);
  }
  assert.deepEqual(await tunnelled(), expected);
  await ip("xfrm policy flush");
  assert.deepEqual(await tunnelled(), []);
  await add(all.toReversed());
  await findsEach(all);
  assert.deepEqual(await tunnelled(), expected);
});
