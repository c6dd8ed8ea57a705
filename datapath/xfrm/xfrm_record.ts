/**
 * What the control path tells an SA table: states and policies as plain records that survive a structured clone.
 * The control path (actors/control/xfrm_user.ts) has validated them; the datapath trusts them.
 */
import type { EspTransformSpec } from "../esp/aead.ts";

export const AF_UNSPEC = 0;
export const AF_INET = 2;
export const AF_INET6 = 10;
export type Family = typeof AF_UNSPEC | typeof AF_INET | typeof AF_INET6;

/** An address as four u32 in host order, most significant first; IPv4 in word 0, the others 0. */
export type AddressWords = readonly [number, number, number, number];

/** As an SA's protocol: the companion of an IPComp SA in tunnel mode, its SPI being the source address. */
export const IPPROTO_IPIP = 4;
export const IPPROTO_UDP = 17;
export const IPPROTO_IPV6 = 41;
export const IPPROTO_ESP = 50;
export const IPPROTO_AH = 51;
export const IPPROTO_COMP = 108;

/** XFRM_MODE_* (include/uapi/linux/xfrm.h). */
export const XfrmModeNumber = { transport: 0, tunnel: 1, ro: 2, in_trigger: 3, beet: 4 } as const;
/** XFRM_STATE_* flags. */
export const XfrmStateFlagBit = {
  noecn: 1,
  "decap-dscp": 2,
  nopmtudisc: 4,
  wildrecv: 8,
  icmp: 16,
  "af-unspec": 32,
  align4: 64,
  esn: 128,
} as const;
/** XFRM_SA_XFLAG_*. */
export const XfrmExtraFlagBit = { "dont-encap-dscp": 1, "oseq-may-wrap": 2 } as const;

export interface MarkRecord {
  readonly value: number;
  readonly mask: number;
}

export interface SelectorRecord {
  /** AF_UNSPEC: matches nothing by itself; the SA carries both families (af-unspec). */
  readonly family: Family;
  readonly saddr: AddressWords;
  readonly prefixlenS: number;
  readonly daddr: AddressWords;
  readonly prefixlenD: number;
  /** 0 any. */
  readonly proto: number;
  readonly sport: number;
  readonly sportMask: number;
  readonly dport: number;
  readonly dportMask: number;
  /** 0 any. */
  readonly ifindex: number;
}

/** struct xfrm_lifetime_cfg; Infinity is XFRM_INF. Times are kept by the control path. */
export interface LifetimeRecord {
  readonly softBytes: number;
  readonly hardBytes: number;
  readonly softPackets: number;
  readonly hardPackets: number;
}

export interface XfrmStateRecord {
  /** Number of the SA in its table, from 1, never used again; names it in messages and in a batch's SA field. */
  readonly number: number;
  readonly family: typeof AF_INET | typeof AF_INET6;
  readonly saddr: AddressWords;
  readonly daddr: AddressWords;
  readonly proto: number;
  readonly spi: number;
  readonly mark: MarkRecord;
  readonly reqid: number;
  readonly mode: number;
  readonly flags: number;
  readonly extraFlags: number;
  readonly sel: SelectorRecord;
  readonly lifetime: LifetimeRecord;
  /** Seconds since 1970; a larger one wins at output (xfrm_state_look_at). */
  readonly addTime: number;
  /** Window of the replay check in packets, and which of the three implementations (net/xfrm/xfrm_replay.c). */
  readonly replayWindow: number;
  readonly replayKind: "legacy" | "bitmap" | "esn";
  /** UDP encapsulation type (2 = RFC 3948, 1 = non-IKE draft), 0 none; ports in host order. */
  readonly encapType: number;
  readonly encapSport: number;
  readonly encapDport: number;
  readonly outputMark: MarkRecord | null;
  readonly tfcpad: number;
  /** Keys and algorithms; `direction` is decided by the table at first use, so both are made when needed. */
  readonly transform: Omit<EspTransformSpec, "direction">;
  /** The replay window was lost: nothing that arrives can be told from a replay, so nothing is taken. */
  readonly inputRefused: boolean;
  /** Cells that outlive the actor: see xfrm_cells.ts. Made by the gateway. */
  readonly cells: ArrayBufferLike;
}

export interface TemplateRecord {
  readonly family: Family;
  readonly saddr: AddressWords;
  readonly daddr: AddressWords;
  readonly proto: number;
  readonly spi: number;
  readonly reqid: number;
  readonly mode: number;
  readonly optional: boolean;
}

export interface XfrmPolicyRecord {
  /** The kernel's index: 8 * n + direction. Unique in its table. */
  readonly index: number;
  /** 0 in, 1 out, 2 fwd. */
  readonly dir: number;
  /** 0 main, 1 sub. */
  readonly type: number;
  readonly family: typeof AF_INET | typeof AF_INET6;
  readonly sel: SelectorRecord;
  readonly mark: MarkRecord;
  readonly block: boolean;
  readonly priority: number;
  /** Order of insertion: among equal priorities the smaller one wins. */
  readonly order: number;
  readonly templates: readonly TemplateRecord[];
  /** Two Float64 cells that outlive the actor: [0] use time in seconds since 1970, 0 never. */
  readonly cells: ArrayBufferLike;
}
