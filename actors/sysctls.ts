/** The sysctls of a namespace that the gateway keeps to, as they stand. */
import { DEFAULT_ICMP_LIMITS, type IcmpLimits } from "../datapath/icmp/icmp_rate_limit.ts";
import type { PmtuOptions } from "../datapath/xfrm/pmtu_cache.ts";
import { ANY_DEVICE } from "../datapath/xfrm/xfrm_table.ts";
import { openProcFile, rereadProcFile } from "../ffi/proc_file.ts";
import type { DeviceSysctls } from "./device_sysctls.ts";

/** What the SA table needs of them. */
export interface OutputSysctls {
  /** TTL of outer headers. */
  readonly ipDefaultTtl: number;
  readonly pmtu: PmtuOptions;
  /** Interfaces with net.ipv4.conf.*.disable_policy, and with disable_xfrm; ANY_DEVICE where `all` has it. */
  readonly noPolicy: readonly number[];
  readonly noXfrm: readonly number[];
}

/** Below /proc/sys/net; the value where a kernel has none, or keeps it to its first namespace. */
const FILES = {
  ipDefaultTtl: ["ipv4/ip_default_ttl", "64"],
  noPmtuDisc: ["ipv4/ip_no_pmtu_disc", "0"],
  minPmtu: ["ipv4/route/min_pmtu", "552"],
  mtuExpires: ["ipv4/route/mtu_expires", "600"],
  rateLimit: ["ipv4/icmp_ratelimit", `${DEFAULT_ICMP_LIMITS.intervalMs}`],
  rateMask: ["ipv4/icmp_ratemask", `${DEFAULT_ICMP_LIMITS.mask}`],
  rateLimit6: ["ipv6/icmp/ratelimit", `${DEFAULT_ICMP_LIMITS.interval6Ms}`],
  rateMask6: ["ipv6/icmp/ratemask", "0-1,3-127"],
  perSecond: ["ipv4/icmp_msgs_per_sec", `${DEFAULT_ICMP_LIMITS.perSecond}`],
  burst: ["ipv4/icmp_msgs_burst", `${DEFAULT_ICMP_LIMITS.burst}`],
  noPolicy: ["ipv4/conf/all/disable_policy", "0"],
  noXfrm: ["ipv4/conf/all/disable_xfrm", "0"],
  acqExpires: ["core/xfrm_acq_expires", "30"],
} as const;
type Name = keyof typeof FILES;
const NAMES = Object.keys(FILES) as Name[];

/** Opens them in the calling thread's namespace, whose they stay; -1 for those that a kernel has not. */
export function openSysctls(): number[] {
  return NAMES.map((name) => openProcFile(`/proc/sys/net/${FILES[name][0]}`));
}

export class Sysctls {
  readonly #fds: ReadonlyMap<Name, number>;
  #last = "";

  /** `fds` are of openSysctls(). */
  constructor(fds: readonly number[]) {
    this.#fds = new Map(NAMES.map((name, i) => [name, fds[i]!] as const).filter(([, fd]) => fd >= 0));
  }

  /** Whether one of them is another than at the last call. */
  changed(): boolean {
    const now = NAMES.map((name) => this.#text(name)).join("\n");
    const changed = now !== this.#last;
    this.#last = now;
    return changed;
  }

  output({ noPolicy, noXfrm }: DeviceSysctls): OutputSysctls {
    const withAll = (name: "noPolicy" | "noXfrm", devices: Iterable<number>) =>
      this.#number(name) === 0 ? [...devices] : [ANY_DEVICE, ...devices];
    return {
      ipDefaultTtl: this.#number("ipDefaultTtl"),
      pmtu: { minPmtu: this.#number("minPmtu"), expiresSeconds: this.#number("mtuExpires") },
      noPolicy: withAll("noPolicy", noPolicy),
      noXfrm: withAll("noXfrm", noXfrm),
    };
  }

  /** `netns` is the namespace's inode. */
  icmpLimits(netns: number): IcmpLimits {
    return {
      netns,
      perSecond: this.#number("perSecond"),
      burst: this.#number("burst"),
      intervalMs: this.#number("rateLimit"),
      mask: this.#number("rateMask"),
      interval6Ms: this.#number("rateLimit6"),
      mask6: typesOf(this.#text("rateMask6")),
    };
  }

  /** New SAs send packets that may be fragmented (__xfrm_init_state()). */
  noPmtuDisc(): boolean {
    return this.#number("noPmtuDisc") !== 0;
  }

  /** Seconds that an SA without keys waits for them. */
  acqExpires(): number {
    return this.#number("acqExpires");
  }

  #number(name: Name): number {
    return Number(this.#text(name));
  }

  #text(name: Name): string {
    const fd = this.#fds.get(name);
    return fd === undefined ? FILES[name][1] : rereadProcFile(fd).trim();
  }
}

/** The error types, 0 to 31, of a list like "0-1,3-127", as bits. */
function typesOf(list: string): number {
  let bits = 0;
  for (const range of list.split(",").filter((text) => text !== "")) {
    const [first, last = first] = range.split("-").map(Number) as [number, number?];
    for (let type = first; type <= Math.min(last, 31); type++) bits |= 1 << type;
  }
  return bits;
}
