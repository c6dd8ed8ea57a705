/** Whether packets come so fast that it pays to let some gather before the next system call. */

/** Packets in a millisecond from which on three gather while a worker lingers. */
const HIGH = 30;
const WINDOW_MS = 1;

export class PacketRate {
  #start = 0;
  #packets = 0;
  #high = false;

  /** Counts `packets` that came at `nowMs`. True while the last window, or this one already, had a high rate. */
  isHigh(packets: number, nowMs: number): boolean {
    const elapsed = nowMs - this.#start;
    if (elapsed >= WINDOW_MS) {
      this.#high = this.#packets >= HIGH * elapsed;
      this.#packets = 0;
      this.#start = nowMs;
    }
    this.#packets += packets;
    return this.#high || this.#packets >= HIGH;
  }
}
