/**
 * `ip tunnel` with mode vti (iproute2 ip/iptunnel.c). What its ioctls know and rtnetlink does not (TTL, TOS, DF) is kept
 * and shown, without effect on a vti; sequence numbers and checksums, which only GRE has, are read and forgotten.
 */
import { getAddr32, ipv4Number } from "./address.ts";
import { type Problem, rtnetlinkAnswers } from "./answer.ts";
import type { Query } from "./api_client.ts";
import { type Json, jsonPrint } from "./json_print.ts";
import { tnlParseKey } from "./link_vti.ts";
import type { Command } from "./main.ts";
import { getU8 } from "./number.ts";
import { duplicateOrGarbage, EXIT_FAILURE, EXIT_USAGE, invalidArgument, Quit } from "./quit.ts";
import type { LinkInfo, TunnelInfo, TunnelParm } from "../api/schemas.ts";
import { matches, type Words } from "./words.ts";

/** The device that ioctls without a name are addressed to. */
const BASE_DEVICE = "ip_vti0";
/** Bit of a TOS: taken from the inner packet. */
const TOS_INHERIT = 1;

export const TUNNEL_USAGE = `Usage: ip tunnel { add | change | del | show } [ NAME ] [ mode vti ]
        [ remote ADDR ] [ local ADDR ] [ [i|o]key KEY ] [ dev PHYS_DEV ]

Where: NAME := STRING
       ADDR := { IP_ADDRESS | any }
       KEY  := { DOTTED_QUAD | NUMBER }`;

type Writable<T> = { -readonly [K in keyof T]: T[K] };

interface TunnelWords {
  name?: string;
  isVti: boolean;
  readonly parm: Writable<TunnelParm>;
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
  const { name, parm } = requireMode(refuseKeys(parseArgs(words)));
  const request = { ...(name === undefined ? {} : { ifname: name }), pmtudisc: true, ...parm };
  requireDf(request);
  const answer = await api.ask("POST", `${netns}/tunnels`, {}, request);
  if (!answer.ok) throw ioctlFailed("add", BASE_DEVICE, answer.problem, parm);
  return 0;
}

/** What is not named stays as it is; without a device's name it is the tunnel with these ends. */
async function changeTunnel({ words, api, netns }: Command): Promise<number> {
  const { name, parm } = requireMode(parseArgs(words));
  const path = tunnelPath(netns, name ?? BASE_DEVICE);
  let old: TunnelParm = { pmtudisc: true };
  if (name !== undefined) {
    const current = await api.ask<TunnelInfo>("GET", path);
    if (!current.ok) throw ioctlFailed("get", name, current.problem);
    const { ifname: _, ...parms } = current.value;
    old = parms;
  }
  const changed = { ...old, ...parm };
  requireDf(changed);
  const answer = await api.ask("PUT", path, {}, changed);
  if (!answer.ok) throw ioctlFailed("add", name ?? BASE_DEVICE, answer.problem, parm);
  return 0;
}

async function deleteTunnel({ words, api, netns }: Command): Promise<number> {
  const { name: given, isVti, parm } = refuseKeys(parseArgs(words));
  const name = given ?? (isVti ? BASE_DEVICE : "");
  const fail = (problem: Problem) => ioctlFailed("delete", name, problem);
  if (name === "") throw fail({ status: 404, errno: "ENODEV", title: "No such device", detail: "No device" });
  const answer = await api.ask("DELETE", tunnelPath(netns, name), endsOf(parm));
  if (!answer.ok) throw fail(answer.problem);
  return 0;
}

async function showTunnels({ words, options, api, netns, print }: Command): Promise<number> {
  const { name, isVti, parm } = refuseKeys(parseArgs(words));
  if (isVti) {
    const wanted = name ?? BASE_DEVICE;
    const answer = await api.ask<TunnelInfo>("GET", tunnelPath(netns, wanted), endsOf(parm));
    if (!answer.ok) throw ioctlFailed("get", wanted, answer.problem);
    print(`${printTunnel(answer.value)}\n`);
    return 0;
  }
  const all = await api.demand<TunnelInfo[]>("GET", `${netns}/tunnels`);
  const tunnels = all.filter((tunnel) =>
    (name === undefined || tunnel.ifname === name) && hasGiven(tunnel, parm)
  );
  if (options.json) {
    print(printTunnelsJson(tunnels, options.pretty));
    return 0;
  }
  const links = options.stats > 0 ? await api.demand<LinkInfo[]>("GET", `${netns}/links`) : [];
  const newline = options.oneline ? "\\" : "\n";
  for (const tunnel of tunnels) {
    const link = links.find(({ ifname }) => ifname === tunnel.ifname);
    print([printTunnel(tunnel), ...(link === undefined ? [] : printCounters(link))].join(newline) + "\n");
  }
  return 0;
}

/** What names a tunnel to a call addressed to ip_vti0. */
function endsOf({ local, remote, link }: TunnelParm): Query {
  return { local, remote, link };
}

function parseArgs(words: Words): TunnelWords {
  const tunnel: TunnelWords = { isVti: false, parm: {} };
  const { parm } = tunnel;
  while (!words.done) {
    const word = words.take();
    if (word === "mode") tunnel.isVti = parseMode(words.take());
    else if (word === "key") parm.ikey = parm.okey = tnlParseKey("key", words.take());
    else if (word === "ikey") parm.ikey = tnlParseKey("ikey", words.take());
    else if (word === "okey") parm.okey = tnlParseKey("okey", words.take());
    else if (word === "remote") parm.remote = getAddr32(words.take());
    else if (word === "local") parm.local = getAddr32(words.take());
    else if (word === "dev") parm.link = words.take();
    else if (word === "ttl" || word === "hoplimit" || word === "hlim") parm.ttl = parseTtl(words.take());
    else if (word === "tos" || word === "tclass" || matches(word, "dsfield")) {
      parm.tos = parseTos(words.take());
    } else if (word === "pmtudisc" || word === "nopmtudisc") parm.pmtudisc = word === "pmtudisc";
    else if (!/^[io]?(seq|csum)$/.test(word)) takeName(tunnel, word, words);
  }
  tunnel.isVti ||= tunnel.name?.startsWith("vti") === true;
  checkMulticast(parm);
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

/** Names of TOS values are not known here: numbers, hexadecimal. */
function parseTos(word: string): number {
  if (word === "inherit") return TOS_INHERIT;
  if (/^(0x)?[0-9a-f]{1,2}$/i.test(word)) return Number.parseInt(word, 16);
  throw invalidArgument("bad TOS value", word);
}

/** A multicast remote stands for an absent key too. */
function checkMulticast(parm: Writable<TunnelParm>): void {
  const remote = ipv4Number(parm.remote ?? "0.0.0.0");
  if (remote >>> 28 !== 0xe) return;
  parm.ikey ||= remote;
  parm.okey ||= remote;
  if (ipv4Number(parm.local ?? "0.0.0.0") !== 0) return;
  throw new Quit(EXIT_FAILURE, "A broadcast tunnel requires a source address");
}

/** Without a mode, and with a name that tells none, a tunnel is taken for ipip. */
function refuseKeys(tunnel: TunnelWords): TunnelWords {
  const { isVti, parm } = tunnel;
  if (isVti || (parm.ikey === undefined && parm.okey === undefined)) return tunnel;
  throw new Quit(EXIT_FAILURE, "Keys are not allowed with ipip and sit tunnels");
}

function requireMode(tunnel: TunnelWords): TunnelWords {
  if (tunnel.isVti) return tunnel;
  throw new Quit(EXIT_FAILURE, "cannot determine tunnel mode (ipip, gre, vti or sit)");
}

function requireDf({ ttl, pmtudisc }: TunnelParm): void {
  if (ttl && !pmtudisc) throw new Quit(EXIT_FAILURE, "ttl != 0 and nopmtudisc are incompatible");
}

/** NAME: ip/ip remote R local L [dev D] ttl T [tos T] [nopmtudisc] key K; keys decimal, one where both are equal. */
function printTunnel({ ifname, remote, local, link, ikey, okey, ttl, tos, pmtudisc }: TunnelInfo): string {
  const parts = [
    `${ifname}: ip/ip remote ${remote} local ${local}`,
    ...(link === undefined ? [] : [`dev ${link}`]),
    `ttl ${ttl || "inherit"}`,
    ...(tos === 0 ? [] : [`tos ${printTos(tos)}`]),
    ...(pmtudisc ? [] : ["nopmtudisc"]),
    ikey === okey ? `key ${ikey}` : `ikey ${ikey} okey ${okey}`,
  ];
  return parts.join(" ");
}

/** An array with a line break before each comma and at its end. */
function printTunnelsJson(tunnels: readonly TunnelInfo[], pretty: boolean): string {
  const [open, close] = pretty ? ["[ ", " ]\n"] : ["[", "]\n"];
  const texts = tunnels.map((tunnel) => {
    // As an element of an array, without the brackets.
    const array = jsonPrint([tunnelJson(tunnel)], pretty);
    return array.slice(open.length, array.length - close.length);
  });
  return open + texts.map((text) => `${text}\n`).join(",") + (texts.length === 0 ? "]\n" : close);
}

function tunnelJson({ ifname, remote, local, link, ikey, okey, ttl, tos, pmtudisc }: TunnelInfo): Json {
  const zero = (address: string) => address === "any" ? "0.0.0.0" : address;
  return {
    ifname,
    mode: "ip/ip",
    remote: zero(remote),
    local: zero(local),
    ...(link === undefined ? {} : { dev: link }),
    ...(ttl === 0 ? {} : { ttl }),
    ...(tos === 0 || tos === TOS_INHERIT ? {} : { tos: hexByte(tos) }),
    ...(pmtudisc ? {} : { nopmtudisc: null }),
    ...(ikey === okey ? { key: ikey } : { ikey, okey }),
  };
}

function printTos(tos: number): string {
  const inherit = (tos & TOS_INHERIT) !== 0 ? ["inherit"] : [];
  const value = tos & ~TOS_INHERIT;
  return [...inherit, ...(value === 0 ? [] : [hexByte(value)])].join("/");
}

function hexByte(value: number): string {
  return `0x${value.toString(16).padStart(2, "0")}`;
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

/** True when the tunnel has every parameter that the command names. */
function hasGiven(tunnel: TunnelInfo, { link, remote, local, ikey }: TunnelParm): boolean {
  return (link === undefined || tunnel.link === link) &&
    (!remote || ipv4Number(remote) === 0 || tunnel.remote === remote) &&
    (!local || ipv4Number(local) === 0 || tunnel.local === local) &&
    (!ikey || tunnel.ikey === ikey);
}

function ioctlFailed(
  verb: "add" | "get" | "delete",
  name: string,
  problem: Problem,
  parm?: TunnelParm,
): Quit {
  if (problem.errno === undefined) return rtnetlinkAnswers(problem);
  if (problem.errno === "ENODEV" && problem.attribute === "link") {
    return new Quit(EXIT_FAILURE, `Cannot find device "${parm?.link}"`);
  }
  return new Quit(EXIT_FAILURE, `${verb} tunnel "${name}" failed: ${problem.title}`);
}

function tunnelPath(netns: string, name: string): string {
  return `${netns}/tunnels/${encodeURIComponent(name)}`;
}
