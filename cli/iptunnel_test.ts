import assert from "node:assert/strict";
import { type ApiAnswer, refusal } from "../tests/doubles/api_server.ts";
import { runClient } from "../tests/doubles/run_client.ts";
import { readTranscript } from "../tests/doubles/transcript.ts";
import type { LinkInfo, TunnelInfo } from "../api/schemas.ts";

const SHOWN = await readTranscript("link_show.txt");

function linkBefore(command: string): LinkInfo {
  const at = SHOWN.findIndex((entry) => entry.command === command);
  const record = SHOWN.slice(0, at).findLast((entry) => /^ip -d -j (-p )?link show/.test(entry.command))!;
  return JSON.parse(record.stdout)[0];
}

const keyNumber = (quad = "0.0.0.0") => quad.split(".").reduce((sum, byte) => sum * 256 + Number(byte), 0);

/** The parameters of a device that rtnetlink made. */
function parmOf({ ifname, linkinfo: { info_data: data } }: LinkInfo): TunnelInfo {
  const { local, remote, link, ikey, okey } = data;
  const bound = link === undefined ? {} : { link };
  const keys = { ikey: keyNumber(ikey), okey: keyNumber(okey) };
  return { ifname, local, remote, ...keys, ...bound, ttl: 0, tos: 0, pmtudisc: false };
}

function serve(links: readonly LinkInfo[], change: Partial<TunnelInfo> = {}) {
  const tunnels = links.map((link) => ({ ...parmOf(link), ...change }));
  return ({ method, path }: { method: string; path: string }): ApiAnswer => {
    if (method !== "GET") return { status: 200, body: {} };
    if (path.endsWith("/links")) return { status: 200, body: links };
    if (path.endsWith("/tunnels")) return { status: 200, body: tunnels };
    const tunnel = tunnels.find(({ ifname }) => path.endsWith(`/${ifname}`));
    return tunnel === undefined ? refusal("ENODEV", "No such device") : { status: 200, body: tunnel };
  };
}

Deno.test("doIptunnel() shows tunnels as iproute2 does", async () => {
  let shown = 0;
  for (const [i, { command, words, stdout }] of SHOWN.entries()) {
    if (!/^ip tunnel show vti[123]$/.test(command) || stdout === "") continue;
    const record = SHOWN.slice(0, i).findLast((entry) =>
      /^ip -d -j (-p )?link show vti/.test(entry.command)
    )!;
    const link = JSON.parse(record.stdout)[0];
    // Made by ioctl, and not dumped as JSON.
    const name = command.split(" ").at(-1)!;
    if (name === "vti3") continue;
    const ran = await runClient(words!, serve([{ ...link, ifname: name }]));
    assert.equal(ran.stdout, stdout);
    shown++;
  }
  assert.ok(shown >= 10, `only ${shown}`);
});

Deno.test("doIptunnel() shows what only ioctls know", async () => {
  const vti1 = linkBefore("ip tunnel show vti1");
  const show = async (change: Partial<TunnelInfo>) => {
    const { stdout } = await runClient(["tunnel", "show", "vti1"], serve([vti1], change));
    return stdout;
  };
  const ends = "vti1: ip/ip remote 192.0.2.1 local 192.0.2.2";
  assert.equal(await show({ pmtudisc: true }), `${ends} ttl inherit key 7\n`);
  assert.equal(await show({ ttl: 64, pmtudisc: true, tos: 1 }), `${ends} ttl 64 tos inherit key 7\n`);
  assert.equal(await show({ tos: 0x10, okey: 8 }), `${ends} ttl inherit tos 0x10 nopmtudisc ikey 7 okey 8\n`);
  assert.equal(await show({ tos: 0x11 }), `${ends} ttl inherit tos inherit/0x10 nopmtudisc key 7\n`);
});

Deno.test("doIptunnel() lists all tunnels, with -s their counters", async () => {
  const base = linkBefore("ip tunnel show");
  const rx = { bytes: 68, packets: 1, errors: 2, dropped: 2, over_errors: 0, multicast: 0 };
  const tx = {
    bytes: 0,
    packets: 0,
    errors: 3,
    dropped: 0,
    carrier_errors: 1,
    collisions: 2,
    aborted_errors: 0,
  };
  const { stdout } = await runClient(["-s", "tunnel"], serve([{ ...base, stats64: { rx, tx }, drops: {} }]));
  assert.equal(
    stdout,
    "ip_vti0: ip/ip remote any local any ttl inherit nopmtudisc key 0\n" +
      "RX: Packets    Bytes        Errors CsumErrs OutOfSeq Mcasts\n" +
      "    1          68           2      0        0        0       \n" +
      "TX: Packets    Bytes        Errors DeadLoop NoRoute  NoBufs\n" +
      "    0          0            3      2        1        0     \n",
  );
});

Deno.test("doIptunnel() lists tunnels as JSON, broken into lines as iproute2 does", async () => {
  const vti1 = linkBefore("ip tunnel show vti1");
  const list = async (options: string[], change: Partial<TunnelInfo>) =>
    (await runClient([...options, "tunnel", "show"], serve([vti1, { ...vti1, ifname: "vti2" }], change)))
      .stdout;
  const compact = await list(["-j"], { tos: 5, ttl: 64, ikey: 1, okey: 2, remote: "any", pmtudisc: true });
  const rest =
    '"mode":"ip/ip","remote":"0.0.0.0","local":"192.0.2.2","ttl":64,"tos":"0x05","ikey":1,"okey":2}';
  assert.equal(compact, `[{"ifname":"vti1",${rest}\n,{"ifname":"vti2",${rest}\n]\n`);
  const members = [
    '"mode": "ip/ip"',
    '"remote": "192.0.2.1"',
    '"local": "192.0.2.2"',
    '"nopmtudisc": null',
    '"key": 7',
  ];
  const pretty = (name: string) =>
    [`{\n        "ifname": "${name}"`, ...members].join(",\n        ") + "\n    }\n";
  assert.equal(await list(["-j", "-p"], {}), `[ ${pretty("vti1")},${pretty("vti2")} ]\n`);
  const none = await runClient(["-j", "-p", "tunnel", "show", "remote", "9.9.9.9"], serve([vti1]));
  assert.equal(none.stdout, "[ ]\n");
});

Deno.test("doIptunnel() refuses keys of what may be no vti", async () => {
  for (const words of ["add t key 5", "del t ikey 5", "show t okey 5", "show key 0"]) {
    const { exitCode, stderr } = await runClient(["tunnel", ...words.split(" ")], serve([]));
    assert.deepEqual([exitCode, stderr], [1, "Keys are not allowed with ipip and sit tunnels\n"], words);
  }
});

Deno.test("doIptunnel() asks what the ioctls ask", async () => {
  const vti1 = linkBefore("ip tunnel show vti1");
  const ask = async (line: string) => {
    const { exitCode, stderr, requests } = await runClient(line.split(" "), serve([vti1]));
    assert.deepEqual([exitCode, stderr], [0, ""], line);
    const { method, path, body } = requests.at(-1)!;
    return [method, path.split("/tunnels")[1], body];
  };
  assert.deepEqual(await ask("tunnel add vti9 mode vti local 192.0.2.2 remote 192.0.2.9 key 9 ttl 64"), [
    "POST",
    "",
    { ifname: "vti9", pmtudisc: true, local: "192.0.2.2", remote: "192.0.2.9", ikey: 9, okey: 9, ttl: 64 },
  ]);
  const { ifname: _, ...old } = parmOf(vti1);
  assert.deepEqual(await ask("tunnel change vti1 remote any okey 5"), [
    "PUT",
    "/vti1",
    { ...old, remote: "0.0.0.0", okey: 5 },
  ]);
  const ends = { local: "192.0.2.2", remote: "192.0.2.1" };
  assert.deepEqual(await ask("tunnel change mode vti local 192.0.2.2 remote 192.0.2.1 key 5"), [
    "PUT",
    "/ip_vti0",
    { ...ends, ikey: 5, okey: 5, pmtudisc: true },
  ]);
  assert.deepEqual(await ask("tunnel del vti1"), ["DELETE", "/vti1", undefined]);
  assert.deepEqual(await ask("tunnel del mode vti local 192.0.2.2 remote 192.0.2.1"), [
    "DELETE",
    "/ip_vti0?local=192.0.2.2&remote=192.0.2.1",
    undefined,
  ]);
});

Deno.test("doIptunnel() refuses a TTL without DF", async () => {
  const vti1 = linkBefore("ip tunnel show vti1");
  for (const line of ["tunnel add vti9 mode vti ttl 64 nopmtudisc", "tunnel change vti1 ttl 64"]) {
    const { exitCode, stderr } = await runClient(line.split(" "), serve([vti1]));
    assert.deepEqual([exitCode, stderr], [1, "ttl != 0 and nopmtudisc are incompatible\n"], line);
  }
});

Deno.test("doIptunnel() takes a multicast remote for the key", async () => {
  const words = "tunnel add vti9 local 192.0.2.2 remote 224.0.0.1 ikey 3".split(" ");
  const { requests } = await runClient(words, serve([]));
  assert.deepEqual(requests[0]!.body, {
    ifname: "vti9",
    pmtudisc: true,
    local: "192.0.2.2",
    remote: "224.0.0.1",
    ikey: 3,
    okey: 0xe0000001,
  });
});
