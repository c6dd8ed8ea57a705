/**
 * Notices the end of namespaces. The kernel ends one with its last user, but the gateway's own descriptors are users
 * too. So for it a namespace lives as long as it has a name under /run/netns or a process lives in it; other
 * descriptors and mounts that may keep it can't be seen, and don't count.
 */
import { NETNS_DIR, netnsInode } from "../ffi/netns.ts";
import { livedInNetns } from "../ffi/process_netns.ts";
import { inodeOfName, namedNetns } from "./netns_names.ts";

/** Time between two looks at namespaces without a name, milliseconds. */
const CHECK_MS = 5000;

interface Namespace {
  readonly name: string;
  readonly inode: number;
}

export interface ExitsDeps<N extends Namespace> {
  served(): Iterable<N>;
  /** Removes everything of a namespace. */
  end(namespace: N): Promise<void>;
  log(line: string): void;
}

export class NetnsExits<N extends Namespace> {
  readonly #deps: ExitsDeps<N>;
  /** The daemon's own: it lives in it. */
  readonly #own = netnsInode("self");
  readonly #timer: ReturnType<typeof setInterval>;
  #watcher: Deno.FsWatcher | null = null;

  constructor(deps: ExitsDeps<N>) {
    this.#deps = deps;
    this.#timer = setInterval(() => this.#check([...deps.served()]), CHECK_MS);
    Deno.unrefTimer(this.#timer);
  }

  /** Watches for removed names, once there is a directory of them. Without a watch CHECK_MS is how late it gets. */
  watch(): void {
    if (this.#watcher !== null) return;
    try {
      this.#watcher = Deno.watchFs(NETNS_DIR, { recursive: false });
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      this.#deps.log(`Cannot watch ${NETNS_DIR}: ${(error as Error).message}`);
      return;
    }
    this.#read(this.#watcher);
  }

  async #read(watcher: Deno.FsWatcher): Promise<void> {
    for await (const { kind, paths, flag } of watcher) {
      if (kind !== "remove" && flag !== "rescan") continue;
      const names = new Set(paths.map((path) => path.slice(path.lastIndexOf("/") + 1)));
      this.#check([...this.#deps.served()].filter(({ name }) => flag === "rescan" || names.has(name)));
    }
  }

  #check(namespaces: readonly N[]): void {
    const suspects = namespaces.filter((n) => n.inode !== this.#own && inodeOfName(n.name) !== n.inode);
    if (suspects.length === 0) return;
    const alive = this.#alive();
    for (const namespace of suspects) {
      if (alive === null || alive.has(namespace.inode)) continue;
      this.#deps.log(`${namespace.name}: the namespace is gone, with its devices, states and policies`);
      this.#deps.end(namespace).catch((error) => {
        this.#deps.log(`Cannot end namespace "${namespace.name}": ${(error as Error).message}`);
      });
    }
  }

  /** Namespaces that live; null when that can't be told now, as without a descriptor to look by. */
  #alive(): Set<number> | null {
    try {
      return new Set([...namedNetns().map(({ inode }) => inode), ...livedInNetns()]);
    } catch (error) {
      this.#deps.log(`Cannot tell which namespaces live: ${(error as Error).message}`);
      return null;
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.#watcher?.close();
  }
}
