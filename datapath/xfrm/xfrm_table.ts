/**
 * The SA table of one netns: SAD, SPD, bundles, and the two ways of a batch through them. An SA-table actor owns one.
 */
import type { Batch } from "../batch.ts";
import { DROP_MIB } from "../drop_reason.ts";
import type { CryptoBackend, CryptoRefusal, SealsTogether } from "../esp/aead.ts";
import type { Compressor } from "../ipcomp/compressor.ts";
import { receive } from "../receive.ts";
import { transmit } from "../transmit.ts";
import { Flow } from "./flow.ts";
import { FlowCache, LastEntry } from "./flow_cache.ts";
import { InputRun } from "./input_run.ts";
import { RouteCache, type RouteLookup, type StackRoutes } from "./route_lookup.ts";
import { PolicyTable } from "./xfrm_policy.ts";
import { CELL_OSEQ } from "./xfrm_cells.ts";
import { Acquires } from "./xfrm_acquire.ts";
import type { OuterSource } from "./xfrm_outer_header.ts";
import { IPPROTO_COMP, IPPROTO_ESP, type XfrmPolicyRecord, type XfrmStateRecord } from "./xfrm_record.ts";
import { EXPIRY_DYING, EXPIRY_VALID, HARD_EXPIRED, XfrmState, type XfrmStateUpdate } from "./xfrm_state.ts";
import { StateTable } from "./xfrm_state_table.ts";

/** ifindex of `lo` in every netns; a packet for this host is routed to it. */
export const LOOPBACK_IFINDEX = 1;

/** Stands for every interface: the sysctl of net.ipv4.conf.all. */
export const ANY_DEVICE = 0;

/** How far a quoted sequence number may be behind: a second of a million packets. */
const RECENT_PACKETS = 1 << 20;

export interface XfrmTableOptions {
  readonly backend: CryptoBackend;
  readonly compressor: Compressor;
  readonly routes: RouteLookup;
  readonly stackRoutes: StackRoutes;
  /** One cell for each XFRM_MIB, in shared memory. */
  readonly mib: Float64Array;
  /** sysctl net.ipv4.ip_default_ttl. */
  readonly ipDefaultTtl: number;
}

export class XfrmTable implements OuterSource {
  readonly states: StateTable = new StateTable();
  readonly policies: PolicyTable = new PolicyTable();
  readonly routeCache: RouteCache;
  readonly compressor: Compressor;
  readonly stackRoutes: StackRoutes;
  /** TTL of outer headers whose route has none. */
  defaultTtl: number;
  /** SAs that outgoing flows miss. */
  readonly acquires: Acquires = new Acquires();
  /** Bundles of outgoing flows; verdicts on outer and on inner packets that came in. */
  readonly bundles: FlowCache = new FlowCache();
  readonly outerChecks: FlowCache = new FlowCache();
  readonly innerChecks: FlowCache = new FlowCache();
  /** Verdicts of the stack's policies, and where it takes a flow. */
  readonly hostChecks: FlowCache = new FlowCache();
  readonly forwardChecks: FlowCache = new FlowCache();
  readonly inputRoutes: FlowCache = new FlowCache();
  readonly lastBundle: LastEntry = new LastEntry();
  readonly lastInnerCheck: LastEntry = new LastEntry();
  readonly run: InputRun = new InputRun();
  /** What arrives and meets no policy is dropped (policy_default of struct netns_xfrm). */
  blocksIn = false;
  blocksFwd = false;
  /** Interfaces with net.ipv4.conf.*.disable_policy, or disable_xfrm; null: none. */
  #noPolicy: ReadonlySet<number> | null = null;
  #noXfrm: ReadonlySet<number> | null = null;
  /** Grows with every change that a cached bundle or verdict depends on. */
  generation = 1;

  /** The packet in hand: its flow, why a step refused it, its sequence number, its outer identification and TTL. */
  readonly flow: Flow = new Flow();
  reason = 0;
  seq = 0;
  id = 0;
  ttl = 0;
  /** Whole seconds of a clock that nobody sets; its owner moves it on before each batch. */
  now = 0;

  readonly seals: SealsTogether | null;
  readonly #backend: CryptoBackend;
  readonly #mib: Float64Array;
  #lastId: number = Math.floor(Math.random() * 65536);
  #expired: { readonly number: number; readonly hard: boolean }[] = [];
  readonly #mapped: Set<XfrmState> = new Set();

  constructor(options: XfrmTableOptions) {
    this.#backend = options.backend;
    this.seals = options.backend.seals ?? null;
    this.#mib = options.mib;
    this.routeCache = new RouteCache(options.routes);
    this.compressor = options.compressor;
    this.stackRoutes = options.stackRoutes;
    this.defaultTtl = options.ipDefaultTtl;
  }

  /**
   * Adds an SA; the keys in its record belong to the table from here on, which zeroes them in the end.
   * Returns null, or why the algorithms or keys won't do.
   */
  addState(record: XfrmStateRecord): CryptoRefusal | null {
    const made = XfrmState.create(record, this.#backend);
    if (!(made instanceof XfrmState)) return made;
    this.delState(record.number);
    this.states.insert(made);
    this.generation++;
    return null;
  }

  /** Adds an SA that has an SPI and no keys yet; it goes by delState() or when another of its number is added. */
  reserveState(record: Omit<XfrmStateRecord, "cells">): void {
    this.delState(record.number);
    this.states.insert(XfrmState.reserve(record, this.#backend));
    this.generation++;
  }

  /** What an update may replace in a valid SA; it also ends dying. False when there is no such SA. */
  updState(change: XfrmStateUpdate): boolean {
    const state = this.states.get(change.number);
    if (state === undefined) return false;
    state.update(change);
    this.generation++;
    return true;
  }

  /** Removes an SA and zeroes its keys; false when there is none. */
  delState(number: number): boolean {
    const state = this.states.get(number);
    if (state === undefined) return false;
    this.states.remove(state);
    this.#mapped.delete(state);
    state.destroy();
    this.generation++;
    return true;
  }

  setDefault(blocksIn: boolean, blocksFwd: boolean): void {
    this.blocksIn = blocksIn;
    this.blocksFwd = blocksFwd;
    this.generation++;
  }

  /** Interfaces whose packets meet no policy on the way in, and those that are sent by untransformed. */
  exempt(noPolicy: readonly number[], noXfrm: readonly number[]): void {
    this.#noPolicy = noPolicy.length === 0 ? null : new Set(noPolicy);
    this.#noXfrm = noXfrm.length === 0 ? null : new Set(noXfrm);
    this.generation++;
  }

  /** The stack has a policy for what such an SA carried, or drops what none allows. */
  isStackAsked(state: XfrmState): boolean {
    return this.policies.unmarkedIn > 0 || this.blocksIn || this.blocksFwd || state.outputMark !== null;
  }

  /** IPv4 that came in by the interface meets no policy (IPSKB_NOPOLICY). */
  isNoPolicy(ifindex: number): boolean {
    const exempt = this.#noPolicy;
    return exempt !== null && (exempt.has(ANY_DEVICE) || exempt.has(ifindex));
  }

  /** The way of IPv4 out of the interface is no IPsec's (DST_NOXFRM). */
  isNoXfrm(ifindex: number): boolean {
    const exempt = this.#noXfrm;
    return exempt !== null && (exempt.has(ANY_DEVICE) || exempt.has(ifindex));
  }

  /** A soft time limit passed: the SA is used only when no other fits. */
  setDying(number: number): void {
    const state = this.states.get(number);
    if (state === undefined || state.expiry !== EXPIRY_VALID) return;
    state.setExpiry(EXPIRY_DYING);
    this.generation++;
  }

  /** Adds a policy, in place of the one with the same index, direction and type. */
  addPolicy(record: XfrmPolicyRecord): void {
    this.policies.add(record);
    this.generation++;
  }

  /** False when there is none. */
  delPolicy(index: number, dir: number, type: number): boolean {
    const found = this.policies.delete(index, dir, type);
    if (found) this.generation++;
    return found;
  }

  /** Forgets every outer route: a route, an interface or a path MTU changed. */
  routesChanged(): void {
    this.routeCache.clear();
    this.generation++;
  }

  /** Removes every SA and zeroes all keys; the table must not be used afterwards. */
  destroy(): void {
    this.states.clear();
    this.generation++;
  }

  /** Encapsulates the batch's packets that have no REASON yet. */
  transmit(batch: Batch): void {
    this.seals?.begin();
    transmit(this, batch);
    this.seals?.end();
  }

  /** Decapsulates the batch's packets that have no REASON yet. */
  receive(batch: Batch): void {
    receive(this, batch);
  }

  /**
   * Whether a header that an ICMP error quotes may be one that went out lately: an SA for the mark, destination, SPI
   * and protocol, and a sequence number not far behind its last one. The kernel looks for the SA only (vti4_err); who
   * does not see the traffic can't guess the number (RFC 4301 §8.2.1). IPComp has no numbers to look at.
   */
  hasSent(mark: number, daddr: number, spi: number, seq: number, proto: number = IPPROTO_ESP): boolean {
    const state = this.states.lookup(mark | 0, daddr | 0, spi | 0, proto);
    if (state === null) return false;
    if (proto === IPPROTO_COMP) return true;
    const oseq = state.f64[CELL_OSEQ];
    const low = seq >>> 0;
    // Before the low half has wrapped, what is ahead was never sent, nor was 0.
    if (oseq < 2 ** 32 && (low > oseq || low === 0)) return false;
    return ((oseq - low) >>> 0) < RECENT_PACKETS;
  }

  /** Tells which SAs reached a byte or packet limit since the last call: `hard` and it is gone, else it is dying. */
  drainExpired(tell: (number: number, hard: boolean) => void): void {
    if (this.#expired.length === 0) return;
    const taken = this.#expired;
    this.#expired = [];
    for (const { number, hard } of taken) tell(number, hard);
  }

  /** Tells which SAs have had packets from another source address (u32, host order) or port since the last call. */
  drainMapped(tell: (number: number, src: number, port: number) => void): void {
    if (this.#mapped.size === 0) return;
    for (const { number, mappedSrc, mappedPort } of this.#mapped) tell(number, mappedSrc >>> 0, mappedPort);
    this.#mapped.clear();
  }

  mapped(state: XfrmState): void {
    this.#mapped.add(state);
  }

  /** checkExpire() gave SOFT_EXPIRED or HARD_EXPIRED: another SA may be the better one now. */
  expired(state: XfrmState, expiry: number): void {
    this.#expired.push({ number: state.number, hard: expiry === HARD_EXPIRED });
    this.generation++;
  }

  /** Counts a DropReason in /proc/net/xfrm_stat's cells. */
  countMib(reason: number): void {
    const cell = DROP_MIB[reason];
    if (cell >= 0) this.#mib[cell]++;
  }

  /** Counts up, so that fragments of different packets don't mix (RFC 791 §3.2); 0 is left to packets with DF. */
  nextId(): number {
    this.#lastId = this.#lastId === 65535 ? 1 : this.#lastId + 1;
    return this.#lastId;
  }
}
