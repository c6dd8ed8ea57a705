/** --carrier sa: a device shows NO-CARRIER to the system and to the client while nothing could leave by it. */
import assert from "node:assert/strict";
import { algorithm } from "../doubles/algorithms.ts";
import { Daemon } from "../doubles/daemon.ts";
import { eventually } from "../doubles/eventually.ts";
import { Topology } from "../doubles/topology.ts";
import { ping } from "../doubles/traffic.ts";
import { joinedPair, setUpTunnel, type TunnelSetup } from "../doubles/tunnel.ts";

const SETUP: TunnelSetup = { ifname: "vti1", key: 7, algorithm: algorithm("gcm128"), udp: false };
const WITHOUT = /<NO-CARRIER,POINTOPOINT,NOARP,UP>.* state DOWN/;
const WITH = /<POINTOPOINT,NOARP,UP,LOWER_UP>.* state (?:UNKNOWN|UP) /;

Deno.test("a device has carrier while an SA and a policy could carry a packet out", async () => {
  await using topology = new Topology();
  const runDir = await topology.directory();
  const start = (carrier: string) =>
    Daemon.start(topology, { placement: "packed", runDir, args: ["--carrier", carrier] });
  const { a, b } = await joinedPair(topology, async () => {
    const daemon = await start("sa");
    return { a: daemon, b: daemon };
  });
  let { daemon } = a;
  /** What the system's ip shows, and what the client does. */
  const shows = (expected: RegExp) =>
    eventually(async () => {
      assert.match(await topology.must(a.netns, ["ip", "link", "show", "vti1"]), expected);
      assert.match(await daemon.ip(a.netns, "link show vti1"), expected);
    });
  await daemon.ip(a.netns, `link add vti1 type vti local ${a.outer} remote ${b.outer} key 7`);
  await daemon.ip(a.netns, "link set vti1 up");
  await topology.must(a.netns, ["ip", "route", "add", "10.50.0.0/16", "dev", "vti1"]);
  await shows(WITHOUT);
  assert.match(await topology.must(a.netns, ["ip", "route", "show", "10.50.0.0/16"]), /linkdown/);
  await daemon.ip(a.netns, "link del vti1");

  await setUpTunnel(topology, SETUP, a, b);
  await shows(WITH);
  await ping(topology, a.netns, "10.9.0.2");
  // The SA goes by itself; the other direction and the policies stay.
  const out = `src ${a.outer} dst ${b.outer} proto esp spi ${b.spi}`;
  await daemon.ip(
    a.netns,
    `xfrm state update ${out} mark 7 mode tunnel ${SETUP.algorithm.words} flag af-unspec limit packet-hard 1`,
  );
  await topology.exec(a.netns, ["ping", "-c1", "-W1", "10.9.0.2"]);
  await shows(WITHOUT);
  await daemon.stop("SIGKILL");
  daemon = await start("sa");
  await shows(WITHOUT);
  // Without the option there is carrier always, as with the kernel's vti.
  await daemon.stop();
  daemon = await start("always");
  await shows(WITH);
  await daemon.remove();
});
