/**
 * Makes the gateway what a configuration file says: namespaces, links, states, policies, then links up, addresses,
 * routes. What is right already is not touched, so that it keeps forwarding; what an earlier file made and this one no
 * longer has is removed; what others made stays.
 */
import type { Gateway, LinkChange, LinkInfo, NetnsRef } from "../actors/gateway.ts";
import { parseIpPrefix } from "../actors/control/ip_address.ts";
import type { Result } from "../actors/control/kernel_error.ts";
import type { CryptoChoice } from "../ffi/crypto_backend.ts";
import { SyscallError } from "../ffi/errno.ts";
import { close } from "../ffi/io.ts";
import { listNetns, openNetns, withNetns } from "../ffi/netns.ts";
import { Rtnetlink } from "../ffi/rtnetlink.ts";
import { addressBytes } from "./address_bytes.ts";
import { ConfigError, type ConfigFile, readConfigFile } from "./config_file.ts";
import { type Identity, netnsIdentity, readIdentity, stateDefinition } from "./config_identity.ts";
import { OwnedByConfig } from "./config_owned.ts";
import { type Live, NOTHING_LIVE, type Plan, planConfig, sameInfo } from "./config_plan.ts";
import { rehearse, type Rehearsed } from "./config_rehearsal.ts";
import { linkRequest } from "./config_requests.ts";
import type { LinkEntry } from "./config_schema.ts";

export interface ConfigOptions {
  readonly crypto: CryptoChoice;
  /** Where to keep what files made, for a gateway whose state outlives it; null for one that begins with nothing. */
  readonly ownedFile: string | null;
  readonly log: (line: string) => void;
}

/** What a link has beside its tunnel: kept as text with what files made. */
type Attached = Pick<LinkEntry, "addresses" | "routes">;
const NOTHING_ATTACHED: Attached = { addresses: [], routes: [] };

export class ConfigKeeper {
  readonly #gateway: Gateway;
  readonly #options: ConfigOptions;
  readonly #owned: OwnedByConfig;
  #last: Promise<unknown> = Promise.resolve();

  constructor(gateway: Gateway, options: ConfigOptions) {
    this.#gateway = gateway;
    this.#options = options;
    this.#owned = new OwnedByConfig(options.ownedFile, options.log);
  }

  /**
   * Reads a file and applies it; a second call waits for the first. Rejects with ConfigError: nothing was changed when
   * the file is wrong; where the system refused a part, the others are applied.
   */
  load(path: string): Promise<void> {
    const loaded = this.#last.then(() => this.#load(path));
    this.#last = loaded.catch(() => {});
    return loaded;
  }

  async #load(path: string): Promise<void> {
    const file = await readConfigFile(path);
    const live = await this.#liveOf(file);
    const liveIn = (netns: NetnsRef) => live.get(netns) ?? NOTHING_LIVE;
    const names = (netns: NetnsRef) => new Set(liveIn(netns).links.map(({ ifname }) => ifname));
    const rehearsed = rehearse(file, this.#options.crypto, names);
    const plan = planConfig(rehearsed, liveIn, this.#owned.all, this.#owned.fingerprint);
    file.warnings.forEach(this.#options.log);
    const work = new ConfigWork(this.#gateway, this.#owned, this.#options.log);
    try {
      await work.removals(plan);
      await work.netns(rehearsed);
      await work.links(plan);
      await work.states(plan);
      await work.policies(plan);
      await work.up(plan);
      work.attach(plan);
    } finally {
      await this.#owned.save();
    }
    if (work.errors.length > 0) throw new ConfigError(work.errors.join("\n"));
    this.#options.log(`${path}: ${work.done === 0 ? "nothing to change" : `${work.done} changes made`}`);
  }

  /** What the gateway has in every namespace that the file or an earlier one speaks of. */
  async #liveOf(file: ConfigFile): Promise<Map<NetnsRef, Live>> {
    const refs = new Set([
      ...[...file.links, ...file.states, ...file.policies].map(({ entry }) => entry.netns),
      ...[...this.#owned.all.keys()].map((identity) => readIdentity(identity).netns),
    ]);
    const live = new Map<NetnsRef, Live>();
    for (const netns of refs) {
      const [links, states, policies] = await Promise.all([
        this.#gateway.listLinks(netns),
        this.#gateway.listStates(netns, {}, true),
        this.#gateway.listPolicies(netns),
      ]);
      if (links.ok && states.ok && policies.ok) {
        live.set(netns, { links: links.value, states: states.value, policies: policies.value });
      }
    }
    return live;
  }
}

/** One walk through a plan. What fails is noted and does not keep the rest from being done. */
class ConfigWork {
  readonly errors: string[] = [];
  done = 0;
  readonly #gateway: Gateway;
  readonly #owned: OwnedByConfig;
  readonly #log: (line: string) => void;

  constructor(gateway: Gateway, owned: OwnedByConfig, log: (line: string) => void) {
    this.#gateway = gateway;
    this.#owned = owned;
    this.#log = log;
  }

  async removals({ removals }: Plan): Promise<void> {
    for (const identity of removals) {
      const key = JSON.stringify(identity);
      const removed = await this.#remove(identity, this.#owned.all.get(key));
      // Somebody else was faster.
      const isGone = !removed.ok && ["ENODEV", "ESRCH", "ENOENT"].includes(removed.error.errno);
      if (isGone || this.#note("", removed)) this.#owned.delete(key);
    }
  }

  #remove(identity: Identity, owned: string | undefined): Promise<Result<void>> {
    const { netns } = identity;
    switch (identity.kind) {
      case "policy":
        return this.#gateway.delPolicy(netns, identity.id);
      case "state":
        return this.#gateway.delState(netns, identity.id);
      case "link":
        return this.#gateway.dellink(netns, identity.ifname);
      case "netns":
        return owned === "made"
          ? this.#gateway.delNetns(netns)
          : Promise.resolve({ ok: true, value: undefined });
    }
  }

  async netns({ netns }: Rehearsed): Promise<void> {
    for (const { entry: { name }, at } of netns) {
      const identity = netnsIdentity(name);
      const isThere = listNetns().includes(name);
      if (isThere && this.#owned.all.has(identity)) continue;
      if (this.#note(at("name"), await this.#gateway.newNetns(name), isThere ? 0 : 1)) {
        this.#owned.set(identity, isThere ? "found" : "made");
      }
    }
  }

  async links({ links }: Plan): Promise<void> {
    for (const { identity, wanted: { entry, at, info }, action, live } of links) {
      const { netns, name } = entry;
      if (action === "remake") this.#note(at("remote"), await this.#gateway.dellink(netns, name), 0);
      const result = live === undefined || action === "remake"
        ? await this.#gateway.newlink(netns, linkRequest(entry))
        : action === "change"
        ? await this.#gateway.changelink(netns, name, linkChange(entry, info, live), true)
        : null;
      const isThere = result === null || this.#note(at("name"), result);
      if (isThere && !this.#owned.all.has(identity)) {
        this.#owned.set(identity, JSON.stringify(NOTHING_ATTACHED));
      }
    }
  }

  async states({ states }: Plan): Promise<void> {
    for (const { identity, wanted: { entry: { netns }, at, request, info }, action } of states) {
      if (action === "gone") {
        const why = "it met a limit or was deleted, and the same key must not be used again";
        this.#log(`${at("spi")}: the state is not made again: ${why}; give it a new key`);
        continue;
      }
      if (action === "replace") this.#note(at("spi"), await this.#gateway.delState(netns, request), 0);
      const result = action === "keep"
        ? null
        : action === "update"
        ? await this.#gateway.updState(netns, request)
        : await this.#gateway.newState(netns, request);
      if (result === null || this.#note(at("spi"), result)) {
        this.#owned.set(identity, this.#owned.fingerprint(stateDefinition(info)));
      }
    }
  }

  async policies({ policies }: Plan): Promise<void> {
    for (const { identity, wanted: { entry: { netns }, at, request }, action } of policies) {
      const result = action === "keep"
        ? null
        : action === "update"
        ? await this.#gateway.updPolicy(netns, request)
        : await this.#gateway.newPolicy(netns, request);
      if (result === null || this.#note(at("dir"), result)) this.#owned.set(identity, "");
    }
  }

  /** Links come up last, so that no packet meets one whose SAs are not there yet. */
  async up({ links }: Plan): Promise<void> {
    for (const { wanted: { entry: { netns, name, up }, at } } of links) {
      const link = up ? await this.#gateway.getLink(netns, name) : null;
      if (link === null || !link.ok || link.value.flags.includes("UP")) continue;
      this.#note(at("up"), await this.#gateway.changelink(netns, name, { up: true }, false), 0);
    }
  }

  /** Adds addresses and routes that are missing, and removes those that a file before had and this one has no more. */
  attach({ links }: Plan): void {
    for (const { identity, wanted: { entry, at } } of links) {
      const owned = this.#owned.all.get(identity);
      // Without a device there is an error already.
      if (owned === undefined) continue;
      const opened = attempt(() => openRtnetlinkIn(entry.netns));
      if (!opened.ok) {
        this.errors.push(`${at("netns")}: ${opened.error.message}`);
        continue;
      }
      const rtnl = opened.value!;
      try {
        const ifindex = rtnl.link(entry.name)?.ifindex;
        if (ifindex !== undefined) this.#attachTo(rtnl, ifindex, entry, at, JSON.parse(owned));
      } finally {
        rtnl.close();
      }
      const { addresses, routes } = entry;
      this.#owned.set(identity, JSON.stringify({ addresses, routes }));
    }
  }

  #attachTo(
    rtnl: Rtnetlink,
    ifindex: number,
    { addresses, routes }: LinkEntry,
    at: (key: string) => string,
    before: Attached,
  ): void {
    const route = (text: string) => ({ dst: bytes(text), prefix: prefixOf(text), oif: ifindex });
    const gone = <T>(old: readonly T[], kept: readonly T[]) => old.filter((one) => !kept.includes(one));
    for (const text of gone(before.routes, routes)) {
      this.#note(at("routes"), attempt(() => rtnl.delRoute(route(text)), "ESRCH"));
    }
    for (const text of gone(before.addresses, addresses)) {
      const del = () => rtnl.delAddress(ifindex, bytes(text), prefixOf(text));
      this.#note(at("addresses"), attempt(del, "EADDRNOTAVAIL"));
    }
    for (const [i, text] of addresses.entries()) {
      const add = () => rtnl.addAddress(ifindex, bytes(text), prefixOf(text));
      this.#note(at(`addresses.${i}`), attempt(add, "EEXIST"));
    }
    for (const [i, text] of routes.entries()) {
      this.#note(at(`routes.${i}`), attempt(() => rtnl.addRoute(route(text)), "EEXIST"));
    }
  }

  /** Counts a change and returns true, or keeps its error. */
  #note<T>(at: string, result: Attempt<T>, changes = 1): boolean {
    if (result.ok) this.done += result.unchanged ? 0 : changes;
    else this.errors.push(at === "" ? result.error.message : `${at}: ${result.error.message}`);
    return result.ok;
  }
}

/** What differs; absent members of the tunnel's parameters become 0. */
function linkChange(entry: LinkEntry, want: Pick<LinkInfo, "linkinfo">, live: LinkInfo): LinkChange {
  const same = sameInfo(want.linkinfo.info_data, live.linkinfo.info_data);
  const { linkinfo, mtu } = linkRequest(entry);
  return {
    ...(!same && { linkinfo }),
    ...(mtu !== undefined && mtu !== live.mtu && { mtu }),
    ...(!entry.up && { up: false }),
  };
}

type Attempt<T> =
  | { readonly ok: true; readonly value: T; readonly unchanged?: true }
  | { readonly ok: false; readonly error: { readonly message: string } };

/** Runs a system call; the errno `harmless` says that things already were as wanted. */
function attempt<T>(fn: () => T, harmless?: string): Attempt<T | undefined> {
  try {
    return { ok: true, value: fn() };
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    if (error.errnoName === harmless) return { ok: true, value: undefined, unchanged: true };
    return { ok: false, error };
  }
}

function openRtnetlinkIn(netns: NetnsRef): Rtnetlink {
  const fd = openNetns(netns);
  try {
    return withNetns(fd, () => new Rtnetlink());
  } finally {
    close(fd);
  }
}

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return addressBytes(parseIpPrefix(text)!);
}

function prefixOf(text: string): number {
  return parseIpPrefix(text)!.prefixlen;
}
