/** Random words of `ip link` and `ip tunnel`. */
import type { Random } from "../../fuzz/random.ts";
import { address, ifname, ipv4, key, maybe, number, oneOf } from "./random_grammar.ts";
import { L, R } from "./words.ts";

export function vtiData(r: Random): string[] {
  return [
    ...maybe(r, 1 + r.below(3), "local", address(r)),
    ...maybe(
      r,
      1 + r.below(3),
      "remote",
      r.once(3) ? oneOf(r, "192.0.2.10 192.0.2.11 192.0.2.12 224.0.0.5") : address(r),
    ),
    ...maybe(r, 2, oneOf(r, "key key ikey okey"), key(r)),
    ...maybe(r, 6, "dev", oneOf(r, "eth0 d0 lo")),
    ...maybe(r, 8, "fwmark", number(r)),
    ...maybe(r, 20, oneOf(r, "ttl tos nopmtudisc external")),
  ];
}

export function linkName(r: Random): string[] {
  return [...maybe(r, 4, oneOf(r, "dev name")), ifname(r)];
}

export function newLink(r: Random): string[] {
  return [
    ...(r.once(20) ? ["eth0"] : linkName(r)),
    ...maybe(r, 8, "mtu", number(r)),
    ...maybe(r, 10, "up"),
    "type",
    "vti",
    ...vtiData(r),
  ];
}

export function linkSettings(r: Random): string[] {
  return [
    ...maybe(r, 4, "dev"),
    ifname(r),
    ...maybe(r, 5, "mtu", r.pick(["68", "1400", "9000", "65515", number(r)])),
    ...maybe(r, 5, oneOf(r, "up down")),
    ...maybe(r, 12, "name", ifname(r)),
    ...(r.once(2) ? ["type", "vti", ...vtiData(r)] : []),
  ];
}

export function linkFilter(r: Random): string[] {
  return [
    ...r.pick([["type", "vti"], [oneOf(r, "vti1 vti2 vti3 ip_vti0 nosuch")], ["dev", "vti1"], [
      "up",
      "type",
      "vti",
    ], ["type", "vti", "vti2"]]),
    ...maybe(r, 12, "up"),
  ];
}

export function tunnelName(r: Random): string[] {
  return [...maybe(r, 5, "name"), oneOf(r, "vti1 vti2 vti3 t1 t1 ip_vti0 nosuch")];
}

export function tunnelWords(r: Random): string[] {
  return [
    ...maybe(r, 1 + r.below(4), "mode", r.once(16) ? "foo" : "vti"),
    ...maybe(r, 1 + r.below(3), "local", ipv4(r)),
    ...maybe(
      r,
      1 + r.below(3),
      "remote",
      r.once(2) ? oneOf(r, "192.0.2.20 192.0.2.21 224.0.0.1") : ipv4(r),
    ),
    ...maybe(r, 2, oneOf(r, "key ikey okey"), key(r)),
    ...maybe(r, 8, "dev", oneOf(r, "eth0 d0 lo")),
    ...maybe(r, 8, "ttl", r.pick(["64", "inherit", "0", number(r)])),
    ...maybe(r, 8, "tos", r.pick(["4", "inherit", "0x10", "inherit/8", "zz", number(r)])),
    ...maybe(r, 10, oneOf(r, "pmtudisc nopmtudisc seq icsum csum oseq")),
  ];
}

export function tunnelFilter(r: Random): string[] {
  return r.pick([
    [],
    tunnelName(r),
    ["mode", "vti"],
    ["remote", ipv4(r)],
    ["local", ipv4(r)],
    ["dev", "eth0"],
    ["mode", "vti", "local", L, "remote", R],
    [...tunnelName(r), "key", "7"],
  ]);
}
