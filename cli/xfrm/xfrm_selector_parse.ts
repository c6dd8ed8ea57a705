/** SELECTOR := [ src ADDR[/PLEN] ] [ dst ADDR[/PLEN] ] [ dev DEV ] [ UPSPEC ] (iproute2 xfrm_selector_parse()). */
import { type Family, getAddr32, ipv4Number, type Prefix, zeroPrefix } from "../address.ts";
import { getU16, getU32 } from "../number.ts";
import { EXIT_FAILURE, EXIT_USAGE, invalidArgument, Quit } from "../quit.ts";
import type { XfrmSelectorInfo } from "../../api/schemas.ts";
import type { Words } from "../words.ts";
import { checkFamilies, takePrefix } from "./xfrm_id_parse.ts";
import * as proto from "./xfrm_proto.ts";

const ALL_ONES = 0xffff;
const UPSPEC = ["proto", "sport", "dport", "type", "code", "key"];

export interface XfrmSelectorWords {
  family: Family;
  src?: Prefix;
  dst?: Prefix;
  /** "" for `dev none`. */
  dev?: string;
  proto?: number;
  sport?: number;
  dport?: number;
  /** The bits of a port that count; 0 lets every port pass. */
  sportMask: number;
  dportMask: number;
}

/**
 * Takes the words of a selector, in any order; UPSPEC in one piece. No word at all is no error. They add to those of
 * `before`, which a state may have.
 */
export function xfrmSelectorParse(
  words: Words,
  family: Family,
  before?: XfrmSelectorWords,
): XfrmSelectorWords {
  const sel: XfrmSelectorWords = { sportMask: 0, dportMask: 0, ...before, family };
  let hasUpspec = false;
  for (;;) {
    const word = words.peek();
    if (word === "src" || word === "dst") {
      words.take();
      const prefix = takePrefix(words, word, family);
      sel[word] = prefix;
      sel.family = prefix.family;
    } else if (word === "dev") {
      words.take();
      const name = words.take();
      sel.dev = name === "none" ? "" : name;
    } else if (!hasUpspec && UPSPEC.includes(word ?? "")) {
      hasUpspec = true;
      upspecParse(words, sel);
    } else {
      checkFamilies(sel.src, sel.dst, words);
      return sel;
    }
  }
}

/** The selector as the daemon takes it. */
export function selectorOf(sel: XfrmSelectorWords | undefined, family: Family): XfrmSelectorInfo {
  const own = sel?.family || family;
  const text = (prefix: Prefix | undefined) =>
    prefix === undefined ? zeroPrefix(own) : `${prefix.text}/${prefix.bits}`;
  return {
    src: text(sel?.src),
    dst: text(sel?.dst),
    proto: sel?.proto ?? 0,
    sport: sel?.sport ?? 0,
    sport_mask: sel?.sportMask ?? 0,
    dport: sel?.dport ?? 0,
    dport_mask: sel?.dportMask ?? 0,
    ...(sel?.dev ? { dev: sel.dev } : {}),
  };
}

function upspecParse(words: Words, sel: XfrmSelectorWords): void {
  const seen = new Set<string>();
  for (let word = words.peek(); UPSPEC.includes(word ?? ""); word = words.peek()) {
    seen.add(words.take());
    switch (word) {
      case "proto":
        sel.proto = proto.parseProtocol(words.take());
        break;
      case "sport":
        sel.sport = takeU16(words, "sport", ALL_ONES);
        sel.sportMask = sel.sport === 0 ? 0 : ALL_ONES;
        break;
      case "dport":
        sel.dport = takeU16(words, "dport", ALL_ONES);
        sel.dportMask = sel.dport === 0 ? 0 : ALL_ONES;
        break;
      case "type":
        sel.sport = takeU16(words, "type", 0xff);
        sel.sportMask = ALL_ONES;
        break;
      case "code":
        sel.dport = takeU16(words, "code", 0xff);
        sel.dportMask = ALL_ONES;
        break;
      case "key":
        setGreKey(sel, takeGreKey(words));
    }
  }
  checkUpspec(seen, sel.proto ?? 0);
}

/** A GRE key lies in both ports, high half first. */
function setGreKey(sel: XfrmSelectorWords, key: number): void {
  sel.sport = key >>> 16;
  sel.dport = key & 0xffff;
  sel.sportMask = sel.dportMask = ALL_ONES;
}

function takeGreKey(words: Words): number {
  const word = words.take();
  const key = word.includes(".") ? ipv4Number(getAddr32(word)) : getU32(word);
  if (key === null) throw new Quit(EXIT_USAGE, 'value after "key" is invalid');
  return key;
}

function takeU16(words: Words, name: string, max: number): number {
  const word = words.take();
  const value = getU16(word);
  if (value === null || value > max) throw invalidArgument(`value after "${name}" is invalid`, word);
  return value;
}

function checkUpspec(seen: ReadonlySet<string>, number: number): void {
  const { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_DCCP } = proto;
  const { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_MH, IPPROTO_GRE } = proto;
  const refuse = (words: string) => {
    const shown = proto.protocolName(number);
    throw new Quit(EXIT_FAILURE, `${words} invalid with PROTO value "${shown}"`);
  };
  const hasPorts = seen.has("sport") || seen.has("dport");
  if (hasPorts && ![0, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_DCCP].includes(number)) {
    refuse('"sport" and "dport" are');
  }
  const hasType = seen.has("type") || seen.has("code");
  if (hasType && ![IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_MH].includes(number)) {
    refuse('"type" and "code" are');
  }
  if (seen.has("key") && number !== IPPROTO_GRE) refuse('"key" is');
}
