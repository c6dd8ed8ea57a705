/**
 * `ip tunnel` with mode vti (iproute2 ip/iptunnel.c).
 *
 * The ioctls behind it know what rtnetlink does not (TTL, TOS, DF, sequence numbers, checksums), all without effect
 * on a vti: such words are read and forgotten.
 */
import { getAddr32, ipv4Number } from "./address.ts";
import { type Problem, rtnetlinkAnswers } from "./answer.ts";
import { linkPath } from "./link_path.ts";
import { tnlParseKey } from "./link_vti.ts";
import type { Command } from "./main.ts";
import { getU8 } from "./number.ts";
import { duplicateOrGarbage, EXIT_FAILURE, EXIT_USAGE, invalidArgument, Quit } from "./quit.ts";
import type { LinkInfo, VtiInfoData } from "../api/schemas.ts";
import { matches, type Words } from "./words.ts";

/** The device that ioctls without a name are addressed to. */
const BASE_DEVICE = "ip_vti0";

export const TUNNEL_USAGE = `Usage: ip tunnel { add | change | del | show } [ NAME ] [ mode vti ]
        [ remote ADDR ] [ local ADDR ] [ [i|o]key KEY ] [ dev PHYS_DEV ]

Where: NAME := STRING
       ADDR := { IP_ADDRESS | any }
       KEY  := { DOTTED_QUAD | NUMBER }`;

type Writable<T> = { -readonly [K in keyof T]: T[K] };

interface TunnelWords {
  name?: string;
  isVti: boolean;
  ttl: number;
  pmtudisc: boolean;
  readonly data: Writable<VtiInfoData>;
}

export async function doIptunnel(command: Command): Promise<number> {
  const { words } = command;
  if (words.done) return await showTunnels(command);
  const word = words.take();
  if (matches(word, "add")) return await addTunnel(command);
  if (matches(word, "change")) return await changeTunnel(command);
  if (matches(word, "delete")) return await deleteTunnel(command);
  if (matches(word, "show") || matches(word, "lst") || matches(word, "list")) {
    return await showTunnels(command);
  }
  if (matches(word, "help")) throw new Quit(EXIT_USAGE, TUNNEL_USAGE);
  throw new Quit(EXIT_USAGE, `Command "${word}" is unknown, try "ip tunnel help"`);
}

async function addTunnel({ words, api, netns }: Command): Promise<number> {
  const { name, data } = requireMode(parseArgs(words));
  const request = {
    ...(name === undefined ? {} : { ifname: name }),
    linkinfo: { info_kind: "vti", info_data: data },
  };
  const answer = await api.ask("POST", `${netns}/links`, {}, request);
  if (!answer.ok) throw ioctlFailed("add", BASE_DEVICE, answer.problem, data);
  return 0;
}

async function changeTunnel(command: Command): Promise<number> {
  const { api, netns } = command;
  const { name, data } = requireMode(parseArgs(command.words));
  if (name === undefined || name === BASE_DEVICE) return await changeByEndpoints(command, data);
  const path = linkPath(netns, name);
  const current = await api.ask<LinkInfo>("GET", path);
  if (!current.ok) throw ioctlFailed("get", name, current.problem);
  // SIOCCHGTUNNEL has no fwmark: it sets 0.
  const change = { linkinfo: { info_kind: "vti", info_data: { ...data, fwmark: 0 } } };
  const answer = await api.ask("PATCH", path, {}, change);
  if (!answer.ok) throw ioctlFailed("add", name, answer.problem, data);
  return 0;
}

/** A change addressed to ip_vti0 is one of the tunnel with these endpoints (ip_tunnel_ctl). */
async function changeByEndpoints({ api, netns }: Command, data: VtiInfoData): Promise<number> {
  const links = await api.demand<LinkInfo[]>("GET", `${netns}/links`);
  const found = links.find((link) => hasEndpoints(link, data));
  if (found === undefined) {
    throw ioctlFailed("add", BASE_DEVICE, localProblem("ENOENT", "No such file or directory"));
  }
  const change = { linkinfo: { info_kind: "vti", info_data: { ...data, fwmark: 0 } } };
  const answer = await api.ask("PATCH", linkPath(netns, found.ifname), {}, change);
  if (!answer.ok) throw ioctlFailed("add", BASE_DEVICE, answer.problem, data);
  return 0;
}

async function deleteTunnel({ words, api, netns }: Command): Promise<number> {
  const { name: given, isVti } = parseArgs(words);
  const name = given ?? (isVti ? BASE_DEVICE : "");
  const fail = (problem: Problem) => ioctlFailed("delete", name, problem);
  if (name === "") throw fail(localProblem("ENODEV", "No such device"));
  if (name === BASE_DEVICE) throw fail(localProblem("EPERM", "Operation not permitted"));
  const answer = await api.ask("DELETE", linkPath(netns, name));
  if (!answer.ok) throw fail(answer.problem);
  return 0;
}

async function showTunnels({ words, options, api, netns, print }: Command): Promise<number> {
  const { name, isVti, data } = parseArgs(words);
  if (isVti) {
    const wanted = name ?? BASE_DEVICE;
    const answer = await api.ask<LinkInfo>("GET", linkPath(netns, wanted));
    if (!answer.ok) throw ioctlFailed("get", wanted, answer.problem);
    print(`${printTunnel(answer.value)}\n`);
    return 0;
  }
  const links = await api.demand<LinkInfo[]>("GET", `${netns}/links`);
  const shown = links
    .filter((link) => (name === undefined || link.ifname === name) && hasGiven(link, data))
    .sort((a, b) => a.ifindex - b.ifindex);
  const newline = options.oneline ? "\\" : "\n";
  for (const link of shown) {
    print([printTunnel(link), ...(options.stats > 0 ? printCounters(link) : [])].join(newline) + "\n");
  }
  return 0;
}

function parseArgs(words: Words): TunnelWords {
  const tunnel: TunnelWords = { isVti: false, ttl: 0, pmtudisc: true, data: {} };
  const { data } = tunnel;
  while (!words.done) {
    const word = words.take();
    if (word === "mode") tunnel.isVti = parseMode(words.take());
    else if (word === "key") data.ikey = data.okey = tnlParseKey("key", words.take());
    else if (word === "ikey") data.ikey = tnlParseKey("ikey", words.take());
    else if (word === "okey") data.okey = tnlParseKey("okey", words.take());
    else if (word === "remote") data.remote = getAddr32(words.take());
    else if (word === "local") data.local = getAddr32(words.take());
    else if (word === "dev") data.link = words.take();
    else if (word === "ttl" || word === "hoplimit" || word === "hlim") tunnel.ttl = parseTtl(words.take());
    else if (word === "tos" || word === "tclass" || matches(word, "dsfield")) words.take();
    else if (word === "pmtudisc" || word === "nopmtudisc") tunnel.pmtudisc = word === "pmtudisc";
    else if (!/^[io]?(seq|csum)$/.test(word)) takeName(tunnel, word, words);
  }
  tunnel.isVti ||= tunnel.name?.startsWith("vti") === true;
  checkMulticast(data);
  return tunnel;
}

function takeName(tunnel: TunnelWords, word: string, words: Words): void {
  if (word !== "name" && matches(word, "help")) throw new Quit(EXIT_USAGE, TUNNEL_USAGE);
  const name = word === "name" ? words.take() : word;
  if (tunnel.name !== undefined) throw duplicateOrGarbage("name", name);
  tunnel.name = name;
}

function parseMode(word: string): true {
  if (word === "vti") return true;
  throw new Quit(EXIT_USAGE, `Unknown tunnel mode "${word}"`);
}

function parseTtl(word: string): number {
  const ttl = word === "inherit" ? 0 : getU8(word);
  if (ttl === null) throw invalidArgument("invalid TTL\n", word);
  return ttl;
}

/** A multicast remote stands for an absent key too. */
function checkMulticast(data: Writable<VtiInfoData>): void {
  const remote = ipv4Number(data.remote ?? "0.0.0.0");
  if (remote >>> 28 !== 0xe) return;
  data.ikey ||= remote;
  data.okey ||= remote;
  if (ipv4Number(data.local ?? "0.0.0.0") !== 0) return;
  throw new Quit(EXIT_FAILURE, "A broadcast tunnel requires a source address");
}

function requireMode(tunnel: TunnelWords): TunnelWords {
  if (tunnel.ttl !== 0 && !tunnel.pmtudisc) {
    throw new Quit(EXIT_FAILURE, "ttl != 0 and nopmtudisc are incompatible");
  }
  if (!tunnel.isVti) throw new Quit(EXIT_FAILURE, "cannot determine tunnel mode (ipip, gre, vti or sit)");
  return tunnel;
}

/** NAME: ip/ip remote R local L [dev D] ttl inherit nopmtudisc key K; keys decimal, one where both are equal. */
function printTunnel(link: LinkInfo): string {
  const { remote, local, link: dev, ikey, okey } = link.linkinfo.info_data;
  const [inKey, outKey] = [ipv4Number(ikey ?? "0"), ipv4Number(okey ?? "0")];
  const keys = inKey === outKey ? `key ${inKey}` : `ikey ${inKey} okey ${outKey}`;
  const underlay = dev === undefined ? "" : ` dev ${dev}`;
  return `${link.ifname}: ip/ip remote ${remote} local ${local}${underlay} ttl inherit nopmtudisc ${keys}`;
}

function printCounters({ stats64: { rx, tx } }: LinkInfo): string[] {
  const columns = (widths: readonly number[], values: readonly number[]) =>
    values.map((value, i) => String(value).padEnd(widths[i]!)).join(" ");
  const received = [rx.packets, rx.bytes, rx.errors, 0, 0, rx.multicast];
  const sent = [tx.packets, tx.bytes, tx.errors, tx.collisions, tx.carrier_errors, tx.dropped];
  return [
    "RX: Packets    Bytes        Errors CsumErrs OutOfSeq Mcasts",
    `    ${columns([10, 12, 6, 8, 8, 8], received)}`,
    "TX: Packets    Bytes        Errors DeadLoop NoRoute  NoBufs",
    `    ${columns([10, 12, 6, 8, 8, 6], sent)}`,
  ];
}

function hasEndpoints(link: LinkInfo, data: VtiInfoData): boolean {
  const info = link.linkinfo.info_data;
  const same = (shown: string, given: string | undefined) =>
    (shown === "any" ? 0 : ipv4Number(shown)) === ipv4Number(given ?? "0.0.0.0");
  return same(info.local, data.local) && same(info.remote, data.remote) && info.link === data.link;
}

/** True when the device has every parameter that the command names. */
function hasGiven(link: LinkInfo, data: VtiInfoData): boolean {
  const info = link.linkinfo.info_data;
  return (data.link === undefined || info.link === data.link) &&
    (!data.remote || ipv4Number(data.remote) === 0 || info.remote === data.remote) &&
    (!data.local || ipv4Number(data.local) === 0 || info.local === data.local) &&
    (!data.ikey || ipv4Number(info.ikey ?? "0") === data.ikey);
}

function ioctlFailed(
  verb: "add" | "get" | "delete",
  name: string,
  problem: Problem,
  data?: VtiInfoData,
): Quit {
  if (problem.errno === undefined) return rtnetlinkAnswers(problem);
  if (problem.errno === "ENODEV" && problem.attribute?.endsWith("info_data.link")) {
    return new Quit(EXIT_FAILURE, `Cannot find device "${data?.link}"`);
  }
  return new Quit(EXIT_FAILURE, `${verb} tunnel "${name}" failed: ${problem.title}`);
}

/** What the kernel would say of an ioctl that rtnetlink has no counterpart for. */
function localProblem(errno: Problem["errno"] & string, title: string): Problem {
  return { status: 404, errno, title, detail: title };
}
