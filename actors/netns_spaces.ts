/** The namespaces that the gateway serves: found, started when first needed, ended. */
import { SyscallError } from "../ffi/errno.ts";
import { close } from "../ffi/io.ts";
import { netnsInode, openNetns } from "../ffi/netns.ts";
import { fail, ok, type Result } from "./control/kernel_error.ts";
import type { NetnsRef } from "./gateway.ts";
import { closeNetnsFds, openNetnsFds } from "./netns_fds.ts";
import { nameOf } from "./netns_names.ts";
import { NetnsExits } from "./netns_exits.ts";
import { NetnsSpace, type SpaceDeps } from "./netns_space.ts";
import type { Keepers, NetnsKeeper } from "./store/netns_keeper.ts";

type SpacesDeps = Omit<SpaceDeps, "linksOf" | "serve" | "keeper"> & { readonly keepers: Keepers };

export class NetnsSpaces {
  readonly #deps: SpacesDeps & Pick<SpaceDeps, "linksOf" | "serve">;
  /** Those that are served, by inode. */
  readonly #served = new Map<number, NetnsSpace>();
  /** Those that are being started, or ended. */
  readonly #starting = new Map<number, Promise<NetnsSpace>>();
  readonly #ending = new Map<number, Promise<void>>();
  /** All three kinds: their actors may live. */
  readonly #all = new Map<number, NetnsSpace>();
  readonly #exits: NetnsExits<NetnsSpace>;

  constructor(deps: SpacesDeps) {
    this.#deps = {
      ...deps,
      linksOf: (inode) => this.#all.get(inode)!.links,
      serve: async (netns) => (await this.#serveFd(`net:[${netnsInode(netns)}]`, netns)).links,
    };
    this.#exits = new NetnsExits({
      served: () => this.#served.values(),
      end: (space) => this.end(space),
      log: deps.log,
    });
  }

  values(): Iterable<NetnsSpace> {
    return this.#served.values();
  }

  /** What is to be looked at about once a second; `now` in seconds. */
  tick(now: number): void {
    for (const space of this.#served.values()) space.tick(now);
  }

  get(inode: number): NetnsSpace | undefined {
    return this.#served.get(inode);
  }

  /** The namespace that an actor belongs to. */
  ownerOf(actor: number): NetnsSpace | undefined {
    for (const space of this.#all.values()) if (space.actors.words.has(actor)) return space;
    return undefined;
  }

  /** The namespace, served from now on. */
  async serve(ns: NetnsRef): Promise<Result<NetnsSpace>> {
    try {
      return ok(await this.#serveFd(ns, openNetns(ns)));
    } catch (error) {
      return refused(error, ns);
    }
  }

  /** Takes the descriptor over. */
  async #serveFd(ns: NetnsRef, fd: number): Promise<NetnsSpace> {
    const inode = netnsInode(fd);
    await this.#ending.get(inode);
    const known = this.#served.get(inode) ?? this.#starting.get(inode);
    if (known !== undefined) {
      close(fd);
      return await known;
    }
    const starting = this.#start(ns, inode, fd);
    this.#starting.set(inode, starting);
    try {
      return await starting;
    } finally {
      this.#starting.delete(inode);
    }
  }

  async #start(ns: NetnsRef, inode: number, fd: number): Promise<NetnsSpace> {
    const name = nameOf(ns, inode);
    await this.#endFormer(name);
    const fds = openNetnsFds(fd);
    let keeper: NetnsKeeper;
    try {
      keeper = this.#deps.keepers.of(name);
    } catch (error) {
      closeNetnsFds(fds);
      throw error;
    }
    const space = new NetnsSpace(name, inode, fds, { ...this.#deps, keeper });
    this.#all.set(inode, space);
    try {
      keeper.describe(inode, false);
      await space.start();
    } catch (error) {
      await space.abandon();
      this.#all.delete(inode);
      throw error;
    }
    this.#served.set(inode, space);
    await space.links.restorer.restoreMoved();
    this.#exits.watch();
    return space;
  }

  /** A name is one namespace's: the one that had it before is gone for good, even where a process lives in it. */
  async #endFormer(name: string): Promise<void> {
    for (const space of [...this.#served.values()]) if (space.name === name) await this.end(space);
  }

  /** exit_batch of one namespace. */
  async end(space: NetnsSpace): Promise<void> {
    if (!this.#served.delete(space.inode)) return;
    const ending = this.#end(space);
    this.#ending.set(space.inode, ending);
    await ending;
    this.#ending.delete(space.inode);
  }

  async #end(space: NetnsSpace): Promise<void> {
    await space.close();
    this.#all.delete(space.inode);
  }

  /** Asks a namespace that is served; one that is not answers as an empty one would. */
  async ask<T>(ns: NetnsRef, ask: (space: NetnsSpace) => Result<T>, empty: Result<T>): Promise<Result<T>> {
    await Promise.allSettled(this.#starting.values());
    try {
      const space = this.#served.get(netnsInode(ns));
      return space === undefined ? empty : ask(space);
    } catch (error) {
      return refused(error, ns);
    }
  }

  async change<T>(ns: NetnsRef, change: (space: NetnsSpace) => Promise<Result<T>>): Promise<Result<T>> {
    const space = await this.serve(ns);
    return space.ok ? await change(space.value) : space;
  }

  /** For when the workers are gone already. */
  closeFds(): void {
    this.#exits.close();
    for (const space of this.#all.values()) space.closeFds();
    this.#served.clear();
    this.#all.clear();
  }
}

/** A refusal of the kernel, as data. Throws what is none. */
export function refused(error: unknown, ns: NetnsRef): Result<never> {
  if (!(error instanceof SyscallError)) throw error;
  switch (error.errnoName) {
    case "ENOENT":
    case "ESRCH":
      return fail("ENOENT", error.message, "netns");
    case "EPERM":
    case "EACCES":
      return fail("EPERM", error.message, "netns");
    case "EEXIST":
      return fail("EEXIST", error.message, "netns");
    case "ENOSPC":
    case "EMFILE":
    case "ENFILE":
      return fail("ENOBUFS", error.message);
    default:
      return fail("EINVAL", `${error.message} (network namespace "${ns}")`, "netns");
  }
}
