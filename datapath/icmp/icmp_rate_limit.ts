/**
 * How many ICMP errors may be sent. Kernel: net/ipv4/icmp.c icmp_global_allow(), icmpv4_xrlim_allow(),
 * net/ipv4/inetpeer.c inet_peer_xrlim_allow(), net/ipv6/icmp.c icmpv6_xrlim_allow().
 *
 * Two limits hold at once: one for all errors of the host, one for each destination of a namespace. Path MTU discovery
 * over IPv4 has none.
 *
 * Not done: IPv6 destinations behind a route to a shorter prefix get no more than hosts, the route is not known here.
 */
import * as icmp from "../wire/icmp.ts";
import * as icmpv6 from "../wire/icmpv6.ts";

/** The sysctls of a namespace. */
export interface IcmpLimits {
  /** Tells namespaces apart. */
  readonly netns: number;
  /** net.ipv4.icmp_msgs_per_sec, net.ipv4.icmp_msgs_burst. */
  readonly perSecond: number;
  readonly burst: number;
  /** net.ipv4.icmp_ratelimit, net.ipv6.icmp.ratelimit: milliseconds between two errors to one destination, 0 no limit. */
  readonly intervalMs: number;
  readonly interval6Ms: number;
  /** net.ipv4.icmp_ratemask, net.ipv6.icmp.ratemask: types that are limited, as bits. */
  readonly mask: number;
  readonly mask6: number;
}

/** Of IPv4 the types 3, 4, 11 and 12; of IPv6 every error but packet too big, type 2. */
export const DEFAULT_ICMP_LIMITS: IcmpLimits = {
  netns: 0,
  perSecond: 1000,
  burst: 50,
  intervalMs: 1000,
  interval6Ms: 1000,
  mask: 0x1818,
  mask6: ~(1 << icmpv6.PACKET_TOO_BIG),
};

/** The global bucket is refilled in steps of at least this, milliseconds, and with at most a second's worth. */
const REFILL_MS = 20;
const MAX_REFILL_MS = 1000;
/** Errors that a destination which got none for a while may get at once (XRLIM_BURST_FACTOR). */
const PEER_BURST = 6;

/** Who may get an error. This host gets what it sends itself without a limit of its own, as by its loopback. */
export const NOBODY = 0;
export const THIS_HOST = 1;
export const ANYBODY = 2;

/**
 * Destinations remembered, a power of two. Two that share a place forget each other: then one gets a new burst, within
 * the global limit. Memory does not grow with the number of destinations.
 */
const PEERS = 1024;
/** Namespace and address. */
const KEY_WORDS = 5;

export class IcmpRateLimit {
  readonly #random: () => number;
  #credit = 0;
  /** Time of the last refill, milliseconds. */
  #stamp = -Infinity;
  readonly #keys = new Int32Array(PEERS * KEY_WORDS);
  /** Milliseconds saved up, and when that was counted; NaN: never used. */
  readonly #tokens = new Float64Array(PEERS);
  readonly #last = new Float64Array(PEERS).fill(NaN);

  /** `random` gives numbers from 0 to below 1. */
  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /**
   * To whom an ICMP error for `dst` (host order) may go now, `now` in milliseconds of a clock that does not go back:
   * THIS_HOST when only if that is where `dst` is.
   */
  allow(limits: IcmpLimits, type: number, code: number, dst: number, now: number): number {
    if (type === icmp.DEST_UNREACH && code === icmp.FRAG_NEEDED) return ANYBODY;
    if (type > icmp.MAX_TYPE || (limits.mask >>> type & 1) === 0) return ANYBODY;
    // As ::ffff:0:0/96 (RFC 4291 §2.5.5.2), apart from the IPv6 destinations.
    return this.#allow(limits, limits.intervalMs, 0, 0, 0xffff, dst, now);
  }

  /** The same of an ICMPv6 error to the address at `dst` in `view`. */
  allow6(limits: IcmpLimits, type: number, view: DataView, dst: number, now: number): number {
    if ((limits.mask6 >>> type & 1) === 0) return ANYBODY;
    const a = view.getInt32(dst), b = view.getInt32(dst + 4);
    return this.#allow(
      limits,
      limits.interval6Ms,
      a,
      b,
      view.getInt32(dst + 8),
      view.getInt32(dst + 12),
      now,
    );
  }

  /** The global bucket is asked first, so that a flood does not reach the table. */
  #allow(
    limits: IcmpLimits,
    interval: number,
    a: number,
    b: number,
    c: number,
    d: number,
    now: number,
  ): number {
    if (!this.#globalAllow(limits, now)) return NOBODY;
    // One on average, but not predictable: whoever can count what is left learns what others were sent.
    this.#credit -= Math.floor(this.#random() * 3);
    return interval === 0 || this.#peerAllow(limits.netns, interval, a, b, c, d, now) ? ANYBODY : THIS_HOST;
  }

  #globalAllow({ perSecond, burst }: IcmpLimits, now: number): boolean {
    if (this.#credit > 0) return true;
    const elapsed = Math.min(now - this.#stamp, MAX_REFILL_MS);
    if (elapsed < REFILL_MS) return false;
    this.#stamp = now;
    this.#credit = Math.min(this.#credit + Math.floor(elapsed * perSecond / 1000), burst);
    return this.#credit > 0;
  }

  #peerAllow(
    netns: number,
    interval: number,
    a: number,
    b: number,
    c: number,
    d: number,
    now: number,
  ): boolean {
    const hash = Math.imul(
      netns ^ a ^ Math.imul(b ^ Math.imul(c ^ Math.imul(d, 0x9e3779b1), 0x85ebca6b), 0xc2b2ae35),
      0x27d4eb2f,
    );
    const peer = (hash >>> 16 ^ hash) & (PEERS - 1);
    const keys = this.#keys, k = peer * KEY_WORDS;
    const cap = PEER_BURST * interval;
    let tokens = cap;
    const known = keys[k] === a && keys[k + 1] === b && keys[k + 2] === c && keys[k + 3] === d &&
      keys[k + 4] === (netns | 0);
    if (known && !Number.isNaN(this.#last[peer])) {
      tokens = Math.min(this.#tokens[peer] + now - this.#last[peer], cap);
    }
    keys[k] = a;
    keys[k + 1] = b;
    keys[k + 2] = c;
    keys[k + 3] = d;
    keys[k + 4] = netns;
    this.#last[peer] = now;
    const allowed = tokens >= interval;
    this.#tokens[peer] = allowed ? tokens - interval : tokens;
    return allowed;
  }
}
