/**
 * IP addresses and prefixes: text to four u32 words and back, as inet_pton(3) and inet_ntop(3) have them.
 */
import type { AddressWords } from "../../datapath/xfrm/xfrm_record.ts";
import { AF_INET, AF_INET6 } from "../../datapath/xfrm/xfrm_record.ts";

export type IpFamily = typeof AF_INET | typeof AF_INET6;

export interface IpAddress {
  readonly family: IpFamily;
  readonly words: AddressWords;
}

export interface IpPrefix extends IpAddress {
  /** As written: not yet held against the family's maximum. */
  readonly prefixlen: number;
}

export const ANY_WORDS: AddressWords = [0, 0, 0, 0];

/** Bits of an address of this family: the longest prefix. */
export function addressBits(family: IpFamily): number {
  return family === AF_INET ? 32 : 128;
}

/** The u32 of a dotted quad, or null. Four decimal parts without leading zeros. */
export function parseIpv4(text: string): number | null {
  const parts = text.split(".");
  if (parts.length !== 4) return null;
  let word = 0;
  for (const part of parts) {
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return null;
    word = word * 256 + Number(part);
  }
  return word;
}

export function formatIpv4(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
}

/** The address that the text names, or null. No zone, no brackets. */
export function parseIpAddress(text: string): IpAddress | null {
  if (text.includes(":")) {
    const words = parseIpv6(text);
    return words === null ? null : { family: AF_INET6, words };
  }
  const word = parseIpv4(text);
  return word === null ? null : { family: AF_INET, words: [word, 0, 0, 0] };
}

/** "ADDRESS/LENGTH" or "ADDRESS" (the whole address), or null. */
export function parseIpPrefix(text: string): IpPrefix | null {
  const slash = text.indexOf("/");
  const address = parseIpAddress(slash < 0 ? text : text.slice(0, slash));
  if (address === null) return null;
  if (slash < 0) return { ...address, prefixlen: addressBits(address.family) };
  const length = text.slice(slash + 1);
  return /^[0-9]{1,3}$/.test(length) ? { ...address, prefixlen: Number(length) } : null;
}

export function formatIpAddress(family: number, words: AddressWords): string {
  return family === AF_INET6 ? formatIpv6(words) : formatIpv4(words[0]);
}

export function sameWords(a: AddressWords, b: AddressWords): boolean {
  return a[0] === b[0] && a[1] === b[1] && a[2] === b[2] && a[3] === b[3];
}

function parseIpv6(text: string): AddressWords | null {
  // RFC 4291 §2.2: one "::" stands for the groups that are missing.
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const head = parseGroups(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1]!, true) : [];
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return null;
  const groups = [...head, ...Array<number>(missing).fill(0), ...tail];
  const word = (i: number) => groups[2 * i]! * 65536 + groups[2 * i + 1]!;
  return [word(0), word(1), word(2), word(3)];
}

/** The 16-bit groups of one side of "::"; a dotted quad may end the text only. */
function parseGroups(text: string, mayEndInIpv4: boolean): number[] | null {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [i, part] of parts.entries()) {
    if (mayEndInIpv4 && i === parts.length - 1 && part.includes(".")) {
      const word = parseIpv4(part);
      if (word === null) return null;
      groups.push(word >>> 16, word & 0xffff);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(parseInt(part, 16));
    } else {
      return null;
    }
  }
  return groups;
}

function formatIpv6(words: AddressWords): string {
  const groups = words.flatMap((w) => [w >>> 16, w & 0xffff]);
  // inet_ntop(3) writes the IPv4 part of ::a.b.c.d and ::ffff:a.b.c.d as a dotted quad.
  if (words[0] === 0 && words[1] === 0) {
    if (words[2] === 0xffff) return `::ffff:${formatIpv4(words[3])}`;
    if (words[2] === 0 && words[3] > 0xffff) return `::${formatIpv4(words[3])}`;
  }
  // RFC 5952 §4.2: the longest run of two or more zero groups, the first of equals.
  let best = -1, bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (i + length < 8 && groups[i + length] === 0) length++;
    if (length > bestLength) [best, bestLength] = [i, length];
  }
  const hex = (part: number[]) => part.map((g) => g.toString(16)).join(":");
  return best < 0 ? hex(groups) : `${hex(groups.slice(0, best))}::${hex(groups.slice(best + bestLength))}`;
}
