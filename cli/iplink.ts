/** `ip link` for vti devices (iproute2 ip/iplink.c). */
import { type Problem, rtnetlinkAnswers } from "./answer.ts";
import { iplinkParse, LINK_USAGE, type LinkWords } from "./iplink_parse.ts";
import { parseGroup } from "./iplink_settings.ts";
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
/** Bytes of the link-layer address of a vti. */
const IPV4_BYTES = 4;

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
  if (link.settings.group !== undefined && link.dev === undefined) groupOnly(words, true);
  if (link.name !== undefined && link.dev !== link.name) {
    throw new Quit(EXIT_USAGE, 'both "name" and "dev" cannot be used when creating devices.');
  }
  await checkLinkNetns(link);
  if (link.type === undefined) {
    throw new Quit(EXIT_FAILURE, 'Not enough information: "type" argument is required');
  }
  const data = kindData(link, words);
  const netns = await netnsPathOf(link, command);
  if ((link.dev?.length ?? 0) > LONGEST_IFNAME) {
    throw new Quit(EXIT_REFUSED, "Error: Attribute failed policy validation.");
  }
  if (link.refused.add !== undefined) throw new Quit(EXIT_REFUSED, link.refused.add);
  const request: LinkRequest = {
    ...(link.dev === undefined ? {} : { ifname: link.dev }),
    ...(link.index === undefined ? {} : { ifindex: link.index }),
    ...deviceSettings(link),
    linkinfo: { info_kind: "vti", info_data: data ?? {} },
  };
  const answer = await api.ask("POST", `${netns}/links`, {}, request);
  if (answer.ok) return 0;
  if (replace && answer.problem.errno === "EEXIST" && answer.problem.attribute === "ifname") {
    throw new Quit(EXIT_REFUSED, "RTNETLINK answers: Operation not supported");
  }
  throw linkRefused(answer.problem, data, link);
}

async function checkLinkNetns({ linkNetns }: LinkWords): Promise<void> {
  if (linkNetns === undefined || await hasNetns(linkNetns)) return;
  throw invalidArgument('Invalid "link-netns" value\n', linkNetns);
}

/** A device may be made in another namespace, by name or by process. */
async function netnsPathOf({ netns: name }: LinkWords, { netns }: Command): Promise<string> {
  if (name === undefined) return netns;
  const isNamed = await hasNetns(name);
  if (!isNamed && getInteger(name) === null) throw invalidArgument('Invalid "netns" value\n', name);
  return `/v1/netns/${encodeURIComponent(isNamed ? name : `pid:${getInteger(name)}`)}`;
}

async function setLink(command: Command): Promise<number> {
  const { words, api, netns } = command;
  const link = iplinkParse(words);
  if (link.settings.group !== undefined && link.dev === undefined) return await setGroup(link, command);
  const dev = requireDev(link);
  if (link.index !== undefined && link.netns === undefined) {
    const when = "when creating devices or when moving device to another netns";
    throw new Quit(EXIT_USAGE, `index can be used only ${when}.`);
  }
  await checkLinkNetns(link);
  const path = linkPath(netns, dev);
  if (link.netns !== undefined) {
    await netnsPathOf(link, command);
    throw notSupported("netns");
  }
  const isLookedUp = link.type !== undefined || link.addressLength !== undefined;
  if (isLookedUp || link.refused.set !== undefined) {
    // iproute2 looks the device up before it reads what follows the type.
    const found = await api.ask("GET", path);
    if (!found.ok) {
      throw isMissingDevice(found.problem) ? cannotFind(dev, EXIT_FAILURE) : rtnetlinkAnswers(found.problem);
    }
  }
  if (link.addressLength !== undefined && link.addressLength !== IPV4_BYTES) {
    const lengths = `${link.addressLength} - must be ${IPV4_BYTES} bytes`;
    throw new Quit(EXIT_FAILURE, `Invalid address length ${lengths}`);
  }
  const data = kindData(link, words);
  if (link.refused.set !== undefined) throw new Quit(EXIT_REFUSED, link.refused.set);
  const change: LinkChange = {
    ...(link.name === undefined || link.name === dev ? {} : { ifname: link.name }),
    ...deviceSettings(link),
    ...link.onlySet,
    ...(data === undefined ? {} : { linkinfo: { info_kind: "vti", info_data: data } }),
  };
  await changeLink(path, dev, change, link, command);
  return 0;
}

async function changeLink(
  path: string,
  dev: string,
  change: LinkChange,
  link: LinkWords,
  { api }: Command,
): Promise<void> {
  const isEmpty = Object.keys(change).length === 0;
  const answer = isEmpty ? await api.ask("GET", path) : await api.ask("PATCH", path, {}, change);
  if (answer.ok) return;
  if (isMissingDevice(answer.problem)) throw cannotFind(dev, EXIT_FAILURE);
  throw linkRefused(answer.problem, change.linkinfo?.info_data, link);
}

/** Without a device, `group` says which ones are meant; that says nothing of their kind. */
async function setGroup(link: LinkWords, command: Command): Promise<number> {
  const { words, api, netns } = command;
  groupOnly(words, false);
  const { group: _, ...change } = { ...deviceSettings(link), ...link.onlySet };
  if (link.refused.set !== undefined) throw new Quit(EXIT_REFUSED, link.refused.set);
  for (const { ifname } of await groupOf(link, api, netns)) {
    await changeLink(linkPath(netns, ifname), ifname, change, link, command);
  }
  return 0;
}

async function groupOf({ settings: { group } }: LinkWords, api: Command["api"], netns: string) {
  const links = await listLinks(api, netns);
  return links.filter((link) => parseGroup(link.group) === group);
}

function groupOnly(words: Command["words"], isNew: boolean): void {
  if (!words.done) {
    const garbage = `Garbage instead of arguments "${words.take()} ...". Try "ip link help".`;
    throw new Quit(EXIT_USAGE, garbage);
  }
  if (isNew) throw new Quit(EXIT_USAGE, "group cannot be used when creating devices.");
}

async function deleteLink({ words, api, netns }: Command): Promise<number> {
  const link = iplinkParse(words);
  if (link.settings.group !== undefined && link.dev === undefined) {
    const links = await groupOf(link, api, netns);
    if (links.length === 0) throw new Quit(EXIT_REFUSED, "RTNETLINK answers: No such device");
    for (const { ifname } of links) await api.demand("DELETE", linkPath(netns, ifname));
    return 0;
  }
  const dev = requireDev(link);
  const answer = await api.ask("DELETE", linkPath(netns, dev));
  if (!answer.ok) {
    throw isMissingDevice(answer.problem) ? cannotFind(dev, EXIT_FAILURE) : rtnetlinkAnswers(answer.problem);
  }
  return 0;
}

async function showLinks({ words, options, api, netns, print }: Command): Promise<number> {
  const { dev, up, type = "vti", group, master } = parseFilter(words);
  // The kernel itself picks by type.
  if (type !== "vti" && dev === undefined) {
    print(printLinks([], options));
    return 0;
  }
  const links = dev === undefined ? await listLinks(api, netns) : [await getLink(api, netns, dev)];
  const isWanted = (link: LinkInfo) =>
    (!up || link.flags.includes("UP")) &&
    (group === undefined || parseGroup(link.group) === group) &&
    (master === undefined || (link.master ?? "") === master);
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
  group?: number;
  /** Name of a VRF; "" for links without one. */
  master?: string;
}

function parseFilter(words: Command["words"]): ShowFilter {
  const filter: ShowFilter = { up: false };
  while (!words.done) {
    const word = words.take();
    if (word === "up") {
      filter.up = true;
    } else if (word === "type") {
      filter.type = words.take();
    } else if (word === "group") {
      filter.group = parseGroup(words.take());
    } else if (word === "master" || word === "vrf") {
      filter.master = words.take();
    } else if (word === "nomaster") {
      filter.master = "";
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

function deviceSettings(link: LinkWords): Omit<LinkRequest, "linkinfo"> {
  return {
    ...(link.mtu === undefined ? {} : { mtu: link.mtu }),
    ...(link.up === undefined ? {} : { up: link.up }),
    ...link.settings,
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
  return problem.errno === "ENODEV" && !isUnderlay(problem) && problem.attribute !== "master";
}

function isUnderlay(problem: Problem): boolean {
  return problem.attribute?.endsWith("info_data.link") === true;
}

function cannotFind(dev: string, exitCode: number): Quit {
  return new Quit(exitCode, `Cannot find device "${dev}"`);
}

function linkRefused(
  problem: Problem,
  data: VtiInfoData | undefined,
  { mtu, settings, isVrf }: LinkWords,
): Quit {
  // iproute2 looks the underlay device up itself, before it asks the kernel.
  if (problem.errno === "ENODEV" && isUnderlay(problem)) return cannotFind(data?.link ?? "", EXIT_USAGE);
  if (problem.errno === "ENODEV" && problem.attribute === "master") {
    return invalidArgument(
      isVrf ? "Not a valid VRF name\n" : "Device does not exist\n",
      settings.master ?? "",
    );
  }
  if (problem.errno === "EINVAL" && mtu !== undefined && mtu < 0) {
    return rtnetlinkAnswers({ ...problem, extack: "mtu less than device minimum" });
  }
  return rtnetlinkAnswers(problem);
}
