/** `ip xfrm state` (iproute2 ip/xfrm_state.c). */
import type { Command } from "../main.ts";
import {
  duplicateArgument,
  EXIT_REFUSED,
  EXIT_USAGE,
  invalidArgument,
  Quit,
  unknownCommand,
} from "../quit.ts";
import { rtnetlinkAnswers } from "../answer.ts";
import type { XfrmMark, XfrmStateId, XfrmStateInfo } from "../../api/schemas.ts";
import { matches, type Words } from "../words.ts";
import { deleteAll } from "./delete_all.ts";
import { allocSpiParse } from "./xfrm_allocspi_parse.ts";
import { stateIdOf, xfrmIdParse, type XfrmIdWords } from "./xfrm_id_parse.ts";
import { parseXfrmProto } from "./xfrm_proto.ts";
import { type StateFilter, stateFilterParse } from "./xfrm_state_filter.ts";
import { xfrmStateModify } from "./xfrm_state_modify.ts";
import { printState } from "./xfrm_state_print.ts";
import { STATE_USAGE } from "./xfrm_usage.ts";
import { markToFind, takeMark } from "./xfrm_words.ts";

export async function doXfrmState(command: Command): Promise<number> {
  const { words } = command;
  if (words.done) return await listStates(command);
  const word = words.take();
  if (matches(word, "add")) return await modifyState(command, "POST");
  if (matches(word, "update")) return await modifyState(command, "PUT");
  if (matches(word, "allocspi")) return await allocSpi(command);
  if (matches(word, "delete")) return await deleteState(command);
  if (matches(word, "deleteall") || matches(word, "delall")) return await deleteStates(command);
  if (matches(word, "list") || matches(word, "show") || matches(word, "lst")) {
    return await listStates(command);
  }
  if (matches(word, "get")) return await getState(command);
  if (matches(word, "flush")) return await flushStates(command);
  if (matches(word, "count")) return await countStates(command);
  if (matches(word, "help")) throw new Quit(EXIT_USAGE, STATE_USAGE);
  throw unknownCommand(word, "ip xfrm state help");
}

async function modifyState({ words, options, api, netns }: Command, method: "POST" | "PUT"): Promise<number> {
  const request = xfrmStateModify(words, options.family);
  const answer = await api.ask(method, `${netns}/xfrm/states`, {}, request);
  if (answer.ok) return 0;
  // iproute2 looks the selector's device up itself, before it asks the kernel.
  if (answer.problem.errno === "ENODEV" && answer.problem.attribute === "sel.dev") {
    throw invalidArgument("DEV value is invalid", request.sel?.dev ?? "");
  }
  if (answer.problem.errno === "ENODEV" && answer.problem.attribute === "offload.dev") {
    throw invalidArgument('value after "offload dev" is invalid', request.offload?.dev ?? "");
  }
  throw rtnetlinkAnswers(answer.problem);
}

async function allocSpi({ words, options, api, netns, print }: Command): Promise<number> {
  const request = allocSpiParse(words, options.family);
  const state = await api.demand<XfrmStateInfo>("POST", `${netns}/xfrm/states/allocspi`, {}, request);
  print(printState(state, options));
  return 0;
}

async function getState({ words, options, api, netns, print }: Command): Promise<number> {
  const id = parseStateId(words, options.family);
  const query = { ...stateQuery(id), keys: true };
  print(printState(await api.demand<XfrmStateInfo>("GET", `${netns}/xfrm/states/get`, query), options));
  return 0;
}

async function deleteState({ words, options, api, netns }: Command): Promise<number> {
  const id = parseStateId(words, options.family);
  await api.demand("DELETE", `${netns}/xfrm/states`, stateQuery(id));
  return 0;
}

async function deleteStates(command: Command): Promise<number> {
  const { words, options, api, netns } = command;
  const filter = stateFilterParse(words, options);
  const path = `${netns}/xfrm/states`;
  // A companion goes with its IPComp state.
  const found = (await matchingStates(command, filter, false)).filter(hasIpsecProto);
  const remove = async (state: XfrmStateId) => {
    const answer = await api.ask("DELETE", path, stateQuery(state));
    return answer.ok ? null : answer.problem.title;
  };
  await deleteAll(command, found, remove, "Failed to send delete-all request\n");
  command.exits?.();
  return 0;
}

async function listStates(command: Command): Promise<number> {
  const { words, options, print } = command;
  const filter = stateFilterParse(words, options);
  for (const state of await matchingStates(command, filter, !filter.nokeys)) {
    print(printState(state, options, filter.nokeys));
  }
  command.exits?.();
  return 0;
}

function hasIpsecProto(state: XfrmStateInfo): state is XfrmStateInfo & XfrmStateId {
  return state.proto !== "ipip";
}

async function flushStates({ words, options, api, netns, note }: Command): Promise<number> {
  let proto: string | undefined;
  while (!words.done) {
    const word = words.take();
    if (word !== "proto") throw invalidArgument("unknown", word);
    if (proto !== undefined) throw duplicateArgument("proto", word);
    proto = parseXfrmProto(words.take());
  }
  if (options.stats > 1) note(`Flush state with XFRM-PROTO value "${proto ?? 0}"`);
  if (proto === "route2" || proto === "hao") return 0;
  const query = proto === undefined || proto === "ipsec-any" ? {} : { proto };
  await api.demand("DELETE", `${netns}/xfrm/states`, { flush: true, ...query });
  return 0;
}

async function countStates({ options, api, netns, print }: Command): Promise<number> {
  const states = await api.demand<XfrmStateInfo[]>("GET", `${netns}/xfrm/states`);
  // The kernel's table starts with 8 buckets; a gateway's has none to tell of.
  const buckets = options.stats > 0 ? " (buckets count 8 Max 1048576)" : "";
  print(`\t SAD count ${states.length}${buckets}\n`);
  return 0;
}

async function matchingStates(
  { api, netns }: Command,
  filter: StateFilter,
  keys: boolean,
): Promise<XfrmStateInfo[]> {
  const states = await api.demand<XfrmStateInfo[]>("GET", `${netns}/xfrm/states`, keys ? { keys } : {});
  return states.filter((state) => filter.matches(state));
}

function parseStateId(words: Words, family: Command["options"]["family"]): XfrmStateId {
  let id: XfrmIdWords | undefined;
  let mark: XfrmMark | undefined;
  while (!words.done) {
    if (words.peek() === "mark") {
      words.take();
      mark = takeMark(words);
    } else {
      if (id !== undefined) throw invalidArgument("unknown", words.take());
      id = xfrmIdParse(words, family, false);
    }
  }
  // iproute2 asks for protocol 0, which no kernel has.
  if (id === undefined) throw new Quit(EXIT_REFUSED, "RTNETLINK answers: Invalid argument");
  const none = new Quit(EXIT_REFUSED, "RTNETLINK answers: No such process");
  return { ...stateIdOf(id, none), spi: id.spi ?? 0, ...markToFind(mark) };
}

function stateQuery({ src, dst, proto, spi, mark }: XfrmStateId) {
  return { src, dst, proto, spi, mark: mark?.value, mask: mark?.mask };
}
