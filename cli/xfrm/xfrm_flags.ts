/** Flags of states and policies and their bits (include/uapi/linux/xfrm.h), in the order of iproute2's output. */
import type { XfrmPolicyInfo, XfrmStateExtraFlag, XfrmStateFlag } from "../../api/schemas.ts";

/** XFRM_STATE_*. */
export const STATE_FLAG_BITS: Readonly<Record<XfrmStateFlag, number>> = {
  "noecn": 1,
  "decap-dscp": 2,
  "nopmtudisc": 4,
  "wildrecv": 8,
  "icmp": 16,
  "af-unspec": 32,
  "align4": 64,
  "esn": 128,
};

/** XFRM_SA_XFLAG_*. */
export const EXTRA_FLAG_BITS: Readonly<Record<XfrmStateExtraFlag, number>> = {
  "dont-encap-dscp": 1,
  "oseq-may-wrap": 2,
};

export type XfrmPolicyFlag = XfrmPolicyInfo["flags"][number];

/** XFRM_POLICY_*. */
export const POLICY_FLAG_BITS: Readonly<Record<XfrmPolicyFlag, number>> = { "localok": 1, "icmp": 2 };
