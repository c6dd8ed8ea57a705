/** What states and policies both say: marks, limits, flags (iproute2 ip/ipxfrm.c). */
import { getU32, getU64 } from "../number.ts";
import { invalidArgument } from "../quit.ts";
import type { XfrmLimits, XfrmMark } from "../../api/schemas.ts";
import type { Words } from "../words.ts";

type Writable<T> = { -readonly [K in keyof T]: T[K] };

const LIMITS: Readonly<Record<string, keyof XfrmLimits>> = {
  "time-soft": "time_soft",
  "time-hard": "time_hard",
  "time-use-soft": "time_use_soft",
  "time-use-hard": "time_use_hard",
  "byte-soft": "byte_soft",
  "byte-hard": "byte_hard",
  "packet-soft": "packet_soft",
  "packet-hard": "packet_hard",
};

/** Takes `V [ mask M ]`; all bits count when no mask is given. */
export function takeMark(words: Words): XfrmMark {
  const value = takeMarkNumber(words, "MARK");
  if (words.peek() !== "mask") return { value, mask: 0xffffffff };
  words.take();
  return { value, mask: takeMarkNumber(words, "MASK") };
}

/** As it is sent with a state or policy: a mark without mask says nothing. */
export function markToSet(mark: XfrmMark | undefined): { mark?: XfrmMark } {
  return mark === undefined || mark.mask === 0 ? {} : { mark };
}

/** As it is sent to find one: iproute2 leaves out a mark that is zero under its mask. */
export function markToFind(mark: XfrmMark | undefined): { mark?: XfrmMark } {
  return mark === undefined || (mark.mask & mark.value) === 0 ? {} : { mark };
}

/** Takes one limit, and adds it to `limits`. */
export function takeLimit(words: Words, limits: Writable<XfrmLimits>): void {
  const name = words.take();
  const limit = Object.hasOwn(LIMITS, name) ? LIMITS[name] : undefined;
  if (limit === undefined) throw invalidArgument("LIMIT value is invalid", name);
  const word = words.take();
  const value = getU64(word);
  if (value === null) throw invalidArgument(`value after "${name}" is invalid`, word);
  limits[limit] = value;
}

/**
 * Takes names of `bits` as long as they come, which add to `before`, or one hexadecimal number as `read` takes it, which
 * stands in place of it. Returns the names, in the table's order. A first word that is no flag is left for who reads on.
 */
export function takeFlags<Name extends string>(
  words: Words,
  bits: Readonly<Record<Name, number>>,
  read: (text: string) => number | null,
  invalid: string,
  before: readonly Name[] = [],
): Name[] {
  const known = Object.keys(bits) as Name[];
  const namesOf = (value: number) => known.filter((name) => (value & bits[name]) !== 0);
  if (/^0x./.test(words.peek() ?? words.take())) {
    const word = words.take();
    const number = read(word);
    if (number === null) throw invalidArgument(invalid, word);
    return namesOf(number);
  }
  let value = before.reduce((sum, name) => sum | bits[name], 0);
  for (let word = words.peek(); word !== undefined && isOneOf(known, word); word = words.peek()) {
    value |= bits[word];
    words.take();
  }
  return namesOf(value);
}

function isOneOf<Name extends string>(names: readonly Name[], word: string): word is Name {
  return (names as readonly string[]).includes(word);
}

function takeMarkNumber(words: Words, what: "MARK" | "MASK"): number {
  const word = words.take();
  const value = getU32(word);
  if (value === null) throw invalidArgument(`${what} value is invalid\n`, word);
  return value;
}
