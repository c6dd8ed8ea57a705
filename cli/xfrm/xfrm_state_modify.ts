/** The words of `ip xfrm state add|update` (iproute2 ip/xfrm_state.c xfrm_state_modify()). */
import { type Family, getAddress, getPrefix } from "../address.ts";
import { getU16, getU32, getU8 } from "../number.ts";
import {
  duplicateArgument,
  EXIT_FAILURE,
  EXIT_REFUSED,
  EXIT_USAGE,
  incompleteCommand,
  invalidArgument,
  notSupported,
  Quit,
} from "../quit.ts";
import type {
  XfrmLimits,
  XfrmMark,
  XfrmStateFlag,
  XfrmStateId,
  XfrmStateRequest,
} from "../../api/schemas.ts";
import type { Words } from "../words.ts";
import { type AlgoWords, checkAlgos, isAlgoType, takeAlgo } from "./xfrm_algo_parse.ts";
import { EXTRA_FLAG_BITS, STATE_FLAG_BITS } from "./xfrm_flags.ts";
import { stateIdOf, takeU32, xfrmIdParse, type XfrmIdWords } from "./xfrm_id_parse.ts";
import { parseMode } from "./xfrm_proto.ts";
import { selectorOf, xfrmSelectorParse, type XfrmSelectorWords } from "./xfrm_selector_parse.ts";
import { markToSet, takeFlags, takeLimit, takeMark } from "./xfrm_words.ts";

/** Packets (XFRMA_REPLAY_ESN_MAX). */
const MAX_REPLAY_WINDOW = 4096;

/** Words with one number, its name in a request, and what iproute2 says of a wrong one. */
const NUMBERS = {
  "reqid": ["reqid", "REQID value is invalid"],
  "seq": ["seq", "SEQ value is invalid"],
  "replay-window": ["replay_window", 'value after "replay-window" is invalid'],
  "replay-seq": ["replay_seq", 'value after "replay-seq" is invalid'],
  "replay-seq-hi": ["replay_seq_hi", 'value after "replay-seq-hi" is invalid'],
  "replay-oseq": ["replay_oseq", 'value after "replay-oseq" is invalid'],
  "replay-oseq-hi": ["replay_oseq_hi", 'value after "replay-oseq-hi" is invalid'],
  "if_id": ["if_id", 'value after "if_id" is invalid'],
  "tfcpad": ["tfcpad", 'value after "tfcpad" is invalid'],
} as const;

type Writable<T> = { -readonly [K in keyof T]: T[K] };
interface Parts extends Writable<Omit<XfrmStateRequest, keyof XfrmStateId>> {
  limits: Writable<XfrmLimits>;
  /** A care-of address was given, which only protocols of Mobile IPv6 take. */
  hasCoa: boolean;
}

export function xfrmStateModify(words: Words, family: Family): XfrmStateRequest {
  const parts: Parts = { limits: {}, hasCoa: false };
  let hasContext = false;
  const algos: AlgoWords = {};
  let mark: XfrmMark | undefined;
  let id: XfrmIdWords | undefined;
  let sel: XfrmSelectorWords | undefined;
  // A selector, and the ID itself, set the family that later words are read in.
  let hint = family;
  while (!words.done) {
    const word = words.peek()!;
    if (isNumber(word)) {
      words.take();
      const [name, invalid] = NUMBERS[word];
      const value = takeU32(words, invalid);
      parts[name] = word === "seq" ? htonl(value) : value;
    } else if (word === "mark") {
      words.take();
      mark = takeMark(words);
    } else if (word === "sel") {
      words.take();
      if (words.done) throw incompleteCommand();
      sel = xfrmSelectorParse(words, 0, sel);
      hint = sel.family;
      parts.sel = selectorOf(sel, sel.family);
    } else if (word === "coa") {
      if (parts.hasCoa) throw duplicateArgument("coa", words.take());
      takeCoa(words, hint);
      parts.hasCoa = true;
    } else if (word === "ctx") {
      // Security contexts are SELinux's; where it is not active the kernel forgets them.
      if (hasContext) throw duplicateArgument("ctx", words.take());
      words.take();
      words.take();
      hasContext = true;
    } else if (takePart(word, words, parts)) {
      continue;
    } else if (isAlgoType(word)) {
      takeAlgo(words, algos);
    } else {
      if (id !== undefined) throw invalidArgument("unknown", words.take());
      id = xfrmIdParse(words, hint, false);
      hint ||= id.family;
    }
  }
  checkReplay(parts);
  if (id === undefined) throw new Quit(EXIT_FAILURE, "Not enough information: ID is required");
  checkModeAndAlgos(parts, algos, id);
  const { limits, hasCoa: _, ...others } = parts;
  return {
    ...stateIdOf(id, notSupported(`proto ${id.proto}`)),
    spi: id.spi ?? 0,
    ...markToSet(mark),
    ...others,
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
    ...algos,
  };
}

export function takeStateFlags(words: Words, before?: readonly XfrmStateFlag[]): XfrmStateFlag[] {
  return takeFlags(words, STATE_FLAG_BITS, getU8, "FLAG value is invalid", before);
}

/** Takes a word with values of its own kind; false, and nothing taken, when `word` is none. */
function takePart(word: string, words: Words, parts: Parts): boolean {
  switch (word) {
    case "mode":
      words.take();
      parts.mode = parseMode(words.take());
      return true;
    case "flag":
      words.take();
      parts.flags = takeStateFlags(words, parts.flags);
      return true;
    case "extra-flag":
      words.take();
      parts.extra_flags = takeFlags(
        words,
        EXTRA_FLAG_BITS,
        getU32,
        '"EXTRA-FLAG" is invalid',
        parts.extra_flags,
      );
      return true;
    case "limit":
      words.take();
      takeLimit(words, parts.limits);
      return true;
    case "encap":
      words.take();
      parts.encap = takeEncap(words);
      return true;
    case "output-mark":
      words.take();
      takeOutputMark(words, parts);
      return true;
    case "offload":
      words.take();
      parts.offload = takeOffload(words);
      return true;
  }
  return false;
}

function takeCoa(words: Words, family: Family): void {
  words.take();
  const word = words.take();
  if (getPrefix(word, family).family !== 0) return;
  throw invalidArgument('value after "coa" has an unrecognized address family', word);
}

/** [ dev DEV ] dir DIR; the daemon knows the device. */
function takeOffload(words: Words): NonNullable<XfrmStateRequest["offload"]> {
  let word = words.take();
  const dev = word === "dev" ? { dev: words.take() } : {};
  if (word === "dev") word = words.take();
  if (word !== "dir") throw invalidArgument('value after "offload dir" is invalid', word);
  const dir = words.take();
  if (dir !== "in" && dir !== "out") throw invalidArgument("DIR value is invalid", dir);
  return { ...dev, dir };
}

function takeEncap(words: Words): NonNullable<XfrmStateRequest["encap"]> {
  const type = words.take();
  if (type !== "espinudp" && type !== "espinudp-nonike" && type !== "espintcp") {
    throw invalidArgument("ENCAP-TYPE value is invalid", type);
  }
  const sport = takePort(words, "SPORT");
  const dport = takePort(words, "DPORT");
  return { type, sport, dport, oaddr: getAddress(words.take(), 0).text };
}

function takePort(words: Words, what: "SPORT" | "DPORT"): number {
  const word = words.take();
  const port = getU16(word);
  if (port === null) throw invalidArgument(`${what} value after "encap" is invalid`, word);
  return port;
}

/** A value of 0 says nothing, and a mask of 0 or none is all bits: neither is sent. */
function takeOutputMark(words: Words, parts: Parts): void {
  const value = takeU32(words, 'value after "output-mark" is invalid');
  let mask = parts.output_mark?.mask ?? 0xffffffff;
  if (words.peek() === "mask") {
    words.take();
    const word = words.take();
    const read = getU32(word);
    if (read === null) throw invalidArgument("mask value is invalid\n", word);
    mask = read || 0xffffffff;
  }
  if (value === 0) delete parts.output_mark;
  else parts.output_mark = { value, mask };
}

/** iproute2 sends `seq` in network order, which the kernel keeps and iproute2 prints as it is; allocspi does not. */
function htonl(value: number): number {
  return new DataView(Uint32Array.of(value).buffer).getUint32(0);
}

function isNumber(word: string): word is keyof typeof NUMBERS {
  return Object.hasOwn(NUMBERS, word);
}

function checkReplay({ flags, replay_window = 0 }: Parts): void {
  if (flags?.includes("esn") && replay_window === 0) {
    throw new Quit(EXIT_USAGE, "Error: esn flag set without replay-window.");
  }
  if (replay_window > MAX_REPLAY_WINDOW) {
    const limit = `XFRMA_REPLAY_ESN_MAX (${MAX_REPLAY_WINDOW})`;
    throw new Quit(EXIT_USAGE, `Error: replay-window (${replay_window}) > ${limit}.`);
  }
}

function checkModeAndAlgos({ mode = "transport", hasCoa }: Parts, algos: AlgoWords, id: XfrmIdWords): void {
  const { proto } = id;
  const invalid = (what: string) => new Quit(EXIT_FAILURE, `${what} with XFRM-PROTO value "${proto}"`);
  if (proto === "esp" || proto === "ah" || proto === "comp") {
    const fits = mode === "transport" || mode === "tunnel" || (mode === "beet" && proto === "esp");
    if (!fits) throw invalid("MODE value is invalid");
    checkAlgos(algos, proto);
  } else if (Object.keys(algos).length > 0) throw invalid("ALGO is invalid");
  if (proto === "route2" || proto === "hao") {
    if (mode === "transport") throw invalid('"mode" is required');
    if (mode !== "ro" && mode !== "in_trigger") throw invalid("MODE value is invalid");
    if (!hasCoa) throw invalid('"coa" is required');
    throw refusedRouteOptimization(mode, id);
  }
  if (hasCoa) throw invalid('"coa" is invalid');
  if (proto === "ipsec-any") throw new Quit(EXIT_REFUSED, "Error: Unsupported protocol.");
}

/** Route optimization (RFC 6275) is IPv6's, and no business of a tunnel gateway. */
function refusedRouteOptimization(mode: "ro" | "in_trigger", { proto, family }: XfrmIdWords): Quit {
  if (mode === "in_trigger") return new Quit(EXIT_REFUSED, "Error: Unsupported mode.");
  return family === 6
    ? notSupported(`proto ${proto}`)
    : new Quit(EXIT_REFUSED, "Error: Requested mode not found.");
}
