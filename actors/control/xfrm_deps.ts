/**
 * What the SAD and SPD of a namespace need of those around them.
 */
import type { GatewayEvent } from "../gateway.ts";
import type { Keeper, Slot } from "./keeper.ts";
import type { Errno } from "./kernel_error.ts";
import type { XfrmChange } from "./xfrm_change.ts";
import type { Devices } from "./xfrm_selector.ts";
import type { TransformSpec } from "./xfrm_state_request.ts";

/** What a listing needs: names of devices, and moments as the system's clock has them. */
export interface Listing extends Devices {
  /** Seconds since 1970 of a moment by now(); 0 stays 0, never. */
  wallTime(seconds: number): number;
}

export interface XfrmUserDeps extends Listing {
  readonly keeper: Keeper;
  /** Tells the SA table. Keys in a change are the receiver's own copies. `freed` is to be released once it knows. */
  send(change: XfrmChange, freed?: Slot): void;
  /** Asks whether the datapath can do this (proto: IPPROTO_ESP, _AH or _COMP). Must not keep the keys. */
  checkTransform(
    spec: TransformSpec,
    proto: number,
  ): null | { readonly errno: Errno; readonly message: string };
  /** Sysctls of the namespace, as they stand. */
  readonly sysctls: {
    /** net.ipv4.ip_no_pmtu_disc is not 0. */
    noPmtuDisc(): boolean;
    /** net.core.xfrm_acq_expires, seconds. */
    acqExpires(): number;
  };
  /** Seconds of a clock that nobody sets. */
  now(): number;
  event(kind: GatewayEvent["kind"], body: unknown): void;
  /** Somebody listens to events, and may answer an acquire. */
  isHeard(): boolean;
}
