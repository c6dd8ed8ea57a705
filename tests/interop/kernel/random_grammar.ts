/** What random words of `ip` have in common: numbers, addresses, names, marks, selectors; few of each, now and then a wrong one. */
import type { Random } from "../../fuzz/random.ts";
import { L, R } from "./words.ts";

/** One of the words of a text. */
export const oneOf = (r: Random, words: string): string => r.pick(words.split(" "));

export const WRONG = [
  ...["0", "1", "-1", "255", "256", "65535", "65536", "4294967295", "4294967296", "18446744073709551615"],
  ...[
    "18446744073709551616",
    "0x",
    "0x10",
    "010",
    "08",
    "1e3",
    "abc",
    '""',
    "any",
    "none",
    "help",
    "all",
    "default",
  ],
  ...[
    "::",
    "::1",
    "1.2.3",
    "10/8",
    "1.2.3.4/33",
    "2001:db8::/129",
    "dev",
    "src",
    "mark",
    "proto",
    "mode",
    "type",
    "name",
  ],
];

export const maybe = (r: Random, n: number, ...words: string[]): string[] => r.once(n) ? words : [];
export const number = (r: Random): string =>
  r.once(40) ? r.pick(WRONG) : oneOf(r, "0 1 2 7 0x10 100 0xffffffff");
export const ipv4 = (r: Random): string =>
  r.pick([L, L, L, R, R, R, "192.0.2.9", "0.0.0.0", "203.0.113.1", "any"]);
export const ipv6 = (r: Random): string => oneOf(r, "2001:db8::1 2001:db8::2 :: fe80::1");
export const address = (r: Random): string => r.once(30) ? ipv6(r) : ipv4(r);
export const prefix = (r: Random): string =>
  oneOf(
    r,
    "10.0.0.0/8 10.1.0.0/16 10.1.2.3 0.0.0.0/0 10.9.8.7/20 192.0.2.0/24 2001:db8::/32 2001:db8::1 ::/0 any 10/8",
  );
export const ifname = (r: Random): string => oneOf(r, "vti1 vti1 vti2 vti2 vti3 ip_vti0 nosuch");
export const key = (r: Random): string => r.pick(["7", "8", "0", "1.2.3.4", "0xffffffff", number(r)]);

export const proto = (r: Random): string =>
  r.once(12) ? oneOf(r, "route2 hao ipsec-any tcp 50") : oneOf(r, "esp esp esp esp ah comp");
export const spi = (r: Random): string =>
  r.once(12) ? r.pick(WRONG) : oneOf(r, "0x1001 0x1001 0x1002 0x1003 256 0x100 4098");

export const maybeMark = (r: Random, n: number): string[] =>
  r.once(n)
    ? [
      "mark",
      r.pick(["7", "7", "8", "0", "0x107", number(r)]),
      ...maybe(r, 3, "mask", r.pick(["0xff", "0xffffffff", "0", number(r)])),
    ]
    : [];
export const mode = (r: Random): string =>
  r.once(8) ? oneOf(r, "transport transport transport beet beet ro in_trigger tr t tunn foo") : "tunnel";

export function limitWords(r: Random): string[] {
  const name = oneOf(
    r,
    "time-soft time-hard time-use-soft time-use-hard byte-soft byte-hard packet-soft packet-hard",
  );
  const value = oneOf(r, "1000 5000 0xffff 4294967296 18446744073709551615");
  // No object may end by itself while commands are compared: Linux' timer takes the largest number of seconds for -1.
  return ["limit", name, name.startsWith("time") && value.length > 10 ? "5000" : value];
}

export function upspec(r: Random): string[] {
  return r.pick([
    [
      "proto",
      oneOf(r, "tcp udp sctp dccp"),
      ...maybe(r, 2, "sport", number(r)),
      ...maybe(r, 2, "dport", number(r)),
    ],
    [
      "proto",
      oneOf(r, "icmp ipv6-icmp mobility-header 135 tcp"),
      ...maybe(r, 2, "type", number(r)),
      ...maybe(r, 2, "code", number(r)),
    ],
    ["proto", "gre", ...maybe(r, 2, "key", key(r))],
    [
      "proto",
      r.pick([
        "any",
        "esp",
        "ipip",
        "ospf",
        "99",
        "ICMP",
        "ipencap",
        "TCP",
        "egp",
        "hopopt",
        "fc",
        "rdp",
        "255",
        number(r),
      ]),
    ],
    ["sport", number(r)],
  ]);
}

export function selector(r: Random): string[] {
  return [
    ...maybe(r, 2, "src", prefix(r)),
    ...maybe(r, 2, "dst", prefix(r)),
    ...maybe(r, 10, "dev", oneOf(r, "eth0 eth0 d0 none")),
    ...maybe(r, 3, ...upspec(r)),
  ];
}
