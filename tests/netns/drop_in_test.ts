/**
 * bin/ip in front of the system's: an unchanged script makes, shows and removes a tunnel inside `ip netns exec`, with
 * the same words from outside by `ip -n`.
 */
import assert from "node:assert/strict";
import { Daemon } from "../doubles/daemon.ts";
import { must, run, Topology } from "../doubles/topology.ts";

const DROP_IN = new URL("../../bin", import.meta.url).pathname;

const SCRIPT = `
set -e
ip link add vti1 type vti local 192.0.2.2 remote 192.0.2.1 key 7
ip addr add 10.9.0.2/30 dev vti1
ip link set vti1 up mtu 1400
ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1001 mode tunnel mark 7 \\
  aead 'rfc4106(gcm(aes))' 0x101112131415161718191a1b1c1d1e1fdeadbeef 128
ip xfrm policy add dir in mark 7 tmpl src 192.0.2.1 dst 192.0.2.2 proto esp mode tunnel
ip link set vti1 type vti key 9
ip -batch - <<'END'
link add vti2 type vti local 192.0.2.2 remote 192.0.2.9 key 8   # the gateway's
addr add 10.9.1.2/30 dev vti2
link set vti2 up
xfrm policy add dir in mark 8 tmpl proto esp mode tunnel
END
ip route show dev vti2
ip link del vti2
ip route show dev vti1
`;

Deno.test("bin/ip makes a script for kernel tunnels work unchanged", async () => {
  await using topology = new Topology();
  const netns = await topology.addNetns("d");
  const daemon = await Daemon.start(topology, { placement: "packed" });
  const env = {
    PATH: `${DROP_IN}:${Deno.env.get("PATH")}`,
    VTI_GATEWAY_DENO: Deno.execPath(),
    VTI_GATEWAY_RUN_DIR: daemon.runDir,
  };
  const route = await must([`${DROP_IN}/ip`, "netns", "exec", netns, "sh", "-c", SCRIPT], { env });
  assert.match(
    route,
    /^10\.9\.1\.0\/30 proto kernel .*\n10\.9\.0\.0\/30 proto kernel scope link src 10\.9\.0\.2/,
  );

  const outside = (...words: string[]) => run([`${DROP_IN}/ip`, "-n", netns, ...words], { env });
  const shown = await outside("-d", "link", "show", "vti1");
  assert.match(shown.stdout, /vti1@NONE: <POINTOPOINT,NOARP,UP,LOWER_UP> mtu 1400 /);
  assert.match(shown.stdout, /vti remote 192\.0\.2\.1 local 192\.0\.2\.2 ikey 0\.0\.0\.9 okey 0\.0\.0\.9 /);
  assert.match(
    (await outside("tunnel", "show", "vti1")).stdout,
    /^vti1: ip\/ip remote 192\.0\.2\.1 .* key 9\n$/,
  );
  assert.match((await outside("xfrm", "state")).stdout, /spi 0x00001001 /);
  assert.match((await outside("addr", "show", "vti1")).stdout, /inet 10\.9\.0\.2\/30/);

  assert.equal((await outside("link", "del", "vti1")).code, 0);
  const gone = await outside("link", "show", "vti1");
  assert.deepEqual([gone.code, gone.stderr], [1, 'Device "vti1" does not exist.\n']);
});
