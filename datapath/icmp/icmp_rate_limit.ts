/**
 * How many ICMP errors a namespace may send. Kernel: net/ipv4/icmp.c icmp_global_allow(), icmpv4_xrlim_allow(),
 * net/ipv4/inetpeer.c inet_peer_xrlim_allow(), net/ipv6/icmp.c icmpv6_xrlim_allow(); the defaults of their sysctls.
 *
 * Two limits hold at once: one for all errors, one for each destination. Path MTU discovery has none.
 *
 * Not done: IPv6 destinations behind a route to a shorter prefix get no more than hosts, the route is not known here.
 */
import * as icmp from "../wire/icmp.ts";
import * as icmpv6 from "../wire/icmpv6.ts";

/** net.ipv4.icmp_msgs_per_sec, net.ipv4.icmp_msgs_burst. */
const PER_SECOND = 1000;
const BURST = 50;
/** The global bucket is refilled in steps of at least this, milliseconds, and with at most a second's worth. */
const REFILL_MS = 20;
const MAX_REFILL_MS = 1000;
/** net.ipv4.icmp_ratelimit, net.ipv6.icmp.ratelimit: milliseconds between two errors to one destination. */
const PEER_INTERVAL_MS = 1000;
/** Errors that a destination which got none for a while may get at once (XRLIM_BURST_FACTOR). */
const PEER_BURST = 6;
/** net.ipv4.icmp_ratemask: types that are limited, as bits: 3, 4, 11, 12. */
const RATE_MASK = 0x1818;

/**
 * Destinations remembered, a power of two. Two that share a place forget each other: then one gets a new burst, within
 * the global limit. Memory does not grow with the number of destinations.
 */
const PEERS = 1024;
const KEY_WORDS = 4;

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

  /** May an ICMP error go to `dst` (host order) now, `now` in milliseconds of a clock that does not go back? */
  allow(type: number, code: number, dst: number, now: number): boolean {
    if (type === icmp.DEST_UNREACH && code === icmp.FRAG_NEEDED) return true;
    if (type > icmp.MAX_TYPE || (RATE_MASK >>> type & 1) === 0) return true;
    // As ::ffff:0:0/96 (RFC 4291 §2.5.5.2), apart from the IPv6 destinations.
    return this.#allow(0, 0, 0xffff, dst, now);
  }

  /** The same of an ICMPv6 error to the address at `dst` in `view`. */
  allow6(type: number, view: DataView, dst: number, now: number): boolean {
    if (type === icmpv6.PACKET_TOO_BIG) return true;
    const a = view.getInt32(dst), b = view.getInt32(dst + 4);
    return this.#allow(a, b, view.getInt32(dst + 8), view.getInt32(dst + 12), now);
  }

  /** The global bucket is asked first, so that a flood does not reach the table, and charged last. */
  #allow(a: number, b: number, c: number, d: number, now: number): boolean {
    if (!this.#globalAllow(now) || !this.#peerAllow(a, b, c, d, now)) return false;
    // One on average, but not predictable: whoever can count what is left learns what others were sent.
    this.#credit -= Math.floor(this.#random() * 3);
    return true;
  }

  #globalAllow(now: number): boolean {
    if (this.#credit > 0) return true;
    const elapsed = Math.min(now - this.#stamp, MAX_REFILL_MS);
    if (elapsed < REFILL_MS) return false;
    this.#stamp = now;
    this.#credit = Math.min(this.#credit + Math.floor(elapsed * PER_SECOND / 1000), BURST);
    return true;
  }

  #peerAllow(a: number, b: number, c: number, d: number, now: number): boolean {
    const hash = Math.imul(
      a ^ Math.imul(b ^ Math.imul(c ^ Math.imul(d, 0x9e3779b1), 0x85ebca6b), 0xc2b2ae35),
      0x27d4eb2f,
    );
    const peer = (hash >>> 16 ^ hash) & (PEERS - 1);
    const keys = this.#keys, k = peer * KEY_WORDS;
    const cap = PEER_BURST * PEER_INTERVAL_MS;
    let tokens = cap;
    const known = keys[k] === a && keys[k + 1] === b && keys[k + 2] === c && keys[k + 3] === d;
    if (known && !Number.isNaN(this.#last[peer])) {
      tokens = Math.min(this.#tokens[peer] + now - this.#last[peer], cap);
    }
    keys[k] = a;
    keys[k + 1] = b;
    keys[k + 2] = c;
    keys[k + 3] = d;
    this.#last[peer] = now;
    const allowed = tokens >= PEER_INTERVAL_MS;
    this.#tokens[peer] = allowed ? tokens - PEER_INTERVAL_MS : tokens;
    return allowed;
  }
}
