/** `ip link` for vti devices (iproute2 ip/iplink.c). */
import { type Problem, rtnetlinkAnswers } from "./answer.ts";
import { iplinkParse, LINK_USAGE, type LinkWords } from "./iplink_parse.ts";
import { linkPath } from "./link_path.ts";
import { getInteger } from "./number.ts";
import { VTI_USAGE, vtiParseOpt } from "./link_vti.ts";
import { type Command, hasNetns } from "./main.ts";
import { printLinks } from "./print_linkinfo.ts";
import {
  duplicateOrGarbage,
  EXIT_FAILURE,
  EXIT_REFUSED,
  EXIT_USAGE,
  invalidArgument,
  notSupported,
  Quit,
  unknownCommand,
} from "./quit.ts";
import type { LinkChange, LinkInfo, LinkRequest, VtiInfoData } from "../api/schemas.ts";
import { matches } from "./words.ts";

/** Bytes of the longest device name (IFNAMSIZ less its NUL). */
const LONGEST_IFNAME = 15;

export async function doIplink(command: Command): Promise<number> {
  const { words } = command;
  if (words.done) return await showLinks(command);
  const word = words.take();
  if (matches(word, "add")) return await addLink(command);
  if (matches(word, "set") || matches(word, "change")) return await setLink(command);
  if (matches(word, "replace")) return await addLink(command, true);
  if (matches(word, "delete")) return await deleteLink(command);
  if (matches(word, "show") || matches(word, "lst") || matches(word, "list")) return await showLinks(command);
  if (matches(word, "help")) return help(command);
  throw unknownCommand(word, "ip link help");
}

/** With NLM_F_REPLACE, the kernel has another word for a device that is there already. */
async function addLink(command: Command, replace = false): Promise<number> {
  const { words, api } = command;
  const link = iplinkParse(words);
  if (link.name !== undefined && link.dev !== link.name) {
    throw new Quit(EXIT_USAGE, 'both "name" and "dev" cannot be used when creating devices.');
  }
  if (link.type === undefined) {
    throw new Quit(EXIT_FAILURE, 'Not enough information: "type" argument is required');
  }
  const data = kindData(link, words);
  const netns = await netnsPathOf(link, command);
  if ((link.dev?.length ?? 0) > LONGEST_IFNAME) {
    throw new Quit(EXIT_REFUSED, "Error: Attribute failed policy validation.");
  }
  const request: LinkRequest = {
    ...(link.dev === undefined ? {} : { ifname: link.dev }),
    ...deviceSettings(link),
    linkinfo: { info_kind: "vti", info_data: data ?? {} },
  };
  const answer = await api.ask("POST", `${netns}/links`, {}, request);
  if (answer.ok) return 0;
  if (replace && answer.problem.errno === "EEXIST" && answer.problem.attribute === "ifname") {
    throw new Quit(EXIT_REFUSED, "RTNETLINK answers: Operation not supported");
  }
  throw linkRefused(answer.problem, data, link.mtu);
}

/** A device may be made in another namespace, by name or by process. */
async function netnsPathOf({ netns: name }: LinkWords, { netns }: Command): Promise<string> {
  if (name === undefined) return netns;
  const isNamed = await hasNetns(name);
  if (!isNamed && getInteger(name) === null) throw invalidArgument('Invalid "netns" value\n', name);
  return `/v1/netns/${encodeURIComponent(isNamed ? name : `pid:${getInteger(name)}`)}`;
}

async function setLink({ words, api, netns }: Command): Promise<number> {
  const link = iplinkParse(words);
  const dev = requireDev(link);
  if (link.netns !== undefined) throw notSupported("netns");
  const path = linkPath(netns, dev);
  if (link.type !== undefined) {
    // iproute2 looks the device up before it reads what follows the type.
    const found = await api.ask("GET", path);
    if (!found.ok) {
      throw isMissingDevice(found.problem) ? cannotFind(dev, EXIT_FAILURE) : rtnetlinkAnswers(found.problem);
    }
  }
  const data = kindData(link, words);
  const change: LinkChange = {
    ...(link.name === undefined || link.name === dev ? {} : { ifname: link.name }),
    ...deviceSettings(link),
    ...(data === undefined ? {} : { linkinfo: { info_kind: "vti", info_data: data } }),
  };
  const isEmpty = Object.keys(change).length === 0;
  const answer = isEmpty ? await api.ask("GET", path) : await api.ask("PATCH", path, {}, change);
  if (!answer.ok) {
    if (isMissingDevice(answer.problem)) throw cannotFind(dev, EXIT_FAILURE);
    throw linkRefused(answer.problem, data, link.mtu);
  }
  return 0;
}

async function deleteLink({ words, api, netns }: Command): Promise<number> {
  const dev = requireDev(iplinkParse(words));
  const answer = await api.ask("DELETE", linkPath(netns, dev));
  if (!answer.ok) {
    throw isMissingDevice(answer.problem) ? cannotFind(dev, EXIT_FAILURE) : rtnetlinkAnswers(answer.problem);
  }
  return 0;
}

async function showLinks({ words, options, api, netns, print }: Command): Promise<number> {
  const { dev, up, type = "vti" } = parseFilter(words);
  // The kernel itself picks by type.
  if (type !== "vti" && dev === undefined) {
    print(printLinks([], options));
    return 0;
  }
  const links = dev === undefined ? await listLinks(api, netns) : [await getLink(api, netns, dev)];
  const isWanted = (link: LinkInfo) => !up || link.flags.includes("UP");
  print(printLinks(type === "vti" ? links : [], options, isWanted));
  return 0;
}

async function listLinks(api: Command["api"], netns: string): Promise<LinkInfo[]> {
  const links = await api.demand<LinkInfo[]>("GET", `${netns}/links`);
  return links.sort((a, b) => a.ifindex - b.ifindex);
}

async function getLink(api: Command["api"], netns: string, dev: string): Promise<LinkInfo> {
  const answer = await api.ask<LinkInfo>("GET", linkPath(netns, dev));
  if (answer.ok) return answer.value;
  if (!isMissingDevice(answer.problem)) throw rtnetlinkAnswers(answer.problem);
  throw new Quit(EXIT_FAILURE, `Device "${dev}" does not exist.`);
}

interface ShowFilter {
  dev?: string;
  up: boolean;
  type?: string;
}

function parseFilter(words: Command["words"]): ShowFilter {
  const filter: ShowFilter = { up: false };
  while (!words.done) {
    const word = words.take();
    if (word === "up") {
      filter.up = true;
    } else if (word === "type") {
      filter.type = words.take();
    } else if (matches(word, "help")) {
      throw new Quit(EXIT_USAGE, LINK_USAGE);
    } else {
      const dev = word === "dev" ? words.take() : word;
      if (filter.dev !== undefined) throw duplicateOrGarbage("dev", dev);
      filter.dev = dev;
    }
  }
  return filter;
}

function help({ words, print }: Command): number {
  if (words.peek() !== "vti") throw new Quit(EXIT_USAGE, LINK_USAGE);
  print(`${VTI_USAGE}\n`);
  return 0;
}

/** The words after `type`; undefined when there is no `type`. */
function kindData(link: LinkWords, words: Command["words"]): VtiInfoData | undefined {
  if (link.type === undefined) return undefined;
  if (link.type !== "vti") throw unknownKind(words);
  // Without words iproute2 sends no parameters, so the kernel changes none.
  return words.done ? undefined : vtiParseOpt(words);
}

function unknownKind(words: Command["words"]): Quit {
  if (words.done) return new Quit(EXIT_REFUSED, "Error: Unknown device type.");
  const garbage = `Garbage instead of arguments "${words.take()} ...". Try "ip link help".`;
  return new Quit(EXIT_FAILURE, garbage);
}

function deviceSettings(link: LinkWords): { mtu?: number; up?: boolean } {
  return {
    ...(link.mtu === undefined ? {} : { mtu: link.mtu }),
    ...(link.up === undefined ? {} : { up: link.up }),
  };
}

function requireDev(link: LinkWords): string {
  if (link.dev === undefined) {
    throw new Quit(EXIT_USAGE, 'Not enough information: "dev" argument is required.');
  }
  return link.dev;
}

/** True when the device of the command itself is missing, not one that its parameters name. */
function isMissingDevice(problem: Problem): boolean {
  return problem.errno === "ENODEV" && !isUnderlay(problem);
}

function isUnderlay(problem: Problem): boolean {
  return problem.attribute?.endsWith("info_data.link") === true;
}

function cannotFind(dev: string, exitCode: number): Quit {
  return new Quit(exitCode, `Cannot find device "${dev}"`);
}

function linkRefused(problem: Problem, data: VtiInfoData | undefined, mtu: number | undefined): Quit {
  // iproute2 looks the underlay device up itself, before it asks the kernel.
  if (problem.errno === "ENODEV" && isUnderlay(problem)) return cannotFind(data?.link ?? "", EXIT_USAGE);
  if (problem.errno === "EINVAL" && mtu !== undefined && mtu < 0) {
    return rtnetlinkAnswers({ ...problem, extack: "mtu less than device minimum" });
  }
  return rtnetlinkAnswers(problem);
}
