/**
 * Bundles of several SAs and IPComp between the gateway and Linux: first with ip_vti on the other side, then with
 * policies alone there, which can take a bundle in one go, and transport mode in it.
 *
 *     netns g: the gateway                          guest: Linux
 *     vti1 10.9.0.1 2001:db8:9::1  (key 7)          10.9.0.2 2001:db8:9::2
 *     eth0 192.0.2.1 ------------- tap ------------ eth0 192.0.2.2
 */
import assert from "node:assert/strict";
import { algorithm } from "../../doubles/algorithms.ts";
import { BUNDLES, bundleWords } from "../../doubles/bundles.ts";
import { Daemon } from "../../doubles/daemon.ts";
import { Topology } from "../../doubles/topology.ts";
import { Guest } from "./guest.ts";
import { type End, gatewayEnd, linuxEnd, statesAgree } from "./peers.ts";

const KEY = 7;
const GATEWAY = { outer: "192.0.2.1", spi: 0x1001 }, LINUX = { outer: "192.0.2.2", spi: 0x2002 };
/** ping's words: data that gets shorter, data that does not, and, without DF, what is fragmented. */
const SIZES = ["-s 56", "-s 1200 -p 00", "-s 1200 -p 0123456789abcdef", "-s 1452", "-s 4000 -p 00"];

const GCM = algorithm("gcm128").words;
const SHA256 = `auth-trunc hmac(sha256) 0x${"a5".repeat(32)} 128`;
/** Innermost first: protocol, mode, words. */
const ONE_GO = [
  ["IPComp tunnel, ESP transport", ["comp", "tunnel", "comp deflate"], ["esp", "transport", GCM]],
  ["ESP tunnel, AH transport", ["esp", "tunnel", GCM], ["ah", "transport", SHA256]],
  ["IPComp tunnel, ESP transport, AH transport", ["comp", "tunnel", "comp deflate"], [
    "esp",
    "transport",
    GCM,
  ], ["ah", "transport", SHA256]],
  ["ESP tunnel, AH tunnel", ["esp", "tunnel", GCM], ["ah", "tunnel", SHA256]],
  ["ESP tunnel, ESP tunnel", ["esp", "tunnel", GCM], ["esp", "tunnel", GCM]],
] as const;

Deno.test("bundles go from the gateway to Linux and back", async (t) => {
  await using topology = new Topology();
  const netns = await topology.addNetns("g");
  using guest = await Guest.start(topology, { netns, device: "eth0" });
  await topology.addresses({ netns, ifname: "eth0", addresses: [`${GATEWAY.outer}/24`] });
  const daemon = await Daemon.start(topology, { placement: "packed" });
  const here = gatewayEnd(topology, daemon, netns), there = linuxEnd(guest);
  await here.ip(
    `link add vti1 type vti local ${GATEWAY.outer} remote ${LINUX.outer} key ${KEY}`,
    "link set vti1 up",
  );
  await topology.addresses({ netns, ifname: "vti1", addresses: [`${here.v4}/24`, `${here.v6}/64`] });
  // An outer packet that comes out of the device comes from where no route to its source leads.
  await topology.sysctl(netns, { "net/ipv4/conf/all/rp_filter": 0, "net/ipv4/conf/vti1/rp_filter": 0 });
  await guest.sh(`
    echo 1 > /proc/sys/net/ipv6/conf/default/addr_gen_mode
    echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad
    ip addr add ${LINUX.outer}/24 dev eth0
    ip link set eth0 up
    ip link add vti1 type vti local ${LINUX.outer} remote ${GATEWAY.outer} key ${KEY}
    ip link set vti1 up
    ip addr add ${there.v4}/24 dev vti1
    ip addr add ${there.v6}/64 dev vti1 nodad`);

  for (const [name, ...transforms] of BUNDLES) {
    await t.step(`${name}, ip_vti there`, async () => {
      await here.ip(...bundleWords(KEY, GATEWAY, LINUX, transforms));
      await there.ip(...bundleWords(KEY, LINUX, GATEWAY, transforms));
      for (const [from, to] of [[here, there], [there, here]] as const) {
        await pings(from, to.v4);
        await pings(from, to.v6);
      }
      await statesAgree(here, there);
    });
  }

  await guest.sh(`
    ip link del vti1
    ip addr add ${there.v4}/32 dev lo
    ip route add ${here.v4}/32 via ${GATEWAY.outer}`);
  for (const [name, ...transforms] of ONE_GO) {
    await t.step(`${name}, policies there`, async () => {
      const ends = `src ${GATEWAY.outer} dst ${LINUX.outer}`;
      const templates = (level: string) =>
        transforms.map(([proto, mode], k) => {
          const at = mode === "tunnel" ? ends : "";
          return `tmpl ${at} proto ${proto} reqid ${k + 1} mode ${mode} ${proto === "comp" ? level : ""}`;
        }).join(" ");
      const into = (mark: string) =>
        transforms.map(([proto, mode, words], k) =>
          `xfrm state add ${ends} proto ${proto} spi ${LINUX.spi + k} reqid ${
            k + 1
          } mode ${mode} ${mark} ${words}`
        );
      // The way back is a tunnel that the gateway's device takes.
      const back =
        `xfrm state add src ${LINUX.outer} dst ${GATEWAY.outer} proto esp spi ${GATEWAY.spi} mode tunnel`;
      const backTemplate = `tmpl src ${LINUX.outer} dst ${GATEWAY.outer} proto esp mode tunnel`;
      const any = "src 0.0.0.0/0 dst 0.0.0.0/0";
      const flush = ["xfrm state flush", "xfrm policy flush"];
      await here.ip(
        ...flush,
        ...into(`mark ${KEY}`),
        `${back} mark ${KEY} ${GCM}`,
        `xfrm policy add ${any} dir out mark ${KEY} ${templates("")}`,
        `xfrm policy add ${any} dir in mark ${KEY} ${backTemplate}`,
      );
      await there.ip(
        ...flush,
        ...into(""),
        `${back} ${GCM}`,
        `xfrm policy add src ${here.v4} dst ${there.v4} dir in ${templates("level use")}`,
        `xfrm policy add src ${there.v4} dst ${here.v4} dir out ${backTemplate}`,
      );
      await pings(here, there.v4);
      const [[, errors = ""] = []] = (await guest.sh("cat /proc/net/xfrm_stat")).matchAll(
        /^Xfrm(In\w+)\s+[1-9]/gm,
      );
      assert.equal(errors, "");
    });
  }
});

async function pings(from: End, to: string): Promise<void> {
  for (const size of SIZES) {
    const words = ["ping", "-n", "-c3", "-i0.05", "-W3", "-M", "dont", ...size.split(" "), to];
    const { code, stdout, stderr } = await from.run(words);
    assert.equal(code, 0, `${from.name} to ${to}, ${size}: ${stdout}${stderr}`);
  }
}
