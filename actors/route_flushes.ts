/**
 * `ip route flush cache` in the namespaces that are served: rtnetlink tells nobody of it, but it is a write to a file,
 * which inotify sees when it comes through the mount of /proc that the daemon has.
 */
import { SyscallError } from "../ffi/errno.ts";
import { Inotify } from "../ffi/inotify.ts";
import { withNetns } from "../ffi/netns.ts";

const FOLDER = "/proc/sys/net/ipv4/route";
const FILE = "flush";

export class RouteFlushes<Space> {
  /** null: the user has no instance left, and nothing is told. */
  readonly #inotify: Inotify | null;
  readonly #spaces = new Map<number, Space>();

  constructor(log: (line: string) => void) {
    this.#inotify = attempt(() => new Inotify(), log);
  }

  /** `netns` is a descriptor of the namespace. */
  add(space: Space, netns: number): void {
    const watch = this.#inotify &&
      attempt(() => withNetns(netns, () => this.#inotify!.watch(FOLDER)), () => {});
    if (watch !== null) this.#spaces.set(watch, space);
  }

  delete(space: Space): void {
    for (const [watch, other] of this.#spaces) {
      if (other !== space) continue;
      this.#spaces.delete(watch);
      this.#inotify!.unwatch(watch);
    }
  }

  /** The namespaces whose routes were flushed since the last call. */
  take(): Set<Space> {
    const flushed = new Set<Space>();
    for (const { watch, name } of this.#inotify?.read() ?? []) {
      const space = this.#spaces.get(watch);
      if (name === FILE && space !== undefined) flushed.add(space);
    }
    return flushed;
  }

  close(): void {
    this.#inotify?.close();
  }
}

function attempt<T>(call: () => T, log: (line: string) => void): T | null {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    log(`Path MTUs outlive "ip route flush cache": ${error.message}`);
    return null;
  }
}
