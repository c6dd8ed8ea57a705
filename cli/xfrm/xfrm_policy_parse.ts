/** The words of `ip xfrm policy` (iproute2 ip/xfrm_policy.c). */
import { type Family, familyOf, prefixMatches, zeroAddress } from "../address.ts";
import { getU8 } from "../number.ts";
import type { Options } from "../options.ts";
import {
  duplicateArgument,
  duplicateOrGarbage,
  EXIT_FAILURE,
  EXIT_REFUSED,
  incompleteCommand,
  invalidArgument,
  notSupported,
  Quit,
} from "../quit.ts";
import type {
  PolicyDir,
  XfrmLimits,
  XfrmMark,
  XfrmPolicyId,
  XfrmPolicyInfo,
  XfrmPolicyRequest,
  XfrmTemplateInfo,
} from "../../api/schemas.ts";
import type { Words } from "../words.ts";
import { POLICY_FLAG_BITS, type XfrmPolicyFlag } from "./xfrm_flags.ts";
import { isIpsecProto, takeU32, xfrmIdParse, type XfrmIdWords } from "./xfrm_id_parse.ts";
import { parseMode } from "./xfrm_proto.ts";
import { selectorOf, xfrmSelectorParse, type XfrmSelectorWords } from "./xfrm_selector_parse.ts";
import { markToFind, markToSet, takeFlags, takeLimit, takeMark } from "./xfrm_words.ts";

/** Bytes: XFRM_TMPLS_BUF_SIZE of iproute2 over sizeof(struct xfrm_user_tmpl). */
const MAX_TEMPLATES = 1024 / 64;

type Writable<T> = { -readonly [K in keyof T]: T[K] };
type Ptype = "main" | "sub";
type Action = "allow" | "block";

/** What every command of `ip xfrm policy` may say of a policy. */
interface PolicyWords {
  dir?: PolicyDir;
  sel?: XfrmSelectorWords;
  index?: number;
  ptype?: Ptype;
  mark?: XfrmMark;
  if_id?: number;
  hasContext?: true;
}

/** The words of `add` and `update`. */
export function xfrmPolicyModify(words: Words, family: Family): XfrmPolicyRequest {
  const policy: PolicyWords = {};
  const more: Writable<Pick<XfrmPolicyRequest, "action" | "priority" | "flags">> = {};
  const limits: Writable<XfrmLimits> = {};
  const tmpl: XfrmTemplateInfo[] = [];
  let hint = family;
  while (!words.done) {
    const word = words.peek()!;
    if (takeCommon(word, words, policy, false)) continue;
    if (word === "action") {
      words.take();
      more.action = parseAction(words.take());
    } else if (word === "priority") {
      words.take();
      more.priority = takeU32(words, "PRIORITY value is invalid");
    } else if (word === "flag") {
      words.take();
      more.flags = takePolicyFlags(words, more.flags);
    } else if (word === "limit") {
      words.take();
      takeLimit(words, limits);
    } else if (word === "tmpl") {
      words.take();
      if (tmpl.length >= MAX_TEMPLATES) throw new Quit(EXIT_FAILURE, "Too many tmpls: buffer overflow");
      const template = takeTemplate(words, hint);
      hint = template.family;
      tmpl.push(template.info);
    } else {
      if (policy.sel !== undefined) throw duplicateArgument("unknown", words.take());
      policy.sel = xfrmSelectorParse(words, hint);
      hint ||= policy.sel.family;
    }
  }
  return {
    sel: selectorOf(policy.sel, family),
    dir: requireDir(policy),
    ...given({ index: policy.index, ptype: policy.ptype, if_id: policy.if_id }),
    ...markToSet(policy.mark),
    ...more,
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
    ...(tmpl.length === 0 ? {} : { tmpl }),
  };
}

/** The words of `get` and `delete`. */
export function policyIdParse(words: Words, family: Family): XfrmPolicyId {
  const policy: PolicyWords = {};
  while (!words.done) {
    if (takeCommon(words.peek()!, words, policy, true)) continue;
    if (policy.sel !== undefined) throw invalidArgument("unknown", words.take());
    policy.sel = xfrmSelectorParse(words, family);
  }
  const dir = requireDir(policy);
  const { sel, index, ptype, if_id } = policy;
  if (sel === undefined && index === undefined) {
    throw new Quit(EXIT_FAILURE, "Not enough information: either SELECTOR or INDEX is required.");
  }
  if (sel !== undefined && index !== undefined) throw duplicateOrGarbage("SELECTOR", "INDEX");
  return {
    dir,
    ...(sel === undefined ? {} : { sel: selectorOf(sel, family) }),
    ...given({ index, ptype, if_id }),
    ...markToFind(policy.mark),
  };
}

/** The words of `list` and `deleteall`: which policies are meant (xfrm_policy_filter_match()). */
export function policyFilterParse(
  words: Words,
  { family, otherFamily }: Pick<Options, "family" | "otherFamily">,
): (policy: XfrmPolicyInfo) => boolean {
  const policy: PolicyWords = {};
  let action: Action | undefined;
  let priority: number | undefined;
  let flags: XfrmPolicyFlag[] | undefined;
  while (!words.done) {
    const word = words.peek()!;
    if (word === "nosock" || word === "action" || word === "priority" || word === "flag") {
      words.take();
      if (word === "action") action = parseAction(words.take());
      else if (word === "priority") priority = takeU32(words, "PRIORITY value is invalid");
      else if (word === "flag") flags = takePolicyFlags(words);
    } else if (word === "dir" || word === "index" || word === "ptype") {
      // A filter takes the last of them.
      delete policy[word];
      takeCommon(word, words, policy, false);
    } else {
      if (policy.sel !== undefined) throw invalidArgument("unknown", words.take());
      policy.sel = xfrmSelectorParse(words, family);
    }
  }
  const { dir, index, ptype, sel } = policy;
  return (info) =>
    otherFamily === undefined && (family === 0 || familyOf(info.sel.src) === family) &&
    (dir === undefined || info.dir === dir) &&
    (index === undefined || info.index === index) &&
    (ptype === undefined || info.ptype === ptype) &&
    (action === undefined || info.action === action) &&
    (priority === undefined || info.priority === priority) &&
    (flags === undefined || flags.some((flag) => info.flags.includes(flag))) &&
    (sel === undefined || selectorMatches(info, sel));
}

export function parsePtype(word: string): Ptype {
  if (word === "main" || word === "sub") return word;
  throw invalidArgument("PTYPE value is invalid", word);
}

/** Takes a word that all commands know; false, and nothing taken, when `word` is none. */
function takeCommon(word: string, words: Words, policy: PolicyWords, once: boolean): boolean {
  const check = (value: unknown) => {
    if (value !== undefined) throw duplicateArgument(word, word);
  };
  switch (word) {
    case "dir":
      words.take();
      check(policy.dir);
      policy.dir = parseDir(words.take());
      return true;
    case "mark":
      words.take();
      policy.mark = takeMark(words);
      return true;
    case "index":
      words.take();
      if (once) check(policy.index);
      policy.index = takeU32(words, "INDEX value is invalid");
      return true;
    case "ptype":
      words.take();
      check(policy.ptype);
      policy.ptype = parsePtype(words.take());
      return true;
    case "if_id":
      words.take();
      policy.if_id = takeU32(words, "IF_ID value is invalid");
      return true;
    case "ctx":
      // As for states.
      words.take();
      check(policy.hasContext);
      words.take();
      policy.hasContext = true;
      return true;
  }
  return false;
}

/**
 * TMPL := ID [ mode MODE ] [ reqid REQID ] [ level LEVEL ], the ID in one piece. Without addresses it is of the family
 * that `hint` says, the template's or selector's before it; with neither it is the policy's.
 */
function takeTemplate(
  words: Words,
  hint: Family,
): { readonly info: XfrmTemplateInfo; readonly family: Family } {
  if (words.done) throw incompleteCommand();
  let id: XfrmIdWords | undefined;
  const more: Writable<Pick<XfrmTemplateInfo, "mode" | "reqid" | "level">> = {};
  while (!words.done) {
    const word = words.peek();
    if (word === "mode") {
      words.take();
      more.mode = parseMode(words.take());
    } else if (word === "reqid") {
      words.take();
      more.reqid = takeU32(words, "REQID value is invalid");
    } else if (word === "level") {
      words.take();
      more.level = parseLevel(words.take());
    } else {
      if (id !== undefined) break;
      id = xfrmIdParse(words, 0, false);
    }
  }
  // iproute2 sends protocol 0, which the kernel refuses.
  if (id === undefined) throw new Quit(EXIT_REFUSED, "Error: Invalid XFRM protocol in template.");
  const { src, dst, proto, spi } = id;
  const family = id.family || hint;
  if (proto === "ipsec-any") {
    throw new Quit(EXIT_REFUSED, "Error: Invalid XFRM protocol in template.");
  }
  if (!isIpsecProto(proto)) throw notSupported(`proto ${proto}`);
  const ends = family === 0 ? {} : {
    src: src?.text ?? zeroAddress(family),
    dst: dst?.text ?? zeroAddress(family),
  };
  return { info: { ...ends, proto, ...given({ spi }), ...more }, family };
}

function selectorMatches({ sel }: XfrmPolicyInfo, wanted: XfrmSelectorWords): boolean {
  const covers = (text: string, prefix: XfrmSelectorWords["src"]) =>
    prefix === undefined || prefixMatches(text.slice(0, text.indexOf("/")), prefix.text, prefix.bits);
  return covers(sel.src, wanted.src) && covers(sel.dst, wanted.dst) &&
    (wanted.dev === undefined || (sel.dev ?? "") === wanted.dev) &&
    (wanted.proto === undefined || sel.proto === wanted.proto) &&
    (wanted.sport === undefined || sel.sport === wanted.sport) &&
    (wanted.dport === undefined || sel.dport === wanted.dport);
}

function requireDir({ dir }: PolicyWords): PolicyDir {
  if (dir === undefined) throw new Quit(EXIT_FAILURE, "Not enough information: DIR is required.");
  return dir;
}

function takePolicyFlags(words: Words, before?: readonly XfrmPolicyFlag[]): XfrmPolicyFlag[] {
  return takeFlags(words, POLICY_FLAG_BITS, getU8, "FLAG value is invalid", before);
}

function parseDir(word: string): PolicyDir {
  if (word === "in" || word === "out" || word === "fwd") return word;
  throw invalidArgument("DIR value is invalid", word);
}

function parseAction(word: string): Action {
  if (word === "allow" || word === "block") return word;
  throw invalidArgument("ACTION value is invalid\n", word);
}

function parseLevel(word: string): "required" | "use" {
  if (word === "required" || word === "use") return word;
  throw invalidArgument("LEVEL value is invalid\n", word);
}

/** The members that have a value. */
function given<T extends object>(members: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}
