/** The descriptors that actors of one worker watch. */
import type { Poller } from "./behaviour.ts";

export interface Watch<A> {
  readonly actor: A;
  readonly fd: number;
  /** Token at the poller. Never used twice, so an event that is older than an unwatch finds nothing. */
  readonly handle: number;
  /** The actor's own name for it. */
  token: number;
}

export class WatchList<A> {
  readonly #poller: Poller;
  readonly #byHandle = new Map<number, Watch<A>>();
  readonly #byFd = new Map<number, Watch<A>>();
  #nextHandle: number;

  /** Handles count from `firstHandle`. */
  constructor(poller: Poller, firstHandle: number) {
    this.#poller = poller;
    this.#nextHandle = firstHandle;
  }

  find(handle: number): Watch<A> | undefined {
    return this.#byHandle.get(handle);
  }

  /** Adds a descriptor, or changes what it is watched for. */
  watch(actor: A, fd: number, events: number, token: number): void {
    const known = this.#byFd.get(fd);
    if (known !== undefined) {
      known.token = token;
      this.#poller.modify(fd, events, known.handle);
      return;
    }
    const watch: Watch<A> = { actor, fd, handle: this.#nextHandle++, token };
    this.#poller.add(fd, events, watch.handle);
    this.#byHandle.set(watch.handle, watch);
    this.#byFd.set(fd, watch);
  }

  unwatch(actor: A, fd: number): void {
    const watch = this.#byFd.get(fd);
    if (watch === undefined || watch.actor !== actor) return;
    this.#byHandle.delete(watch.handle);
    this.#byFd.delete(fd);
    this.#poller.remove(fd);
  }

  unwatchAll(actor: A): void {
    for (const watch of [...this.#byFd.values()]) if (watch.actor === actor) this.unwatch(actor, watch.fd);
  }
}
