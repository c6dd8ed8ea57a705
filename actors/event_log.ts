/** What happened, for those who listen and those who come back within the last EVENTS_KEPT events. */
import type { GatewayEvent } from "./gateway.ts";

const EVENTS_KEPT = 1024;

export class EventLog {
  readonly #kept: GatewayEvent[] = [];
  readonly #wake = new Set<() => void>();
  #id = 0;
  #listeners = 0;

  /** Somebody listens. */
  get isHeard(): boolean {
    return this.#listeners > 0;
  }

  add(netns: string, kind: GatewayEvent["kind"], body: unknown): void {
    this.#kept.push({ id: ++this.#id, time: Date.now() / 1000, netns, kind, body });
    if (this.#kept.length > EVENTS_KEPT) this.#kept.shift();
    for (const wake of this.#wake) wake();
  }

  /** Events with an id above `after`, kept ones first, then new ones until the signal aborts; -1: only new ones. */
  async *since(after: number, signal: AbortSignal): AsyncGenerator<GatewayEvent> {
    this.#listeners++;
    try {
      yield* this.#since(after, signal);
    } finally {
      this.#listeners--;
    }
  }

  async *#since(after: number, signal: AbortSignal): AsyncGenerator<GatewayEvent> {
    let last = after < 0 ? this.#id : after;
    while (!signal.aborted) {
      const next = this.#kept.filter((event) => event.id > last);
      for (const event of next) {
        last = event.id;
        yield event;
        if (signal.aborted) return;
      }
      if (next.length > 0) continue;
      await this.#next(signal);
    }
  }

  /** Resolves at the next event or when the signal aborts, and leaves nothing behind of its waiting. */
  #next(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#wake.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#wake.add(wake);
      signal.addEventListener("abort", wake);
    });
  }
}
