/**
 * Numbers as strtoul(3) with base 0 reads them: decimal, 0x hexadecimal, 0 octal, blanks and a sign before.
 * All return null for what iproute2's get_u8() … get_integer() (lib/utils.c) refuse.
 */

const PREFIX = /^[ \t\n\v\f\r]*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)/;
const U64_END = 1n << 64n;
const I64_END = 1n << 63n;

export function getU8(text: string): number | null {
  return bounded(text, 0xffn);
}

export function getU16(text: string): number | null {
  return bounded(text, 0xffffn);
}

export function getU32(text: string): number | null {
  return bounded(text, 0xffffffffn);
}

/** A number, or its decimal digits where it is more than a number holds exactly. */
export function getU64(text: string): number | string | null {
  const value = getUnsigned(text);
  if (value === null) return null;
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? `${value}` : Number(value);
}

/** An int, negative too. */
export function getInteger(text: string): number | null {
  const read = strtoul(text);
  if (read === null || read.rest !== "") return null;
  const value = read.negative ? -read.magnitude : read.magnitude;
  if (value < -I64_END || value >= I64_END) return null;
  return value < -0x80000000n || value > 0x7fffffffn ? null : Number(value);
}

/** One component of a dotted address, and what follows it. */
export function getAddressByte(text: string): { readonly value: number; readonly rest: string } | null {
  const read = strtoul(text);
  if (read === null || read.magnitude > 255n || (read.negative && read.magnitude !== 0n)) return null;
  return { value: Number(read.magnitude), rest: read.rest };
}

function bounded(text: string, max: bigint): number | null {
  const value = getUnsigned(text);
  return value === null || value > max ? null : Number(value);
}

/** strtoul() takes "-1" for the largest number there is. */
function getUnsigned(text: string): bigint | null {
  const read = strtoul(text);
  if (read === null || read.rest !== "" || read.magnitude >= U64_END) return null;
  return read.negative ? (U64_END - read.magnitude) % U64_END : read.magnitude;
}

function strtoul(text: string): { negative: boolean; magnitude: bigint; rest: string } | null {
  const found = PREFIX.exec(text);
  if (found === null) return null;
  const digits = found[2]!;
  const octal = digits.length > 1 && digits[0] === "0" && !/^0x/i.test(digits);
  return {
    negative: found[1] === "-",
    magnitude: BigInt(octal ? `0o${digits}` : digits),
    rest: text.slice(found[0].length),
  };
}
