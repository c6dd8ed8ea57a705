/** The gateway of a real host: namespaces, their links, SAs and policies, and the workers that carry their packets. */
import { XFRM_MIB, type XfrmMib } from "../datapath/drop_reason.ts";
import { close } from "../ffi/io.ts";
import { runWhenIdle } from "../ffi/thread_policy.ts";
import { readThreadTime } from "../ffi/thread_time.ts";
import { type CryptoChoice, selectBackend, type SelectedBackend } from "../ffi/crypto_backend.ts";
import { createEventfd, ring } from "../ffi/eventfd.ts";
import { createNetns, deleteNetns, listNetns, netnsInode } from "../ffi/netns.ts";
import { fail, ok, type Result } from "./control/kernel_error.ts";
import { INITIAL_SPD } from "./control/xfrm_spd.ts";
import { noSuchLink } from "./control/vti_link_ops.ts";
import { EventLog } from "./event_log.ts";
import type {
  AllocSpiRequest,
  Gateway,
  GatewayEvent,
  GatewayHealth,
  LinkChange,
  LinkInfo,
  LinkRequest,
  NetnsInfo,
  NetnsRef,
  TunnelEnds,
  TunnelInfo,
  TunnelParm,
  TunnelRequest,
  XfrmPolicyId,
  XfrmPolicyRequest,
  XfrmSpdChange,
  XfrmStateFilter,
  XfrmStateId,
  XfrmStateInfo,
  XfrmStateRequest,
} from "./gateway.ts";
import type { ActorInit, GatewayLetter } from "./messages.ts";
import { namedNetns, nameOf } from "./netns_names.ts";
import { NetnsSpaces, refused } from "./netns_spaces.ts";
import { PoisonWatch } from "./poison_watch.ts";
import type { Keepers, StoredNetns } from "./store/netns_keeper.ts";
import { ProcessKeepers } from "./store/process_keepers.ts";
import { StateKeepers, type StateOptions } from "./store/state_keepers.ts";
import { type Placement, type PlacementMode, resolvePlacement } from "./runtime/placement.ts";
import { SteadyClock } from "./steady_clock.ts";
import { Supervisor, type WorkerChange, type WorkerFailure } from "./runtime/supervisor.ts";

export interface GatewayOptions {
  readonly placement: PlacementMode;
  readonly crypto: CryptoChoice;
  /** One line for the operator. */
  readonly log: (line: string) => void;
  /** The gateway can't go on; the process should end and be started anew. */
  readonly fatal: (reason: string) => void;
  /** Absent: devices have carrier always, as the kernel's vti; "sa": only while a packet could leave. */
  readonly carrier?: "always" | "sa";
  /** Directory for what outlives the process; absent: nothing does. */
  readonly state?: StateOptions;
  /** Module of the workers; a test's own can make them fail. */
  readonly workerModule?: URL;
}

/** Failures of a worker whose thread may still be there. */
const MAY_RUN_ON: ReadonlySet<WorkerFailure["reason"]> = new Set(["hung", "slow start"]);

/** Time between two looks at lifetimes, sysctls and flushed routes, milliseconds. */
const TICK_MS = 1000;

const NO_STATE = fail("ESRCH", "Cannot find state: no such SA");
const NO_POLICY = fail("ENOENT", "Cannot find policy: no such policy");
const NO_XFRM_STAT = Object.fromEntries(XFRM_MIB.map((name) => [name, 0])) as Record<XfrmMib, number>;

/** Starts a gateway that serves no namespace yet. Throws an Error with the remedy when the host can't. */
export function startGateway(options: GatewayOptions): UserSpaceGateway {
  return new UserSpaceGateway(options);
}

export class UserSpaceGateway implements Gateway {
  readonly #backend: SelectedBackend;
  readonly #placement: Placement;
  readonly #supervisor: Supervisor;
  readonly #spaces: NetnsSpaces;
  readonly #keepers: Keepers;
  readonly #clock: SteadyClock;
  readonly #log: (line: string) => void;
  readonly #events = new EventLog();
  readonly #poison = new PoisonWatch();
  readonly #started = performance.now();
  readonly #timer: ReturnType<typeof setInterval>;
  #lastActor = 0;

  constructor(options: GatewayOptions) {
    this.#log = options.log;
    this.#backend = selectBackend(options.crypto);
    if (this.#backend.warning !== null) options.log(this.#backend.warning);
    this.#placement = resolvePlacement(options.placement, navigator.hardwareConcurrency);
    this.#keepers = options.state ? new StateKeepers(options.state, options.log) : new ProcessKeepers();
    this.#clock = new SteadyClock(this.#keepers.clockOffset);
    this.#supervisor = new Supervisor({
      module: options.workerModule ?? new URL("./worker_main.ts", import.meta.url),
      placement: this.#placement,
      makeBell: createEventfd,
      ring,
      closeBell: close,
      timeOf: readThreadTime,
      runWhenIdle,
      initOf: (actor) => ({ init: this.#initOf(actor) }),
      receive: (message, from) => this.#spaces.ownerOf(from)?.hear(message as GatewayLetter, from),
      changed: (change) => this.#workerChanged(change),
      failed: (failure) => {
        if (MAY_RUN_ON.has(failure.reason)) this.#keepers.taint();
        options.log(this.#describe(failure));
      },
      escalate: (failure) => options.fatal(`${this.#describe(failure)}; it failed too often and stays down`),
    });
    this.#spaces = new NetnsSpaces({
      supervisor: this.#supervisor,
      backend: this.#backend,
      keepers: this.#keepers,
      clock: this.#clock,
      carrierBySa: options.carrier === "sa",
      nextActor: () => ++this.#lastActor,
      event: (netns, kind, body) => this.#events.add(netns, kind, body),
      isHeard: () => this.#events.isHeard,
      log: options.log,
    });
    this.#timer = setInterval(() => this.#spaces.tick(this.#clock.now()), TICK_MS);
    Deno.unrefTimer(this.#timer);
  }

  #initOf(actor: number): unknown {
    const record = this.#spaces.ownerOf(actor)?.initOf(actor) ?? null;
    if (record === null) throw new Error(`Cannot make actor ${actor}: nothing is known of it`);
    return { ...record, quarantine: this.#poison.initOf(actor) } satisfies ActorInit;
  }

  /** A failure in words, with what the worker was doing when it hung. */
  #describe({ slot, reason, message }: WorkerFailure): string {
    const worker = this.#supervisor.workers().find((worker) => worker.slot === slot);
    const actors = reason === "hung" ? worker?.actors ?? [] : [];
    const where = this.#poison.hung(actors, (actor) => this.#actorName(actor));
    return `Worker ${slot} ${reason}: ${message}${where === null ? "" : `, ${where}`}`;
  }

  #workerChanged({ slot, state, reason }: WorkerChange): void {
    this.#events.add("", "worker", { id: slot, state, reason });
  }

  // ---- namespaces ----------------------------------------------------------------------------------------------

  /** Serves again what the store has. To be called once, before anything else. */
  async restore(): Promise<void> {
    for (const stored of this.#keepers.namespaces()) await this.#restoreNetns(stored);
  }

  async #restoreNetns({ name, made, inode, things }: StoredNetns): Promise<void> {
    if (name.startsWith("pid:") && !hasInode(name, inode)) {
      this.#log(
        `${name}: the process or its network namespace is another, ${things} things of it are forgotten`,
      );
      this.#keepers.forget(name);
      return;
    }
    if (made && !listNetns().includes(name)) createNetns(name);
    const served = await this.#spaces.serve(name);
    if (served.ok) return;
    if (things === 0) this.#keepers.forget(name);
    else this.#log(`${name}: ${served.error.message}; ${things} things of it wait until it is served`);
  }

  // deno-lint-ignore require-await
  async listNetns(): Promise<NetnsInfo[]> {
    const named = namedNetns();
    const inodes = new Set(named.map((n) => n.inode));
    const unnamed = [...this.#spaces.values()].filter((s) => !inodes.has(s.inode));
    return [...named, ...unnamed].map(({ name, inode }) => this.#netnsInfo(name, inode));
  }

  #netnsInfo(name: string, inode: number): NetnsInfo {
    const space = this.#spaces.get(inode);
    return {
      name,
      inode,
      links: space?.links.here.size ?? 0,
      states: space?.xfrm.stateCount ?? 0,
      policies: space?.xfrm.policyCount ?? 0,
    };
  }

  // deno-lint-ignore require-await
  async getNetns(ns: NetnsRef): Promise<Result<NetnsInfo>> {
    try {
      const inode = netnsInode(ns);
      return ok(this.#netnsInfo(nameOf(ns, inode), inode));
    } catch (error) {
      return refused(error, ns);
    }
  }

  async newNetns(name: string): Promise<Result<NetnsInfo>> {
    const made = !listNetns().includes(name);
    try {
      if (made) createNetns(name);
    } catch (error) {
      return refused(error, name);
    }
    const space = await this.#spaces.serve(name);
    if (!space.ok) return space;
    if (made) space.value.keeper.describe(space.value.inode, true);
    return this.getNetns(name);
  }

  async delNetns(name: string): Promise<Result<void>> {
    try {
      const space = this.#spaces.get(netnsInode(name));
      if (space !== undefined) await this.#spaces.end(space);
      deleteNetns(name);
      this.#keepers.forget(name);
      return ok(undefined);
    } catch (error) {
      return refused(error, name);
    }
  }

  // ---- links ---------------------------------------------------------------------------------------------------

  listLinks(ns: NetnsRef): Promise<Result<LinkInfo[]>> {
    return this.#spaces.ask(ns, (space) => ok(space.links.list()), ok([]));
  }

  getLink(ns: NetnsRef, ifname: string): Promise<Result<LinkInfo>> {
    return this.#spaces.ask(ns, (space) => space.links.get(ifname), noSuchLink(ifname));
  }

  newlink(ns: NetnsRef, request: LinkRequest): Promise<Result<LinkInfo>> {
    return this.#spaces.change(ns, (space) => space.links.newlink(request));
  }

  changelink(ns: NetnsRef, ifname: string, change: LinkChange, replace: boolean): Promise<Result<LinkInfo>> {
    return this.#spaces.change(ns, (space) => space.links.changelink(ifname, change, replace));
  }

  dellink(ns: NetnsRef, ifname: string): Promise<Result<void>> {
    return this.#spaces.change(ns, (space) => space.links.dellink(ifname));
  }

  listTunnels(ns: NetnsRef): Promise<Result<TunnelInfo[]>> {
    return this.#spaces.ask(ns, (space) => ok(space.links.ioctl.list()), ok([]));
  }

  getTunnel(ns: NetnsRef, ifname: string, ends: TunnelEnds): Promise<Result<TunnelInfo>> {
    return this.#spaces.ask(ns, (space) => space.links.ioctl.get(ifname, ends), noSuchLink(ifname));
  }

  addTunnel(ns: NetnsRef, request: TunnelRequest): Promise<Result<TunnelInfo>> {
    return this.#spaces.change(ns, (space) => space.links.ioctl.add(request));
  }

  chgTunnel(ns: NetnsRef, ifname: string, parm: TunnelParm): Promise<Result<TunnelInfo>> {
    return this.#spaces.change(ns, (space) => space.links.ioctl.chg(ifname, parm));
  }

  delTunnel(ns: NetnsRef, ifname: string, ends: TunnelEnds): Promise<Result<void>> {
    return this.#spaces.change(ns, (space) => space.links.ioctl.del(ifname, ends));
  }

  // ---- xfrm ----------------------------------------------------------------------------------------------------

  listStates(ns: NetnsRef, filter: XfrmStateFilter, keys: boolean): Promise<Result<XfrmStateInfo[]>> {
    return this.#spaces.ask(ns, (space) => space.xfrm.listStates(filter, keys), ok([]));
  }

  getState(ns: NetnsRef, id: XfrmStateId, keys: boolean) {
    return this.#spaces.ask(ns, (space) => space.xfrm.getState(id, keys), NO_STATE);
  }

  newState(ns: NetnsRef, request: XfrmStateRequest): Promise<Result<XfrmStateInfo>> {
    return this.#spaces.change(ns, (space) => space.stateChange(request, "new"));
  }

  updState(ns: NetnsRef, request: XfrmStateRequest) {
    return this.#spaces.change(ns, (space) => space.stateChange(request, "upd"));
  }

  delState(ns: NetnsRef, id: XfrmStateId) {
    return this.#spaces.change(ns, (space) => space.xfrmChange((xfrm) => xfrm.delState(id)));
  }

  flushStates(ns: NetnsRef, filter: XfrmStateFilter) {
    return this.#spaces.change(ns, (space) => space.xfrmChange((xfrm) => xfrm.flushStates(filter)));
  }

  allocSpi(ns: NetnsRef, request: AllocSpiRequest) {
    return this.#spaces.change(ns, (space) => space.xfrmChange((xfrm) => xfrm.allocSpi(request)));
  }

  listPolicies(ns: NetnsRef) {
    return this.#spaces.ask(ns, (space) => space.xfrm.listPolicies(), ok([]));
  }

  getPolicy(ns: NetnsRef, id: XfrmPolicyId) {
    return this.#spaces.ask(ns, (space) => space.xfrm.getPolicy(id), NO_POLICY);
  }

  newPolicy(ns: NetnsRef, request: XfrmPolicyRequest) {
    return this.#spaces.change(ns, (space) => space.xfrmChange((xfrm) => xfrm.newPolicy(request)));
  }

  updPolicy(ns: NetnsRef, request: XfrmPolicyRequest) {
    return this.#spaces.change(ns, (space) => space.xfrmChange((xfrm) => xfrm.updPolicy(request)));
  }

  delPolicy(ns: NetnsRef, id: XfrmPolicyId) {
    return this.#spaces.change(ns, (space) => space.xfrmChange((xfrm) => xfrm.delPolicy(id)));
  }

  getSpd(ns: NetnsRef) {
    return this.#spaces.ask(ns, (space) => space.xfrm.getSpd(), ok(INITIAL_SPD));
  }

  setSpd(ns: NetnsRef, change: XfrmSpdChange) {
    return this.#spaces.change(ns, (space) => space.xfrmChange((xfrm) => xfrm.setSpd(change)));
  }

  flushPolicies(ns: NetnsRef, ptype: "main" | "sub") {
    return this.#spaces.change(ns, (space) => space.xfrmChange((xfrm) => xfrm.flushPolicies(ptype)));
  }

  xfrmStat(ns: NetnsRef) {
    return this.#spaces.ask(ns, (space) => ok(space.xfrmStat()), ok(NO_XFRM_STAT));
  }

  // ---- the whole -----------------------------------------------------------------------------------------------

  health(): GatewayHealth {
    return {
      ready: this.#supervisor.workers().every((worker) => worker.state === "running"),
      placement: this.#placement.mode,
      crypto: this.#backend.name,
      workers: this.#supervisor.workers().map((worker) => ({
        id: worker.slot,
        state: worker.state,
        restarts: worker.restarts,
        actors: worker.actors.map((actor) => this.#actorName(actor)),
      })),
      uptime_seconds: (performance.now() - this.#started) / 1000,
    };
  }

  #actorName(actor: number): string {
    const space = this.#spaces.ownerOf(actor);
    return space === undefined ? `actor ${actor}` : `${space.name}/${space.actors.words.get(actor)}`;
  }

  events(after: number, signal: AbortSignal): AsyncIterable<GatewayEvent> {
    return this.#events.since(after, signal);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    const orderly = await this.#supervisor.stop();
    this.#spaces.closeFds();
    this.#keepers.close(orderly);
    // A thread that may still run would write into what is no longer there.
    if (orderly) this.#poison.close();
  }
}

function hasInode(ns: NetnsRef, inode: number | null): boolean {
  try {
    return netnsInode(ns) === inode;
  } catch {
    return false;
  }
}
