/** `ip netns` for the namespaces that the daemon serves (iproute2 ip/ipnetns.c). */
import { type Problem, rtnetlinkAnswers } from "./answer.ts";
import type { Command } from "./main.ts";
import { EXIT_FAILURE, EXIT_USAGE, Quit, unknownCommand } from "./quit.ts";
import type { NetnsInfo } from "../api/schemas.ts";
import { matches, type Words } from "./words.ts";

const NETNS_USAGE = `Usage:	ip netns list
	ip netns add NAME
	ip netns delete NAME`;

export async function doNetns(command: Command): Promise<number> {
  const { words } = command;
  const word = words.done ? "list" : words.take();
  if (matches(word, "list") || matches(word, "show") || matches(word, "lst")) return await listNetns(command);
  if (matches(word, "add")) return await addNetns(command);
  if (matches(word, "delete")) return await deleteNetns(command);
  if (matches(word, "help")) throw new Quit(EXIT_USAGE, NETNS_USAGE);
  throw unknownCommand(word, "ip netns help");
}

async function listNetns({ api, print }: Command): Promise<number> {
  const served = await api.demand<NetnsInfo[]>("GET", "/v1/netns");
  for (const { name } of served) print(`${name}\n`);
  return 0;
}

async function addNetns({ words, api }: Command): Promise<number> {
  const name = takeName(words);
  const answer = await api.ask("PUT", netnsPath(name));
  if (!answer.ok) throw refused("Cannot create", name, answer.problem);
  return 0;
}

async function deleteNetns({ words, api }: Command): Promise<number> {
  const name = takeName(words);
  const answer = await api.ask("DELETE", netnsPath(name));
  if (!answer.ok) throw refused("Cannot remove", name, answer.problem);
  return 0;
}

function takeName(words: Words): string {
  const name = words.peek();
  if (name === undefined) throw new Quit(EXIT_FAILURE, "No netns name specified");
  if (name === "" || name.includes("/") || name === "." || name === "..") {
    throw new Quit(EXIT_USAGE, `Invalid netns name "${name}"`);
  }
  return words.take();
}

function netnsPath(name: string): string {
  return `/v1/netns/${encodeURIComponent(name)}`;
}

function refused(what: string, name: string, problem: Problem): Quit {
  if (problem.errno === undefined) return rtnetlinkAnswers(problem);
  return new Quit(EXIT_FAILURE, `${what} namespace file "/run/netns/${name}": ${problem.title}`);
}
