import assert from "node:assert/strict";
import { type ApiAnswer, refusal } from "../tests/doubles/api_server.ts";
import { runClient } from "../tests/doubles/run_client.ts";
import { readTranscript } from "../tests/doubles/transcript.ts";
import type { LinkInfo } from "../api/schemas.ts";

const SHOWN = await readTranscript("link_show.txt");

function linkBefore(command: string): LinkInfo {
  const at = SHOWN.findIndex((entry) => entry.command === command);
  const record = SHOWN.slice(0, at).findLast((entry) => /^ip -d -j (-p )?link show/.test(entry.command))!;
  return JSON.parse(record.stdout)[0];
}

function serve(links: readonly LinkInfo[]): (request: { method: string; path: string }) => ApiAnswer {
  return ({ method, path }) => {
    if (method !== "GET") return { status: 200, body: {} };
    if (path.endsWith("/links")) return { status: 200, body: links };
    const link = links.find(({ ifname }) => path.endsWith(`/${ifname}`));
    return link === undefined ? refusal("ENODEV", "No such device") : { status: 200, body: link };
  };
}

Deno.test("doIptunnel() shows tunnels as iproute2 does", async () => {
  let shown = 0;
  for (const [i, { command, words, stdout }] of SHOWN.entries()) {
    if (!/^ip tunnel show vti[12]$/.test(command) || stdout === "") continue;
    const record = SHOWN.slice(0, i).findLast((entry) =>
      /^ip -d -j (-p )?link show vti/.test(entry.command)
    )!;
    const ran = await runClient(words!, serve([JSON.parse(record.stdout)[0]]));
    assert.equal(ran.stdout, stdout);
    shown++;
  }
  assert.ok(shown >= 10, `only ${shown}`);
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

Deno.test("doIptunnel() adds, changes and removes by the same calls as ip link", async () => {
  const vti1 = linkBefore("ip tunnel show vti1");
  const ask = async (line: string) => {
    const { exitCode, stderr, requests } = await runClient(line.split(" "), serve([vti1]));
    assert.deepEqual([exitCode, stderr], [0, ""], line);
    const { method, path, body } = requests.at(-1)!;
    return [method, path.split("/links")[1], body];
  };
  const linkinfo = (info_data: object) => ({ linkinfo: { info_kind: "vti", info_data } });
  assert.deepEqual(await ask("tunnel add vti9 mode vti local 192.0.2.2 remote 192.0.2.9 key 9 ttl 64"), [
    "POST",
    "",
    { ifname: "vti9", ...linkinfo({ local: "192.0.2.2", remote: "192.0.2.9", ikey: 9, okey: 9 }) },
  ]);
  assert.deepEqual(await ask("tunnel change vti1 remote any okey 5"), [
    "PATCH",
    "/vti1",
    linkinfo({ remote: "0.0.0.0", okey: 5, fwmark: 0 }),
  ]);
  assert.deepEqual(await ask("tunnel change ip_vti0 mode vti local 192.0.2.2 remote 192.0.2.1 key 5"), [
    "PATCH",
    "/vti1",
    linkinfo({ local: "192.0.2.2", remote: "192.0.2.1", ikey: 5, okey: 5, fwmark: 0 }),
  ]);
  assert.deepEqual(await ask("tunnel del vti1"), ["DELETE", "/vti1", undefined]);
});

Deno.test("doIptunnel() takes a multicast remote for the key", async () => {
  const words = "tunnel add vti9 local 192.0.2.2 remote 224.0.0.1 ikey 3".split(" ");
  const { requests } = await runClient(words, serve([]));
  const body = requests[0]!.body as { linkinfo: { info_data: unknown } };
  assert.deepEqual(body.linkinfo.info_data, {
    local: "192.0.2.2",
    remote: "224.0.0.1",
    ikey: 3,
    okey: 0xe0000001,
  });
});
