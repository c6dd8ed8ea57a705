/**
 * Addresses and prefixes as iproute2 reads them (lib/utils.c get_addr_1(), get_prefix_1()): "10" is 10.0.0.0,
 * components may be hexadecimal or octal, "any", "all" and "default" are the zero address.
 */
import { getAddressByte, getU32 } from "./number.ts";
import { EXIT_FAILURE, Quit } from "./quit.ts";

/** 0 is AF_UNSPEC: either. */
export type Family = 0 | 4 | 6;

export interface Address {
  /** 0 for "any" where no family was asked for. */
  readonly family: Family;
  readonly text: string;
}

export interface Prefix extends Address {
  readonly bits: number;
}

/** Of an address or prefix as the daemon writes it. */
export function familyOf(text: string): 4 | 6 {
  return text.includes(":") ? 6 : 4;
}

export function zeroAddress(family: Family): string {
  return family === 6 ? "::" : "0.0.0.0";
}

export function zeroPrefix(family: Family): string {
  return `${zeroAddress(family)}/0`;
}

/** The address of `text`; quits with iproute2's words for get_addr(). */
export function getAddress(text: string, family: Family): Address {
  const address = isAny(text) ? { family, text: zeroAddress(family) } : parseAddress(text, family);
  if (address !== null) return address;
  throw new Quit(
    EXIT_FAILURE,
    `Error: ${familyName(family)} address is expected rather than "${text}".`,
    true,
  );
}

/** The IPv4 address of `text`; quits with iproute2's words for get_addr32(). */
export function getAddr32(text: string): string {
  const address = isAny(text) ? { text: "0.0.0.0" } : parseAddress(text, 4);
  if (address !== null) return address.text;
  throw new Quit(EXIT_FAILURE, `Error: an IP address is expected rather than "${text}"`, true);
}

/** The prefix of `text`, full length where it gives none; quits with iproute2's words for get_prefix(). */
export function getPrefix(text: string, family: Family): Prefix {
  if (isAny(text)) return { family, text: zeroAddress(family), bits: 0 };
  const slash = text.indexOf("/");
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash), family);
  if (address !== null) {
    const longest = address.family === 6 ? 128 : 32;
    const bits = slash < 0 ? longest : netmaskBits(text.slice(slash + 1));
    if (bits !== null && bits <= longest) return { ...address, bits };
  }
  throw new Quit(
    EXIT_FAILURE,
    `Error: ${familyName(family)} prefix is expected rather than "${text}".`,
    true,
  );
}

/** 32 bits of a dotted quad; 0 for text that is none. */
export function ipv4Number(text: string): number {
  const bytes = parseIpv4(text);
  return bytes === null ? 0 : ((bytes[0]! << 24) | (bytes[1]! << 16) | (bytes[2]! << 8) | bytes[3]!) >>> 0;
}

/** True when the first `bits` of both addresses are equal; addresses of different families never are. */
export function prefixMatches(a: string, b: string, bits: number): boolean {
  const left = addressBits(a);
  const right = addressBits(b);
  return left.length === right.length && left.slice(0, bits) === right.slice(0, bits);
}

function isAny(text: string): boolean {
  return text === "any" || text === "all" || text === "default";
}

function familyName(family: Family): string {
  return family === 4 ? "inet" : family === 6 ? "inet6" : "any valid";
}

function parseAddress(text: string, family: Family): Address | null {
  if (text.includes(":")) {
    return family === 4 || ipv6Groups(text) === null ? null : { family: 6, text: text.toLowerCase() };
  }
  const bytes = family === 6 ? null : parseIpv4(text);
  return bytes === null ? null : { family: 4, text: bytes.join(".") };
}

function parseIpv4(text: string): number[] | null {
  const bytes = [0, 0, 0, 0];
  let rest = text;
  for (let i = 0; i < 4; i++) {
    const byte = getAddressByte(rest);
    if (byte === null) return null;
    bytes[i] = byte.value;
    if (byte.rest === "") return bytes;
    if (byte.rest[0] !== ".") return null;
    rest = byte.rest.slice(1);
  }
  return null;
}

/** The eight groups of an IPv6 address (RFC 4291 §2.2), or null. */
function ipv6Groups(text: string): number[] | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const groups = halves.map((half, i) => half === "" ? [] : ipv6Half(half, i === halves.length - 1));
  const [head, tail] = groups;
  if (head == null || tail === null) return null;
  if (tail === undefined) return head.length === 8 ? head : null;
  const gap = 8 - head.length - tail.length;
  return gap < 1 ? null : [...head, ...Array<number>(gap).fill(0), ...tail];
}

function ipv6Half(text: string, isLast: boolean): number[] | null {
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [i, part] of parts.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(parseInt(part, 16));
    } else {
      // RFC 4291 §2.2 (3): the last 32 bits may be dotted.
      const quad = isLast && i === parts.length - 1 && /^(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){3}$/.test(part);
      const bytes = quad ? part.split(".").map(Number) : [256];
      if (bytes.some((byte) => byte > 255)) return null;
      groups.push(bytes[0]! * 256 + bytes[1]!, bytes[2]! * 256 + bytes[3]!);
    }
  }
  return groups;
}

/** The address as text of 32 or 128 binary digits. */
function addressBits(text: string): string {
  const groups = text.includes(":") ? ipv6Groups(text) : parseIpv4(text);
  const width = text.includes(":") ? 16 : 8;
  return (groups ?? []).map((group) => group.toString(2).padStart(width, "0")).join("");
}

/** A length, or a dotted mask without holes. */
function netmaskBits(text: string): number | null {
  const length = getU32(text);
  if (length !== null) return length;
  const bytes = parseIpv4(text);
  if (bytes === null) return null;
  const ones = bytes.map((byte) => byte.toString(2).padStart(8, "0")).join("");
  return /^1*0*$/.test(ones) ? ones.indexOf("0") < 0 ? 32 : ones.indexOf("0") : null;
}
