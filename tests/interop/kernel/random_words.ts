/**
 * Random words of `ip` about vti devices, tunnels, states and policies: mostly right, with few names and numbers, so that
 * commands meet what earlier ones made; now and then a word is missing, doubled, shortened or wrong.
 */
import type { Random } from "../../fuzz/random.ts";
import { maybe, maybeMark, oneOf, proto, WRONG } from "./random_grammar.ts";
import {
  linkFilter,
  linkName,
  linkSettings,
  newLink,
  tunnelFilter,
  tunnelName,
  tunnelWords,
} from "./random_link_words.ts";
import { defaults, newPolicy, policyFilter, policyId, thresholds } from "./random_policy_words.ts";
import { allocSpi, newState, stateFilter, stateId } from "./random_state_words.ts";

/** A command that a seed gives, without `ip`. */
export function randomCommand(random: Random): string {
  const command = random.pick(COMMANDS)(random);
  // Tunnels over IPv6 are another program's.
  const given = options(random).filter((word) => command[0] !== "tunnel" || !/6$/.test(word));
  const words = command.filter((word) => word !== "");
  // Neither the object nor which links are shown: all others are not the gateway's. Nor the range of an SPI.
  const isKept = /^(link (s|sh.*|l.*)|xfrm state al.*)$/.test(
    words.slice(0, words[0] === "link" ? 2 : 3).join(" "),
  );
  const rest = !isKept && random.once(8) ? damaged(random, words.slice(1)) : words.slice(1);
  return [...given, words[0], ...(rest.length === 0 ? words.slice(1) : rest)].join(" ");
}

type Make = (random: Random) => string[];

/** Each text once in the list for each time it shall be as likely. */
const COMMANDS: readonly Make[] = [
  ...times(4, (r) => ["link", oneOf(r, "add add add a replace"), ...newLink(r)]),
  ...times(3, (r) => ["link", oneOf(r, "set change se ch"), ...linkSettings(r)]),
  ...times(2, (r) => ["link", oneOf(r, "del delete d"), ...linkName(r), ...maybe(r, 4, "type", "vti")]),
  ...times(3, (r) => ["link", oneOf(r, "show sh ls list lst"), ...linkFilter(r)]),
  ...times(
    2,
    (r) => ["tunnel", oneOf(r, "add add a"), ...(r.once(12) ? [] : tunnelName(r)), ...tunnelWords(r)],
  ),
  // Always of a name: otherwise the key of ip_vti0 itself changes, and with it what Linux takes for the same tunnel.
  (r) => ["tunnel", oneOf(r, "change change c"), ...tunnelName(r), ...tunnelWords(r)],
  (r) => ["tunnel", oneOf(r, "del delete d"), ...tunnelName(r)],
  ...times(2, (r) => ["tunnel", oneOf(r, "show ls s"), ...tunnelFilter(r)]),
  ...times(9, (r) => ["xfrm", "state", oneOf(r, "add add add a update u"), ...newState(r)]),
  ...times(2, (r) => ["xfrm", "state", oneOf(r, "allocspi al"), ...allocSpi(r)]),
  ...times(
    2,
    (
      r,
    ) => [
      "xfrm",
      oneOf(r, "state sa s"),
      oneOf(r, "get delete d g"),
      ...stateId(r),
      ...maybeMark(r, 2),
    ],
  ),
  ...times(
    2,
    (r) => ["xfrm", "state", oneOf(r, "list list show deleteall delall"), ...stateFilter(r)],
  ),
  (r) => ["xfrm", "state", ...r.pick([["count"], ["flush"], ["flush", "proto", proto(r)], [], ["help"]])],
  ...times(9, (r) => ["xfrm", "policy", oneOf(r, "add add add a update u"), ...newPolicy(r)]),
  ...times(2, (r) => ["xfrm", "policy", oneOf(r, "get delete d"), ...policyId(r)]),
  ...times(
    2,
    (r) => ["xfrm", "policy", oneOf(r, "list list show deleteall delall"), ...policyFilter(r)],
  ),
  (
    r,
  ) => [
    "xfrm",
    "policy",
    ...r.pick([["count"], ["flush"], ["flush", "ptype", "main"], ["flush", "ptype", "sub"], [], ["help"]]),
  ],
  (r) => ["xfrm", "policy", ...r.pick<Make>([thresholds, defaults, () => ["getdefault"]])(r)],
  (r) =>
    r.pick([["xfrm"], ["xfrm", "help"], ["tunnel", "help"], ["link", "help", "vti"], ["xfrm", "bogus"], [
      "xfrm",
      "monitor",
      "help",
    ]]),
];

function times(count: number, make: Make): Make[] {
  return Array(count).fill(make);
}

function options(r: Random): string[] {
  const flags = [
    "-s",
    "-s",
    "-s",
    "-d",
    "-j",
    "-p",
    "-o",
    "-4",
    "-6",
    "-br",
    "-j -p",
    "-s -s",
    "-d -s",
    "-c=never",
    "-h",
    "-iec",
    "-r",
    "-N",
    "-t",
    "-a",
    "-statistics",
    "-details",
    "-family inet",
    "-f inet6",
  ];
  return r.once(4) ? [r.pick(flags), ...maybe(r, 3, r.pick(flags))] : [];
}

/** Drops, doubles, shortens, swaps or replaces one word. */
function damaged(r: Random, words: readonly string[]): string[] {
  if (words.length === 0) return [r.pick(WRONG)];
  const at = r.below(words.length);
  const word = words[at]!;
  const put = (...others: string[]) => [...words.slice(0, at), ...others, ...words.slice(at + 1)];
  switch (r.below(7)) {
    case 0:
      return put();
    case 1:
      return put(word, word);
    case 2:
      return put(word.slice(0, 1 + r.below(word.length)));
    case 3:
      return words.slice(0, at);
    case 4:
      return put(r.pick(WRONG));
    case 5:
      return put(r.pick(WRONG), word);
    default:
      return put(word, r.pick(words));
  }
}
