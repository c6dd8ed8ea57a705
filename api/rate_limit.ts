/** Token buckets: how many requests each of many may make. */

export interface Rate {
  readonly perSecond: number;
  /** Requests that an idle one may make at once. */
  readonly burst: number;
}

/** Buckets kept; beyond it the one used longest ago is forgotten, so that memory does not grow with the askers. */
const MAX_BUCKETS = 1024;

interface Bucket {
  left: number;
  /** Milliseconds on the limiter's clock. */
  filledAt: number;
}

export class RateLimiter {
  /** In the order of their last use. */
  readonly #buckets = new Map<string, Bucket>();
  readonly #rate: Rate;
  readonly #now: () => number;

  /** `now` is a clock in milliseconds that does not jump. */
  constructor(rate: Rate, now: () => number = () => performance.now()) {
    this.#rate = rate;
    this.#now = now;
  }

  /** Takes `cost` from the bucket of `key`. Returns 0, or where it lacks that much, the seconds until it has it. */
  take(key: string, cost = 1): number {
    const bucket = this.#bucket(key);
    if (bucket.left < cost) return Math.ceil((cost - bucket.left) / this.#rate.perSecond);
    bucket.left -= cost;
    return 0;
  }

  #bucket(key: string): Bucket {
    const now = this.#now();
    const { perSecond, burst } = this.#rate;
    const known = this.#buckets.get(key);
    const left = known === undefined
      ? burst
      : Math.min(burst, known.left + (now - known.filledAt) / 1000 * perSecond);
    const bucket = { left, filledAt: now };
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > MAX_BUCKETS) this.#buckets.delete(this.#buckets.keys().next().value!);
    return bucket;
  }
}
