/** `ip link` for vti devices (iproute2 ip/iplink.c). */
import { type Problem, rtnetlinkAnswers } from "./answer.ts";
import { iplinkParse, LINK_USAGE, type LinkWords } from "./iplink_parse.ts";
import { linkPath } from "./link_path.ts";
import { VTI_USAGE, vtiParseOpt } from "./link_vti.ts";
import type { Command } from "./main.ts";
import { printLinks } from "./print_linkinfo.ts";
import { duplicateOrGarbage, EXIT_FAILURE, EXIT_REFUSED, EXIT_USAGE, Quit, unknownCommand } from "./quit.ts";
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
  if (matches(word, "delete")) return await deleteLink(command);
  if (matches(word, "show") || matches(word, "lst") || matches(word, "list")) return await showLinks(command);
  if (matches(word, "help")) return help(command);
  throw unknownCommand(word, "ip link help");
}

async function addLink({ words, api, netns }: Command): Promise<number> {
  const link = iplinkParse(words);
  if (link.name !== undefined && link.dev !== link.name) {
    throw new Quit(EXIT_USAGE, 'both "name" and "dev" cannot be used when creating devices.');
  }
  if (link.type === undefined) {
    throw new Quit(EXIT_FAILURE, 'Not enough information: "type" argument is required');
  }
  const data = kindData(link, words);
  if ((link.dev?.length ?? 0) > LONGEST_IFNAME) {
    throw new Quit(EXIT_REFUSED, "Error: Attribute failed policy validation.");
  }
  const request: LinkRequest = {
    ...(link.dev === undefined ? {} : { ifname: link.dev }),
    ...deviceSettings(link),
    linkinfo: { info_kind: "vti", info_data: data ?? {} },
  };
  const answer = await api.ask("POST", `${netns}/links`, {}, request);
  if (!answer.ok) throw linkRefused(answer.problem, data, link.mtu);
  return 0;
}

async function setLink({ words, api, netns }: Command): Promise<number> {
  const link = iplinkParse(words);
  const dev = requireDev(link);
  const data = kindData(link, words);
  const change: LinkChange = {
    ...(link.name === undefined || link.name === dev ? {} : { ifname: link.name }),
    ...deviceSettings(link),
    ...(data === undefined ? {} : { linkinfo: { info_kind: "vti", info_data: data } }),
  };
  const path = linkPath(netns, dev);
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
  const filter = parseFilter(words);
  if (filter.dev === undefined) {
    const links = await api.demand<LinkInfo[]>("GET", `${netns}/links`);
    const wanted = links.filter((link) => isWanted(link, filter)).sort((a, b) => a.ifindex - b.ifindex);
    print(printLinks(wanted, options));
    return 0;
  }
  const answer = await api.ask<LinkInfo>("GET", linkPath(netns, filter.dev));
  if (!answer.ok) {
    if (!isMissingDevice(answer.problem)) throw rtnetlinkAnswers(answer.problem);
    throw new Quit(EXIT_FAILURE, `Device "${filter.dev}" does not exist.`);
  }
  print(printLinks(isWanted(answer.value, filter) ? [answer.value] : [], options));
  return 0;
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

function isWanted(link: LinkInfo, filter: ShowFilter): boolean {
  return (!filter.up || link.flags.includes("UP")) &&
    (filter.type === undefined || filter.type === link.linkinfo.info_kind);
}

function help({ words, print }: Command): number {
  if (words.peek() !== "vti") throw new Quit(EXIT_USAGE, LINK_USAGE);
  print(`${VTI_USAGE}\n`);
  return 0;
}

/** The words after `type`; undefined when there is no `type`. */
function kindData(link: LinkWords, words: Command["words"]): VtiInfoData | undefined {
  if (link.type === undefined) return undefined;
  if (link.type !== "vti") throw new Quit(EXIT_REFUSED, "Error: Unknown device type.");
  // Without words iproute2 sends no parameters, so the kernel changes none.
  return words.done ? undefined : vtiParseOpt(words);
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
