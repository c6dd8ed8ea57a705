/** `ip xfrm policy` (iproute2 ip/xfrm_policy.c). */
import { rtnetlinkAnswers } from "../answer.ts";
import type { Command } from "../main.ts";
import { duplicateArgument, EXIT_USAGE, invalidArgument, Quit, unknownCommand } from "../quit.ts";
import type { XfrmPolicyId, XfrmPolicyInfo } from "../../api/schemas.ts";
import { matches } from "../words.ts";
import { deleteAll } from "./delete_all.ts";
import { parsePtype, policyFilterParse, policyIdParse, xfrmPolicyModify } from "./xfrm_policy_parse.ts";
import { printPolicy } from "./xfrm_policy_print.ts";
import { countPolicies, getDefault, setDefault, setSpd } from "./xfrm_spd.ts";
import { POLICY_USAGE } from "./xfrm_usage.ts";

export async function doXfrmPolicy(command: Command): Promise<number> {
  const { words } = command;
  if (words.done) return await listPolicies(command);
  const word = words.take();
  if (matches(word, "add")) return await modifyPolicy(command, "POST");
  if (matches(word, "update")) return await modifyPolicy(command, "PUT");
  if (matches(word, "delete")) return await deletePolicy(command);
  if (matches(word, "deleteall") || matches(word, "delall")) return await deletePolicies(command);
  if (matches(word, "list") || matches(word, "show") || matches(word, "lst")) {
    return await listPolicies(command);
  }
  if (matches(word, "get")) return await getPolicy(command);
  if (matches(word, "flush")) return await flushPolicies(command);
  if (matches(word, "count")) return await countPolicies(command);
  if (matches(word, "set")) return await setSpd(command);
  if (matches(word, "setdefault")) return await setDefault(command);
  if (matches(word, "getdefault")) return await getDefault(command);
  if (matches(word, "help")) throw new Quit(EXIT_USAGE, POLICY_USAGE);
  throw unknownCommand(word, "ip xfrm policy help");
}

async function modifyPolicy(
  { words, options, api, netns }: Command,
  method: "POST" | "PUT",
): Promise<number> {
  const request = xfrmPolicyModify(words, options.family);
  const answer = await api.ask(method, `${netns}/xfrm/policies`, {}, request);
  if (answer.ok) return 0;
  // iproute2 looks the selector's device up itself, before it asks the kernel.
  if (answer.problem.errno === "ENODEV" && answer.problem.attribute === "sel.dev") {
    throw invalidArgument("DEV value is invalid", request.sel.dev ?? "");
  }
  throw rtnetlinkAnswers(answer.problem);
}

async function getPolicy({ words, options, api, netns, print }: Command): Promise<number> {
  const query = policyQuery(policyIdParse(words, options.family));
  const policy = await api.demand<XfrmPolicyInfo>("GET", `${netns}/xfrm/policies/get`, query);
  print(printPolicy(policy, options));
  return 0;
}

async function deletePolicy({ words, options, api, netns }: Command): Promise<number> {
  const query = policyQuery(policyIdParse(words, options.family));
  await api.demand("DELETE", `${netns}/xfrm/policies`, query);
  return 0;
}

async function listPolicies(command: Command): Promise<number> {
  const { words, options, print } = command;
  const wanted = policyFilterParse(words, options);
  for (const policy of await allPolicies(command)) {
    if (wanted(policy)) print(printPolicy(policy, options));
  }
  command.exits?.();
  return 0;
}

async function deletePolicies(command: Command): Promise<number> {
  const { words, options, api, netns } = command;
  const wanted = policyFilterParse(words, options);
  const found = (await allPolicies(command)).filter(wanted);
  const remove = async ({ dir, index, mark, ptype, if_id }: XfrmPolicyInfo) => {
    // iproute2 does not say of which type a policy is, so the kernel looks for a main one, and finds none.
    if (ptype === "sub") return "No such file or directory";
    const id = { dir, index, ptype, ...(mark && { mark }), ...(if_id === undefined ? {} : { if_id }) };
    const answer = await api.ask("DELETE", `${netns}/xfrm/policies`, policyQuery(id));
    return answer.ok ? null : answer.problem.title;
  };
  await deleteAll(command, found, remove, "Failed to send delete-all request");
  command.exits?.();
  return 0;
}

async function flushPolicies({ words, options, api, netns, note }: Command): Promise<number> {
  let ptype: "main" | "sub" | undefined;
  while (!words.done) {
    const word = words.take();
    if (word !== "ptype") throw invalidArgument("unknown", word);
    if (ptype !== undefined) throw duplicateArgument("ptype", word);
    ptype = parsePtype(words.take());
  }
  if (options.stats > 1) note("Flush policy");
  await api.demand("DELETE", `${netns}/xfrm/policies`, { flush: true, ptype });
  return 0;
}

async function allPolicies({ api, netns }: Command): Promise<XfrmPolicyInfo[]> {
  return await api.demand<XfrmPolicyInfo[]>("GET", `${netns}/xfrm/policies`);
}

function policyQuery({ dir, sel, index, mark, ptype, if_id }: XfrmPolicyId) {
  return { dir, index, ptype, if_id, mark: mark?.value, mask: mark?.mask, ...sel };
}
