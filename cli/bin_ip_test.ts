/** What bin/ip, the drop-in, leaves to the system's ip and what it gives to the client. Both are scripts here. */
import assert from "node:assert/strict";

const DROP_IN = new URL("../bin/", import.meta.url).pathname;

/** `ours` is a device of the gateway, `tap` a TUN of another kind, `gre1` a kernel's tunnel. */
const SYSTEM_IP = `#!/bin/sh
case "$*" in
  *"-d link show dev ours") echo "2: ours: <NOARP>"; echo "    link/ipip 0.0.0.0"; echo "    tun type tun pi off" ;;
  *"-d link show dev tap") echo "3: tap: <>"; echo "    link/none"; echo "    tun type tun pi off" ;;
  *"-d link show dev gre1") echo "4: gre1: <>"; echo "    link/ipip 0.0.0.0"; echo "    ipip remote any" ;;
  *"-d link show dev "*) echo "Device does not exist." >&2; exit 1 ;;
  *) echo "system $*" ;;
esac
`;
const DENO = `#!/bin/sh
echo "client $*"
`;

async function withFakes(test: (ip: (line: string) => Promise<string>, directory: string) => Promise<void>) {
  const directory = await Deno.makeTempDir({ prefix: "vtt-bin-" });
  try {
    for (const [name, text] of [["ip", SYSTEM_IP], ["fake-deno", DENO]] as const) {
      await Deno.writeTextFile(`${directory}/${name}`, text, { mode: 0o755 });
    }
    await test((line) => ip(directory, line), directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function ip(directory: string, line: string): Promise<string> {
  const { stdout } = await new Deno.Command(`${DROP_IN}ip`, {
    args: line.split(" ").filter((word) => word !== ""),
    env: {
      PATH: `${DROP_IN}:${directory}:${Deno.env.get("PATH")}`,
      VTI_GATEWAY_DENO: `${directory}/fake-deno`,
      VTI_GATEWAY_RUN_DIR: directory,
    },
  }).output();
  return new TextDecoder().decode(stdout);
}

const CLIENTS = [
  "link add vti1 type vti local 192.0.2.2",
  "l a type vti",
  "-n blue link add vti1 mtu 1400 type vti",
  "link set vti1 type vti key 7",
  "link change ours up type vti",
  "link set ours mtu 1400",
  "link set dev ours down name x",
  "link set ours carrier off",
  "link add ours ty vti",
  "-n blue link set up mtu 1400 ours",
  "link show type vti",
  "-d -s -j link show ours",
  "-br link show dev ours",
  "-netns blue link sh up ours",
  "link del ours",
  "link delete dev ours type vti",
  "link help vti",
  "tunnel add vti1 mode vti local 192.0.2.2",
  "tunnel add vti1 local 192.0.2.2",
  "tunnel change ours key 7",
  "tunnel show ours",
  "tunnel del ours",
  "tunnel show x mode vti",
  "xfrm state",
  "-s x p",
  "-4 xfrm monitor",
  "-loops 3 -rcvbuf 4096 -all xfrm state",
  "link replace vti1 type vti",
];

const SYSTEMS = [
  "",
  "link",
  "link show",
  "-d link show eth0",
  "link show tap",
  "link show gre1",
  "link show type dummy",
  "link show eth0 type vti",
  "link del eth0 type vti",
  "link show type vti vrf blue nosuch",
  "link add d0 type dummy",
  "link add link ours name v5 type vlan id 5",
  "link set ours up",
  "link set eth0 mtu 1400",
  "link set ours mtu 1400 txqueuelen 7",
  "link set ours mtu 1400 netns blue",
  "link del eth0",
  "link help",
  "addr add 10.9.0.1/30 dev ours",
  "addr show ours",
  "route add 10.0.0.0/8 dev ours",
  "tunnel add g1 mode gre local 192.0.2.2",
  "tunnel show gre1",
  "tunnel del tap",
  "netns add blue",
  "netns exec blue ip link show ours",
  "monitor link",
  "-batch no-such-file",
  "-b -",
  "-all netns exec ip xfrm state",
  "-6 tunnel add vti1 mode vti",
  "-Version",
];

Deno.test("bin/ip gives to the client what is about the gateway", async () => {
  await withFakes(async (ip) => {
    const mod = new URL("../mod.ts", import.meta.url).pathname;
    for (const line of CLIENTS) assert.equal(await ip(line), `client run -A ${mod} ${line}\n`, line);
  });
});

Deno.test("bin/ip leaves everything else to the next ip in PATH, word for word", async () => {
  await withFakes(async (ip) => {
    for (const line of SYSTEMS) assert.equal(await ip(line), `system ${line}\n`, line);
  });
});

Deno.test("bin/ip lists tunnels of both when the daemon runs", async () => {
  await withFakes(async (ip, directory) => {
    assert.equal(await ip("tunnel show"), "system tunnel show\n");
    const socket = Deno.listen({ transport: "unix", path: `${directory}/api.sock` });
    assert.match(await ip("tunnel show"), /^client .* tunnel show\nsystem tunnel show\n$/);
    socket.close();
  });
});

Deno.test("bin/ip gives a batch to the client when a line may be the gateway's", async () => {
  await withFakes(async (ip, directory) => {
    const mod = new URL("../mod.ts", import.meta.url).pathname;
    const file = `${directory}/batch`;
    const isClients = async (text: string) => {
      await Deno.writeTextFile(file, text);
      const ran = await ip(`-force -batch ${file}`);
      if (ran === `client run -A ${mod} -force -batch ${file}\n`) return true;
      assert.equal(ran, `system -force -batch ${file}\n`);
      return false;
    };
    const others = "addr add 10.9.0.1/30 dev vti1\nroute add 10.0.0.0/8 dev vti1\n";
    assert.equal(await isClients(others), false);
    assert.equal(await isClients("link set eth0 up\n"), false);
    assert.equal(await isClients(`${others}  xfrm state flush\n`), true);
    assert.equal(await isClients(`link add vti1 type vti\n${others}`), true);
    const socket = Deno.listen({ transport: "unix", path: `${directory}/api.sock` });
    assert.equal(await isClients(others), false);
    // It may be a device of the gateway.
    assert.equal(await isClients("link del vti1\n"), true);
    assert.equal(await ip("-b -"), `client run -A ${mod} -b -\n`);
    socket.close();
  });
});
