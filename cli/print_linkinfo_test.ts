import assert from "node:assert/strict";
import { refusal } from "../tests/doubles/api_server.ts";
import { runClient } from "../tests/doubles/run_client.ts";
import { type Entry, readTranscript } from "../tests/doubles/transcript.ts";
import { parseOptions } from "./options.ts";
import { printLinkEvent, printLinks } from "./print_linkinfo.ts";
import type { LinkInfo } from "../api/schemas.ts";
import { Words } from "./words.ts";

const SHOWN = await readTranscript("link_show.txt");
const NO_STATS = {
  rx: { bytes: 0, packets: 0, errors: 0, dropped: 0, over_errors: 0, multicast: 0 },
  tx: {
    bytes: 0,
    packets: 0,
    errors: 0,
    dropped: 0,
    carrier_errors: 0,
    collisions: 0,
    aborted_errors: 0,
  },
};

/** Each device as `ip -d -j link show` printed it, whole, just before or after the other forms of the same device. */
function linksOf(entries: readonly Entry[]): Map<Entry, LinkInfo> {
  const links = new Map<Entry, LinkInfo>();
  let last: LinkInfo | undefined;
  const isWhole = (entry: Entry) =>
    /^ip -d -j (-p )?link show \S+$/.test(entry.command) && entry.exitCode === 0;
  for (const [i, entry] of entries.entries()) {
    const whole = [entry, entries[i + 1], entries[i + 2]].find((near) => near !== undefined && isWhole(near));
    if (whole !== undefined) last = { stats64: NO_STATS, drops: {}, ...JSON.parse(whole.stdout)[0] };
    const words = entry.words ?? [];
    if (
      last !== undefined && words.includes("link") && words.includes("show") && words.at(-1) === last.ifname
    ) {
      links.set(entry, last);
    }
  }
  return links;
}

Deno.test("printLinks() prints devices in every form as iproute2 does", () => {
  let shown = 0;
  for (const [{ command, words, stdout }, link] of linksOf(SHOWN)) {
    if (!isSameMoment(stdout, link)) continue;
    assert.equal(printLinks([link], parseOptions(new Words(words!))), stdout, command);
    shown++;
  }
  assert.ok(shown >= 28, `only ${shown}`);
});

/** Later changes of a device are not in the record before them. */
function isSameMoment(
  stdout: string,
  { ifindex, flags, mtu, broadcast, linkinfo: { info_data } }: LinkInfo,
): boolean {
  const plain = stdout.replaceAll('"', "").replaceAll(": ", ":").replaceAll("[ ", "[");
  const keys = info_data.ikey === undefined || !/vti remote|info_data/.test(plain) ||
    new RegExp(`ikey[: ]${info_data.ikey}`).test(plain);
  return plain.includes(String(ifindex)) && plain.includes(flags.join(",")) && keys &&
    new RegExp(`mtu[: ]${mtu}`).test(plain) && plain.includes(broadcast);
}

const LINK: LinkInfo = {
  ...JSON.parse(SHOWN.find(({ command }) => command === "ip -d -j -p link show vti1")!.stdout)[0],
  stats64: NO_STATS,
  drops: {},
};

Deno.test("printLinks() prints brief lines and lists", () => {
  const { stdout } = SHOWN.find(({ command }) => command === "ip -br link show type vti")!;
  const base =
    JSON.parse(SHOWN.find(({ command }) => command === "ip -d -j -p link show ip_vti0")!.stdout)[0];
  const options = parseOptions(new Words(["-br"]));
  assert.equal(printLinks([base, LINK], options), stdout);
  const json = printLinks([LINK], { ...options, json: true });
  assert.equal(
    json,
    '[{"link":null,"ifname":"vti1","operstate":"UNKNOWN","address":"192.0.2.2",' +
      '"flags":["POINTOPOINT","NOARP","UP","LOWER_UP"]}]\n',
  );
});

Deno.test("printLinks() prints permaddr, and an empty list", () => {
  const options = parseOptions(new Words([]));
  assert.match(
    printLinks([{ ...LINK, permaddr: "192.0.2.3" }], options),
    /peer 192\.0\.2\.1 permaddr 192\.0\.2\.3\n$/,
  );
  assert.equal(printLinks([], options), "");
  assert.equal(printLinks([], { ...options, json: true }), "[]\n");
});

Deno.test("printLinks() widens columns for large counters", () => {
  const stats64 = { ...NO_STATS, rx: { ...NO_STATS.rx, bytes: 123456789012345, packets: 12345678 } };
  const text = printLinks([{ ...LINK, stats64 }], parseOptions(new Words(["-s", "-s"])));
  assert.deepEqual(text.split("\n").slice(2, 6), [
    "    RX:       bytes  packets errors dropped  missed   mcast           ",
    "    123456789012345 12345678      0       0       0       0 ",
    "    RX errors:        length    crc   frame    fifo overrun",
    "                           0      0       0       0       0 ",
  ]);
});

Deno.test("printLinks() shows drops by cause at the third -s only", () => {
  const link: LinkInfo = { ...LINK, drops: { InNoStates: 3, InStateSeqError: 1 } };
  const show = (...words: string[]) => printLinks([link], parseOptions(new Words(words)));
  assert.equal(show("-s", "-s"), printLinks([LINK], parseOptions(new Words(["-s", "-s"]))));
  assert.match(show("-s", "-s", "-s"), /\n {4}drops: InNoStates 3 InStateSeqError 1\n$/);
  assert.deepEqual(JSON.parse(show("-s", "-s", "-s", "-j"))[0].drops, link.drops);
});

Deno.test("printLinkEvent() prints as ip monitor link does", async () => {
  const { stdout } = (await readTranscript("xfrm_show.txt")).find(({ command }) =>
    command === "ip monitor link"
  )!;
  const down = { ...LINK, ifindex: 40, flags: ["POINTOPOINT", "NOARP"], qdisc: "noop", operstate: "DOWN" };
  const up = { ...LINK, ifindex: 40 };
  assert.equal(printLinkEvent(down) + printLinkEvent(down) + printLinkEvent(up), stdout);
});

Deno.test("doIplink() shows what the daemon has", async () => {
  const other: LinkInfo = { ...LINK, ifindex: 3, ifname: "vti0", flags: ["NOARP"] };
  const serve = ({ path }: { path: string }) =>
    path.endsWith("/links")
      ? { status: 200, body: [LINK, other] }
      : path.endsWith("/vti1")
      ? { status: 200, body: LINK }
      : refusal("ENODEV", "No such device");
  const show = async (...words: string[]) => (await runClient(["-br", "link", ...words], serve)).stdout;
  const all = /^vti0@NONE .*\nvti1@NONE .*\n$/;
  assert.match(await show(), all);
  assert.match(await show("list"), all);
  assert.match(await show("show", "type", "vti"), all);
  assert.match(await show("show", "up"), /^vti1@NONE .*\n$/);
  assert.match(await show("show", "dev", "vti1"), /^vti1@NONE .*\n$/);
  assert.equal(await show("show", "type", "dummy"), "");
});

Deno.test("printLinks() paints names, addresses and states as iproute2 does", () => {
  const [link] = linksOf(SHOWN).values();
  const shown = (line: string, state: string) =>
    printLinks([{ ...link!, operstate: state }], parseOptions(new Words(line.split(" "))))
      .replaceAll("\x1b", "^").replaceAll(/\[(\d+)m/g, "$1~");
  const { ifname, address, broadcast, flags } = link!;
  const name = `${ifname}@${link!.link ?? "NONE"}`;
  assert.ok(shown("-c -o link", "DOWN").includes(`: ^36~${name}: ^0~<`));
  assert.ok(shown("-c -o link", "DOWN").includes("state ^31~DOWN ^0~mode DEFAULT"));
  assert.ok(shown("-c -o link", "UP").includes("state ^32~UP ^0~mode DEFAULT"));
  assert.ok(shown("-c -o link", "UNKNOWN").includes("state UNKNOWN mode DEFAULT"));
  const kind = link!.link_pointtopoint ? "peer" : "brd";
  assert.ok(shown("-c link", "DOWN").includes(`link/ipip ^33~${address}^0~ ${kind} ^33~${broadcast}^0~`));
  assert.equal(
    shown("-c -br link", "DOWN"),
    `^36~${name.padEnd(16)} ^0~^31~${"DOWN".padEnd(15)}^0~^33~${address} ^0~<${flags.join(",")}> \n`,
  );
  assert.ok(!shown("-c -j link", "DOWN").includes("^"));
});

Deno.test("printLinks() shows a master, an alias, and no queue length of 0", () => {
  const [link] = linksOf(SHOWN).values();
  const dressed: LinkInfo = { ...link!, master: "blue", ifalias: "site B", txqlen: 0, group: "7" };
  const text = printLinks([dressed], parseOptions(new Words(["link"])));
  assert.match(text, / qdisc \w+ master blue state \w+ mode DEFAULT group 7 \n.*\n {4}alias site B\n$/);
  const [json] = JSON.parse(printLinks([dressed], parseOptions(new Words(["-j", "link"]))));
  assert.deepEqual([json.master, json.ifalias, "txqlen" in json], ["blue", "site B", false]);
});
