import assert from "node:assert/strict";
import { refusal } from "../tests/doubles/api_server.ts";
import { runClient } from "../tests/doubles/run_client.ts";

const fine = () => ({ status: 200, body: {} });

/** The one request of a command that succeeds, without the namespace's path. */
async function asked(line: string): Promise<{ method: string; path: string; body: unknown }> {
  const { exitCode, stderr, requests } = await runClient(line.split(" "), fine);
  // A change of parameters looks first whether the device is there.
  const count = / set .* type /.test(` ${line} `) ? 2 : 1;
  assert.deepEqual({ exitCode, stderr, count: requests.length }, { exitCode: 0, stderr: "", count }, line);
  const { method, path, body } = requests.at(-1)!;
  return { method, path: path.replace(`/v1/netns/pid:${Deno.pid}`, ""), body };
}

Deno.test("doIplink() asks for a new device with all its parameters", async () => {
  const line = "link add vti1 mtu 1400 up type vti loc 192.0.2.2 r 192.0.2.1 key 7 dev eth0 fwmark 0x55";
  assert.deepEqual(await asked(line), {
    method: "POST",
    path: "/links",
    body: {
      ifname: "vti1",
      mtu: 1400,
      up: true,
      linkinfo: {
        info_kind: "vti",
        info_data: {
          local: "192.0.2.2",
          remote: "192.0.2.1",
          ikey: 7,
          okey: 7,
          link: "eth0",
          fwmark: 0x55,
        },
      },
    },
  });
});

Deno.test("doIplink() takes names with name and dev, or leaves the name to the daemon", async () => {
  for (const [words, ifname] of [["vti1", "vti1"], ["name vti1", "vti1"], ["dev v%d", "v%d"]] as const) {
    const { body } = await asked(`link add ${words} type vti`);
    assert.deepEqual(body, { ifname, linkinfo: { info_kind: "vti", info_data: {} } });
  }
  const { body } = await asked("link add type vti remote 192.0.2.1");
  assert.deepEqual(body, { linkinfo: { info_kind: "vti", info_data: { remote: "192.0.2.1" } } });
});

Deno.test("doIplink() reads keys and addresses as iproute2 does", async () => {
  const data = async (words: string) => {
    const { body } = await asked(`link add v type vti ${words}`);
    return (body as { linkinfo: { info_data: unknown } }).linkinfo.info_data;
  };
  assert.deepEqual(await data("key 1.2.3"), { ikey: 0x01020300, okey: 0x01020300 });
  assert.deepEqual(await data("ikey 010 okey 0x10"), { ikey: 8, okey: 16 });
  assert.deepEqual(await data("key 7 key 255.255.255.255"), { ikey: 0xffffffff, okey: 0xffffffff });
  assert.deepEqual(await data("local 10 remote 0x0a.1"), { local: "10.0.0.0", remote: "10.1.0.0" });
  assert.deepEqual(await data("local any remote default"), { local: "0.0.0.0", remote: "0.0.0.0" });
});

Deno.test("doIplink() changes only what is named", async () => {
  const change = (body: unknown) => ({ method: "PATCH", path: "/links/vti1", body });
  assert.deepEqual(
    await asked("link set vti1 type vti remote any"),
    change({ linkinfo: { info_kind: "vti", info_data: { remote: "0.0.0.0" } } }),
  );
  assert.deepEqual(await asked("link set dev vti1 mtu 1300 down"), change({ mtu: 1300, up: false }));
  assert.deepEqual(await asked("link set vti1 name vx"), change({ ifname: "vx" }));
  assert.deepEqual(await asked("link change vti1 name vti1 up"), change({ up: true }));
  for (const line of ["link set vti1", "link set vti1 type vti"]) {
    assert.deepEqual(await asked(line), { method: "GET", path: "/links/vti1", body: undefined });
  }
});

Deno.test("doIplink() removes a device, percent-encoding its name", async () => {
  assert.deepEqual(await asked("link del v%d"), { method: "DELETE", path: "/links/v%d", body: undefined });
  assert.equal((await asked("link delete dev vti1 type vti")).method, "DELETE");
});

Deno.test("doIplink() never takes a name for a step of the path", async () => {
  const missing = () => refusal("ENODEV", "No such device");
  for (const name of [".", "..", "a/b", "%2e%2e", "?", "#", ""]) {
    const { exitCode, stderr, requests } = await runClient(["link", "show", name], missing);
    assert.deepEqual([exitCode, stderr], [1, `Device "${name}" does not exist.\n`]);
    assert.match(requests[0]!.path, /^\/v1\/netns\/pid:\d+\/links\/[^.]/, name);
  }
});

Deno.test("doIplink() tells a missing underlay from a missing device", async () => {
  const missing = (attribute: string) => () => refusal("ENODEV", "No such device", { attribute });
  const underlay = missing("linkinfo.info_data.link");
  const tell = async (line: string, answer: typeof underlay) => {
    const { exitCode, stderr } = await runClient(
      line.split(" "),
      ({ method }) => method === "GET" && answer === underlay ? fine() : answer(),
    );
    return { exitCode, stderr };
  };
  const found = { exitCode: 255, stderr: 'Cannot find device "d9"\n' };
  assert.deepEqual(await tell("link add v type vti dev d9", underlay), found);
  assert.deepEqual(await tell("link set v type vti dev d9", underlay), found);
  const gone = { exitCode: 1, stderr: 'Cannot find device "v"\n' };
  assert.deepEqual(await tell("link set v type vti dev d9", missing("ifname")), gone);
});

Deno.test("doIplink() tells of any other type that it is unknown", async () => {
  const { exitCode, stderr, requests } = await runClient(["link", "add", "d0", "type", "dummy"], fine);
  assert.deepEqual({ exitCode, stderr }, { exitCode: 2, stderr: "Error: Unknown device type.\n" });
  assert.deepEqual(requests, []);
});

Deno.test("doIplink() replaces no device that is there", async () => {
  const refuse = async (attribute?: string) => {
    const answer = () => refusal("EEXIST", "File exists", attribute === undefined ? {} : { attribute });
    const { exitCode, stderr, requests } = await runClient(["link", "replace", "v", "type", "vti"], answer);
    assert.deepEqual([exitCode, requests.length], [2, 1]);
    return stderr;
  };
  assert.equal(await refuse("ifname"), "RTNETLINK answers: Operation not supported\n");
  // Another device has these ends.
  assert.equal(await refuse(), "RTNETLINK answers: File exists\n");
  assert.equal((await asked("link replace v type vti")).method, "POST");
});

Deno.test("doIplink() makes a device in the namespace that is named", async () => {
  const { exitCode, stderr, requests } = await runClient(
    `link add v netns ${Deno.pid} type vti key 7`.split(" "),
    fine,
  );
  assert.deepEqual([exitCode, stderr, requests[0]!.path], [0, "", `/v1/netns/pid:${Deno.pid}/links`]);
  const wrong = await runClient("link add v netns vtt-no-such type vti".split(" "), fine);
  assert.deepEqual([wrong.exitCode, wrong.stderr], [
    255,
    'Error: argument "vtt-no-such" is wrong: Invalid "netns" value\n\n',
  ]);
});

Deno.test("doIplink() shows as JSON nothing of what is not wanted", async () => {
  const { stdout } = await runClient(["-j", "link", "show", "up", "type", "vti"], () => ({
    status: 200,
    body: [{ ifindex: 2, ifname: "vti1", flags: ["NOARP"] }],
  }));
  assert.equal(stdout, "[{}]\n");
});

Deno.test("doIplink() asks for the settings of a device with those of its tunnel", async () => {
  const words =
    "index 77 txqlen 500 group 0x10 multicast on arp off promisc on allmulticast off trailers off " +
    "dynamic on mode dormant gso_max_size 40000 gso_max_segs 30 gro_max_size 50000 master blue";
  const settings = {
    txqlen: 500,
    group: 16,
    multicast: true,
    arp: false,
    promisc: true,
    allmulticast: false,
    trailers: false,
    dynamic: true,
    linkmode: "DORMANT",
    gso_max_size: 40000,
    gso_max_segs: 30,
    gro_max_size: 50000,
    master: "blue",
  };
  const linkinfo = { info_kind: "vti", info_data: {} };
  assert.deepEqual((await asked(`link add v ${words} ty vti`)).body, {
    ifname: "v",
    ifindex: 77,
    ...settings,
    linkinfo,
  });
  assert.deepEqual((await asked("link set v qlen 0 nomaster alias x addrg none type vti key 1")).body, {
    txqlen: 0,
    master: "",
    ifalias: "x",
    inet6_addr_gen_mode: "none",
    linkinfo: { info_kind: "vti", info_data: { ikey: 1, okey: 1 } },
  });
});

Deno.test("doIplink() takes and forgets what Linux takes of a new vti and forgets", async () => {
  const ignored =
    "address 00:11:22:33:44:55 brd 1.2.3.4 alias x carrier off protodown on state up numtxqueues 4";
  assert.deepEqual((await asked(`link add v ${ignored} link eth0 type vti`)).body, {
    ifname: "v",
    linkinfo: { info_kind: "vti", info_data: {} },
  });
});

Deno.test("doIplink() changes and deletes what is in a group", async () => {
  const answers = { status: 200, body: [{ ifname: "a", group: "7" }, { ifname: "b", group: "default" }] };
  for (
    const [line, method] of [["link set group 7 mtu 1300", "PATCH"], ["link del group 7", "DELETE"]] as const
  ) {
    const { exitCode, requests } = await runClient(line.split(" "), () => answers);
    assert.equal(exitCode, 0);
    assert.deepEqual(requests.slice(1).map(({ method, path }) => [method, path.split("/").at(-1)]), [[
      method,
      "a",
    ]]);
  }
});
