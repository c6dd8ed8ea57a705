/**
 * SAD and SPD of one namespace on the control side: what XFRM_MSG_* does in net/xfrm/xfrm_user.c. Pure and
 * synchronous; the SA-table actor follows by the changes that `send` gives it.
 */
import type {
  AllocSpiRequest,
  XfrmAcquireInfo,
  XfrmPolicyId,
  XfrmPolicyInfo,
  XfrmPolicyRequest,
  XfrmSpdChange,
  XfrmSpdInfo,
  XfrmStateFilter,
  XfrmStateId,
  XfrmStateInfo,
  XfrmStateRequest,
} from "../gateway.ts";
import type { WantedState } from "../../datapath/xfrm/xfrm_acquire.ts";
import { ok, type Result } from "./kernel_error.ts";
import { WaysOut } from "./vti_carrier.ts";
import type { XfrmChange } from "./xfrm_change.ts";
import type { XfrmUserDeps } from "./xfrm_deps.ts";
import type { KeptState } from "./xfrm_state_kept.ts";
import { XfrmSpd } from "./xfrm_spd.ts";
import { XfrmPolicyUser } from "./xfrm_policy_user.ts";
import { XfrmStateUser } from "./xfrm_state_user.ts";

/** A row of the store, with the memory that its cells are in. */
export interface RestoredThing extends KeptState {
  readonly kind: "state" | "policy" | "spd";
}

export type { XfrmChange } from "./xfrm_change.ts";
export type { XfrmUserDeps } from "./xfrm_deps.ts";

export class XfrmUser {
  readonly #deps: XfrmUserDeps;
  readonly #states: XfrmStateUser;
  readonly #policies: XfrmPolicyUser;
  readonly #spd: XfrmSpd;

  constructor(deps: XfrmUserDeps) {
    this.#deps = deps;
    this.#states = new XfrmStateUser(deps);
    this.#policies = new XfrmPolicyUser(deps);
    this.#spd = new XfrmSpd(deps);
  }

  get stateCount(): number {
    return this.#states.size;
  }

  get policyCount(): number {
    return this.#policies.size;
  }

  /** EEXIST: an SA with this destination, SPI and protocol accepts the new one's mark. */
  newState(request: XfrmStateRequest): Result<XfrmStateInfo> {
    return this.#states.newState(request);
  }

  /** ESRCH: none such. EINVAL: the encap type is another. */
  updState(request: XfrmStateRequest): Result<XfrmStateInfo> {
    return this.#states.updState(request);
  }

  verifyState(request: XfrmStateRequest, op: "new" | "upd"): Result<void> {
    return this.#states.verifyState(request, op);
  }

  delState(id: XfrmStateId): Result<void> {
    return this.#states.delState(id);
  }

  getState(id: XfrmStateId, keys: boolean): Result<XfrmStateInfo> {
    return this.#states.getState(id, keys);
  }

  listStates(filter: XfrmStateFilter, keys: boolean): Result<XfrmStateInfo[]> {
    return this.#states.listStates(filter, keys);
  }

  flushStates(filter: XfrmStateFilter): Result<number> {
    return this.#states.flushStates(filter);
  }

  /** ENOENT: no SPI of the range is free. */
  allocSpi(request: AllocSpiRequest): Result<XfrmStateInfo> {
    return this.#states.allocSpi(request);
  }

  /** EEXIST: a policy has this selector, direction, type, mark and if_id. */
  newPolicy(request: XfrmPolicyRequest): Result<XfrmPolicyInfo> {
    return this.#policies.newPolicy(request);
  }

  updPolicy(request: XfrmPolicyRequest): Result<XfrmPolicyInfo> {
    return this.#policies.updPolicy(request);
  }

  delPolicy(id: XfrmPolicyId): Result<void> {
    return this.#policies.delPolicy(id);
  }

  getPolicy(id: XfrmPolicyId): Result<XfrmPolicyInfo> {
    return this.#policies.getPolicy(id);
  }

  listPolicies(): Result<XfrmPolicyInfo[]> {
    return ok(this.#policies.listPolicies());
  }

  flushPolicies(ptype: "main" | "sub"): Result<number> {
    return ok(this.#policies.flushPolicies(ptype));
  }

  getSpd(): Result<XfrmSpdInfo> {
    return ok(this.#spd.info);
  }

  setSpd(change: XfrmSpdChange): Result<XfrmSpdInfo> {
    return this.#spd.set(change);
  }

  /** What can leave, as things are now. */
  waysOut(): WaysOut {
    return new WaysOut(this.#policies.served(), this.#states.all());
  }

  /** Takes up again what the store has, oldest first, before any actor is made. Fails as adding it would. */
  restore(thing: RestoredThing): Result<void> {
    return { state: this.#states, policy: this.#policies, spd: this.#spd }[thing.kind].restore(thing);
  }

  /** Everything that a new SA-table actor must be told, in order. */
  snapshot(): XfrmChange[] {
    return [...this.#spd.snapshot(), ...this.#states.snapshot(), ...this.#policies.snapshot()];
  }

  /** The SA table reports that an SA has met a soft or hard limit of bytes or packets. */
  expired(number: number, hard: boolean): void {
    this.#states.expired(number, hard);
  }

  /** The SA table reports that packets of an SA in UDP come from another place. */
  mapped(number: number, src: number, port: number): void {
    this.#states.mapped(number, src, port);
  }

  /** The SA table reports a flow without an SA. Where nobody listens nobody can add one (ESRCH of km_query()). */
  acquire(wanted: WantedState): void {
    const template = this.#deps.isHeard() ? this.#policies.wanting(wanted) : null;
    const state = template && this.#states.acquire(wanted, template);
    if (state === null) return;
    const acquire: XfrmAcquireInfo = { state, policy: template!.info };
    this.#deps.event("acquire", acquire);
  }

  /** Ends what has passed its time. To be called about once a second; `now` by XfrmUserDeps.now(). */
  tick(now: number): void {
    this.#states.tick(Math.floor(now));
    this.#policies.tick(Math.floor(now));
  }
}
