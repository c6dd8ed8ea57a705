/** Random words of `ip xfrm policy`. */
import type { Random } from "../../fuzz/random.ts";
import {
  address,
  ipv4,
  ipv6,
  limitWords,
  maybe,
  maybeMark,
  mode,
  number,
  oneOf,
  selector,
  spi,
} from "./random_grammar.ts";
import { L, R } from "./words.ts";

export const dir = (r: Random): string => r.once(16) ? oneOf(r, "foo i input") : oneOf(r, "in out fwd");

export function template(r: Random): string[] {
  const ends = r.once(10)
    ? ["src", ipv6(r), "dst", ipv6(r)]
    : r.pick([["src", L, "dst", R], ["src", R, "dst", L], [], ["dst", R], [
      "src",
      ipv4(r),
      "dst",
      address(r),
    ]]);
  return [
    "tmpl",
    ...ends,
    ...(r.once(20) ? [] : ["proto", oneOf(r, "esp esp ah comp")]),
    ...maybe(r, 6, "spi", spi(r)),
    ...(r.once(6) ? [] : ["mode", mode(r)]),
    ...maybe(r, 4, "reqid", number(r)),
    ...maybe(r, 5, "level", oneOf(r, "use required unique")),
  ];
}

export function newPolicy(r: Random): string[] {
  const templates = Array.from({ length: r.once(10) ? r.below(8) : r.below(3) }, () => template(r)).flat();
  return [
    ...selector(r),
    ...(r.once(20) ? [] : ["dir", dir(r)]),
    ...maybeMark(r, 2),
    ...maybe(r, 6, "index", r.pick(["8", "9", "10", "16", "17", "42", "999", number(r)])),
    ...maybe(r, 8, "ptype", oneOf(r, "main sub foo")),
    ...maybe(r, 6, "action", oneOf(r, "allow block foo")),
    ...maybe(r, 4, "priority", number(r)),
    ...maybe(r, 6, "flag", r.pick(["localok", "icmp", "localok icmp", "0x3"])),
    ...maybe(r, 8, "if_id", number(r)),
    ...maybe(r, 8, ...limitWords(r)),
    ...maybe(r, 24, "ctx", "system_u:object_r"),
    ...templates,
  ];
}

export function policyId(r: Random): string[] {
  return [
    ...(r.once(3) ? ["index", oneOf(r, "8 9 10 16 17 18 42")] : selector(r)),
    "dir",
    dir(r),
    ...maybeMark(r, 2),
    ...maybe(r, 8, "ptype", oneOf(r, "main sub")),
    ...maybe(r, 8, "if_id", number(r)),
  ];
}

export function policyFilter(r: Random): string[] {
  return [
    ...maybe(r, 6, "nosock"),
    ...(r.once(3) ? selector(r) : []),
    ...maybe(r, 3, "dir", dir(r)),
    ...maybe(r, 6, "index", oneOf(r, "8 9 16 17")),
    ...maybe(r, 8, "ptype", oneOf(r, "main sub foo")),
    ...maybe(r, 6, "action", oneOf(r, "allow block")),
    ...maybe(r, 6, "priority", number(r)),
    ...maybe(r, 6, "flag", oneOf(r, "icmp localok 0x3")),
  ];
}

export function thresholds(r: Random): string[] {
  const pair = () => [
    r.pick(["0", "16", "24", "32", "33", "64", "128", "129", number(r)]),
    r.pick(["0", "16", "32", "128", number(r)]),
  ];
  return ["set", ...maybe(r, 2, "hthresh4", ...pair()), ...maybe(r, 2, "hthresh6", ...pair())];
}

export function defaults(r: Random): string[] {
  const one = () => [oneOf(r, "in out fwd foo"), oneOf(r, "accept block allow")];
  return ["setdefault", ...maybe(r, 1, ...one()), ...maybe(r, 2, ...one()), ...maybe(r, 4, ...one())];
}
