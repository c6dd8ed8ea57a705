/**
 * `ip tunnel` with mode vti (iproute2 ip/iptunnel.c). What its ioctls know and rtnetlink does not (TTL, TOS, DF) is kept
 * and shown, without effect on a vti; sequence numbers and checksums, which only GRE has, are read and forgotten.
 */
import { parseDsfield } from "./dsfield.ts";
import { getAddr32, ipv4Number } from "./address.ts";
import { type Problem, rtnetlinkAnswers } from "./answer.ts";
import type { Query } from "./api_client.ts";
import { tnlParseKey } from "./link_vti.ts";
import { isIfname } from "./iplink_parse.ts";
import type { Command } from "./main.ts";
import { getU8 } from "./number.ts";
import { printCounters, printTunnel, printTunnelsJson, TOS_INHERIT } from "./print_iptunnel.ts";
import { duplicateOrGarbage, EXIT_FAILURE, EXIT_USAGE, invalidArgument, notSupported, Quit } from "./quit.ts";
import type { LinkInfo, TunnelInfo, TunnelParm } from "../api/schemas.ts";
import { matches, type Words } from "./words.ts";

/** The device that ioctls without a name are addressed to. */
const BASE_DEVICE = "ip_vti0";
/** The same of the other modes, which the system's ip is for. */
const OTHER_BASES = { ipip: "tunl0", gre: "gre0", sit: "sit0" } as const;

const TUNNEL_USAGE = `Usage: ip tunnel { add | change | del | show } [ NAME ] [ mode vti ]
        [ remote ADDR ] [ local ADDR ] [ [i|o]key KEY ] [ dev PHYS_DEV ]

Where: NAME := STRING
       ADDR := { IP_ADDRESS | any }
       KEY  := { DOTTED_QUAD | NUMBER }`;

type Writable<T> = { -readonly [K in keyof T]: T[K] };

interface TunnelWords {
  name?: string;
  /** VTI_ISVTI; without it a tunnel is of another kind. */
  isVti: boolean;
  /** The mode, where one is given or known. */
  mode?: Mode;
  readonly parm: Writable<TunnelParm>;
}

/** Modes of one protocol are the same to iproute2: vti is ipip with a flag. */
const MODES = {
  "vti": "ipip",
  "ipip": "ipip",
  "ip/ip": "ipip",
  "gre": "gre",
  "gre/ip": "gre",
  "sit": "sit",
  "ipv6/ip": "sit",
  "isatap": "sit",
} as const;
type Mode = (typeof MODES)[keyof typeof MODES];
/** What names say of devices that no mode is given for. */
const NAMED_MODES = { vti: "ipip", ipip: "ipip", gre: "gre", sit: "sit", isatap: "sit" } as const;

export async function doIptunnel(command: Command): Promise<number> {
  const { words, options } = command;
  if (options.otherFamily !== undefined) {
    throw new Quit(EXIT_USAGE, `Unsupported protocol family: ${options.otherFamily}`);
  }
  if (options.family === 6) return (await import("./ip6tunnel.ts")).ip6tunnel(words);
  if (words.done) return await showTunnels(command);
  const word = words.take();
  if (matches(word, "add")) return await addTunnel(command);
  if (matches(word, "change")) return await changeTunnel(command);
  if (matches(word, "delete")) return await deleteTunnel(command);
  if (matches(word, "show") || matches(word, "lst") || matches(word, "list")) {
    return await showTunnels(command);
  }
  if (matches(word, "prl")) return await (await import("./iptunnel_prl.ts")).doPrl(command);
  if (matches(word, "6rd")) return await (await import("./iptunnel_prl.ts")).do6rd(command);
  if (matches(word, "help")) throw new Quit(EXIT_USAGE, TUNNEL_USAGE);
  throw new Quit(EXIT_USAGE, `Command "${word}" is unknown, try "ip tunnel help"`);
}

async function addTunnel({ words, api, netns }: Command): Promise<number> {
  const { name, parm } = requireVti(refuseKeys(parseArgs(words)));
  const request = { ...(name === undefined ? {} : { ifname: name }), pmtudisc: true, ...parm };
  const answer = await api.ask("POST", `${netns}/tunnels`, {}, request);
  if (!answer.ok) throw ioctlFailed("add", BASE_DEVICE, answer.problem, parm);
  return 0;
}

/** Behind a name as first word, what is not named stays as it is; without a name it is the tunnel with these ends. */
async function changeTunnel({ words, api, netns }: Command): Promise<number> {
  const tunnel: TunnelWords = { isVti: false, parm: {} };
  if (!words.done) takeArg(tunnel, words);
  let old: TunnelParm = { pmtudisc: true };
  if (tunnel.name !== undefined) {
    const current = await api.ask<TunnelInfo>("GET", tunnelPath(netns, tunnel.name));
    if (!current.ok) throw ioctlFailed("get", tunnel.name, current.problem);
    const { ifname: _, ...parms } = current.value;
    old = parms;
    tunnel.mode = "ipip";
    // The kernel does not say of its fallback device that it is a vti.
    tunnel.isVti = tunnel.name !== BASE_DEVICE;
  }
  const { name = BASE_DEVICE, parm } = parseArgs(words, tunnel);
  const hasKeys = tunnel.mode === "ipip" && old.ikey !== undefined;
  const changed = { ...old, ...parm };
  if (hasKeys && !tunnel.isVti) throw keysNotAllowed();
  requireVti(refuseKeys(tunnel), changed);
  const answer = await api.ask("PUT", tunnelPath(netns, name), {}, changed);
  if (!answer.ok) throw ioctlFailed("add", name, answer.problem, parm);
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
  const { name, isVti, mode, parm } = refuseKeys(parseArgs(words));
  if (name === undefined && mode !== undefined && !isVti) {
    throw new Quit(EXIT_FAILURE, `get tunnel "${OTHER_BASES[mode]}" failed: No such device`);
  }
  if (isVti) {
    const wanted = name ?? BASE_DEVICE;
    const answer = await api.ask<TunnelInfo>("GET", tunnelPath(netns, wanted), endsOf(parm));
    if (!answer.ok) throw ioctlFailed("get", wanted, answer.problem);
    print(`${printTunnel(answer.value, options)}\n`);
    return 0;
  }
  const all = await api.demand<TunnelInfo[]>("GET", `${netns}/tunnels`);
  const tunnels = all.filter((tunnel) =>
    (name === undefined || tunnel.ifname === name) && hasGiven(tunnel, parm)
  );
  const links = options.stats > 0 ? await api.demand<LinkInfo[]>("GET", `${netns}/links`) : [];
  const newline = options.oneline ? "\\" : "\n";
  const withCounters = (text: string, tunnel: TunnelInfo) => {
    const link = links.find(({ ifname }) => ifname === tunnel.ifname);
    return [text, ...(link === undefined ? [] : printCounters(link))].join(newline) + "\n";
  };
  if (options.json) print(printTunnelsJson(tunnels, options, withCounters));
  else for (const tunnel of tunnels) print(withCounters(printTunnel(tunnel, options), tunnel));
  return 0;
}

/** What names a tunnel to a call addressed to ip_vti0. */
function endsOf({ local, remote, link }: TunnelParm): Query {
  return { local, remote, link };
}

function parseArgs(words: Words, tunnel: TunnelWords = { isVti: false, parm: {} }): TunnelWords {
  while (!words.done) takeArg(tunnel, words);
  if (tunnel.mode === undefined) {
    const { name = "" } = tunnel;
    const start = (Object.keys(NAMED_MODES) as (keyof typeof NAMED_MODES)[]).find((s) => name.startsWith(s));
    if (start !== undefined) tunnel.mode = NAMED_MODES[start];
    tunnel.isVti ||= start === "vti";
  }
  return tunnel;
}

function takeArg(tunnel: TunnelWords, words: Words): void {
  const { parm } = tunnel;
  const word = words.take();
  if (word === "mode") setMode(tunnel, words.take());
  else if (word === "key") parm.ikey = parm.okey = tnlParseKey("key", words.take());
  else if (word === "ikey") parm.ikey = tnlParseKey("ikey", words.take());
  else if (word === "okey") parm.okey = tnlParseKey("okey", words.take());
  else if (word === "remote") parm.remote = getAddr32(words.take());
  else if (word === "local") parm.local = getAddr32(words.take());
  else if (word === "dev") parm.link = words.take();
  else if (word === "ttl" || word === "hoplimit" || word === "hlim") {
    const ttl = parseTtl(words.take());
    if (ttl !== null) parm.ttl = ttl;
  } else if (word === "tos" || word === "tclass" || matches(word, "dsfield")) {
    parm.tos = parseTos(words.take());
  } else if (word === "pmtudisc" || word === "nopmtudisc") parm.pmtudisc = word === "pmtudisc";
  else if (!/^[io]?(seq|csum)$/.test(word)) takeName(tunnel, word, words);
}

function takeName(tunnel: TunnelWords, word: string, words: Words): void {
  if (word !== "name" && matches(word, "help")) throw new Quit(EXIT_USAGE, TUNNEL_USAGE);
  const name = word === "name" ? words.take() : word;
  if (tunnel.name !== undefined) throw duplicateOrGarbage("name", name);
  if (!isIfname(name)) throw invalidArgument('"name" not a valid ifname', name);
  tunnel.name = name;
}

function setMode(tunnel: TunnelWords, word: string): void {
  if (!Object.hasOwn(MODES, word)) throw new Quit(EXIT_USAGE, `Unknown tunnel mode "${word}"`);
  const mode = MODES[word as keyof typeof MODES];
  if (tunnel.mode !== undefined && tunnel.mode !== mode) {
    throw new Quit(EXIT_USAGE, "You managed to ask for more than one tunnel mode.");
  }
  tunnel.mode = mode;
  tunnel.isVti ||= word === "vti";
}

/** null for "inherit", which leaves it. */
function parseTtl(word: string): number | null {
  if (word === "inherit") return null;
  const ttl = getU8(word);
  if (ttl === null) throw invalidArgument("invalid TTL\n", word);
  return ttl;
}

/** "inherit", a value, or "inherit/" and a value. */
function parseTos(word: string): number {
  const [first, rest] = word.split("/", 2) as [string, string?];
  const inherit = first === "inherit" ? TOS_INHERIT : 0;
  const given = inherit === 0 ? first : rest;
  const value = given === undefined ? 0 : parseDsfield(given);
  if (value === null) throw invalidArgument("bad TOS value", first);
  return inherit | value;
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
  const { isVti, mode, parm } = tunnel;
  const hasKeys = parm.ikey !== undefined || parm.okey !== undefined;
  if (hasKeys && !isVti && mode !== "gre") throw keysNotAllowed();
  checkMulticast(parm);
  return tunnel;
}

function keysNotAllowed(): Quit {
  return new Quit(EXIT_FAILURE, "Keys are not allowed with ipip and sit tunnels");
}

/** `parm` is what the tunnel will be. */
function requireVti(tunnel: TunnelWords, parm: TunnelParm = { pmtudisc: true, ...tunnel.parm }): TunnelWords {
  if (parm.ttl && !parm.pmtudisc) throw new Quit(EXIT_FAILURE, "ttl != 0 and nopmtudisc are incompatible");
  if (tunnel.mode === undefined) {
    throw new Quit(EXIT_FAILURE, "cannot determine tunnel mode (ipip, gre, vti or sit)");
  }
  if (!tunnel.isVti) throw notSupported(`mode ${tunnel.mode}`);
  return tunnel;
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
