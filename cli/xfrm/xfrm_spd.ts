/** `ip xfrm policy count|set|setdefault|getdefault`: what the SPD says beside its policies (iproute2 ip/xfrm_policy.c). */
import type { Command } from "../main.ts";
import { getU8 } from "../number.ts";
import { duplicateArgument, invalidArgument } from "../quit.ts";
import type {
  DefaultPolicy,
  PolicyDir,
  XfrmPolicyInfo,
  XfrmSpdChange,
  XfrmSpdInfo,
  XfrmThreshold,
} from "../../api/schemas.ts";
import type { Words } from "../words.ts";
import { joinLines } from "./xfrm_print.ts";

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Bits of the longest prefix. */
const LONGEST = { hthresh4: 32, hthresh6: 128 } as const;
/** In the order in which they are shown. */
const DIRECTIONS: readonly PolicyDir[] = ["in", "fwd", "out"];

export async function countPolicies({ options, api, netns, print }: Command): Promise<number> {
  const policies = await api.demand<XfrmPolicyInfo[]>("GET", `${netns}/xfrm/policies`);
  const count = (dir: PolicyDir) => policies.filter((policy) => policy.dir === dir).length;
  // Sockets have no policies here.
  const sockets = options.stats > 0 ? " (Sock: IN 0 OUT 0 FWD 0)" : "";
  const lines = [`\t SPD IN  ${count("in")} OUT ${count("out")} FWD ${count("fwd")}${sockets}`];
  if (options.stats > 1) {
    const { hthresh4, hthresh6 } = await api.demand<XfrmSpdInfo>("GET", `${netns}/xfrm/spd`);
    const bits = ({ lbits, rbits }: XfrmThreshold) => `local ${lbits} remote ${rbits}`;
    // The table is no hash: the kernel's figures for an empty host.
    lines.push("\t SPD buckets: count 7 Max 1048576");
    lines.push(`\t SPD IPv4 thresholds: ${bits(hthresh4)}`, `\t SPD IPv6 thresholds: ${bits(hthresh6)}`);
  }
  print(joinLines(lines, options));
  return 0;
}

export async function setSpd({ words, api, netns }: Command): Promise<number> {
  const change: Writable<XfrmSpdChange> = {};
  while (!words.done) {
    const word = words.take();
    if (word !== "hthresh4" && word !== "hthresh6") throw invalidArgument("unknown", word);
    if (change[word] !== undefined) throw duplicateArgument(word, word);
    const lbits = takeBits(words, word, "LBITS");
    change[word] = { lbits, rbits: takeBits(words, word, "RBITS") };
  }
  await api.demand("PATCH", `${netns}/xfrm/spd`, {}, change);
  return 0;
}

export async function setDefault({ words, api, netns }: Command): Promise<number> {
  const change: Partial<Record<PolicyDir, DefaultPolicy>> = {};
  while (!words.done) {
    const word = words.take();
    const dir = DIRECTIONS.find((name) => name === word);
    if (dir === undefined) throw invalidArgument("unknown direction", word);
    if (change[dir] !== undefined) throw duplicateArgument(dir, word);
    const policy = words.take();
    if (policy !== "accept" && policy !== "block") {
      throw invalidArgument(`${dir} policy value is invalid`, policy);
    }
    change[dir] = policy;
  }
  await api.demand("PATCH", `${netns}/xfrm/spd`, {}, { default: change });
  return 0;
}

export async function getDefault({ api, netns, print }: Command): Promise<number> {
  print(printDefaults((await api.demand<XfrmSpdInfo>("GET", `${netns}/xfrm/spd`)).default));
  return 0;
}

export function printDefaults(defaults: XfrmSpdInfo["default"]): string {
  return `Default policies:\n in:  ${defaults.in}\n fwd: ${defaults.fwd}\n out: ${defaults.out}\n`;
}

function takeBits(words: Words, name: keyof typeof LONGEST, what: "LBITS" | "RBITS"): number {
  const word = words.take();
  const bits = getU8(word);
  if (bits === null || bits > LONGEST[name]) throw invalidArgument(`${name} ${what} value is invalid`, word);
  return bits;
}
