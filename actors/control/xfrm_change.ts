/**
 * What the control path tells the SA-table actor. Keys inside a change are copies that belong to the receiver, who
 * zeroes them once its transforms are made.
 */
import type {
  LifetimeRecord,
  MarkRecord,
  XfrmPolicyRecord,
  XfrmStateRecord,
} from "../../datapath/xfrm/xfrm_record.ts";

/** A record on its way: its cells by the address of their memory, which all threads share. */
export type Sent<R extends { readonly cells: unknown }> = Omit<R, "cells"> & { readonly cells: bigint };

export type XfrmChange =
  | { readonly op: "state-add"; readonly record: Sent<XfrmStateRecord> }
  /** An SPI is taken, its keys are still to come: what arrives by it is refused as such. */
  | { readonly op: "state-reserve"; readonly record: Omit<XfrmStateRecord, "cells"> }
  /** What an update may replace in a valid SA (xfrm_state_update); it also ends dying. */
  | {
    readonly op: "state-upd";
    readonly number: number;
    readonly lifetime: LifetimeRecord;
    readonly encapType: number;
    readonly encapSport: number;
    readonly encapDport: number;
    readonly outputMark: MarkRecord | null;
    /** With the never-for-output bit of an SA whose if_id is not 0. */
    readonly flags: number;
  }
  /** A soft time limit has passed: prefer another SA for output. */
  | { readonly op: "state-dying"; readonly number: number }
  | { readonly op: "state-del"; readonly number: number }
  | { readonly op: "policy-add"; readonly record: Sent<XfrmPolicyRecord> }
  /** Replaces the policy with the record's index; the place among its priority is that of record.order. */
  | { readonly op: "policy-upd"; readonly record: Sent<XfrmPolicyRecord> }
  | { readonly op: "policy-del"; readonly index: number; readonly dir: number; readonly type: number }
  /** What becomes of packets that arrive and meet no policy. */
  | { readonly op: "spd"; readonly blocksIn: boolean; readonly blocksFwd: boolean };
