/**
 * What a gateway offers to its users: the interface that api/ serves and that start_gateway.ts implements.
 *
 * Addresses are text ("192.0.2.1", "2001:db8::1"), keys of devices are numbers in host order (mark values), SPIs and
 * marks are numbers, secret keys are "0x" and hex digits. Names are those of iproute2's JSON output.
 */
import type { XfrmMib } from "../datapath/drop_reason.ts";
import type { Result } from "./control/kernel_error.ts";
import type {
  LinkChange,
  LinkInfo,
  LinkRequest,
  TunnelEnds,
  TunnelInfo,
  TunnelParm,
  TunnelRequest,
} from "./gateway_links.ts";

export type * from "./gateway_links.ts";

/** A namespace: a name under /run/netns, "pid:N", or "self" (the daemon's own). */
export type NetnsRef = string;

// ---- xfrm ----------------------------------------------------------------------------------------------------

export interface XfrmMark {
  readonly value: number;
  readonly mask: number;
}

export interface XfrmSelectorInfo {
  /** Address and prefix, "10.0.0.0/8"; "0.0.0.0/0" or "::/0" is any. */
  readonly src: string;
  readonly dst: string;
  /** IP protocol number, 0 any. */
  readonly proto: number;
  readonly sport: number;
  readonly sport_mask: number;
  readonly dport: number;
  readonly dport_mask: number;
  /** Interface name, absent any. */
  readonly dev?: string;
}

/** A u64: a number, or its decimal digits where it is more than a number holds exactly. */
export type U64 = number | string;

/** Byte and packet limits, absent infinite; times in seconds, absent or 0 off. */
export interface XfrmLimits {
  readonly byte_soft?: U64;
  readonly byte_hard?: U64;
  readonly packet_soft?: U64;
  readonly packet_hard?: U64;
  readonly time_soft?: U64;
  readonly time_hard?: U64;
  readonly time_use_soft?: U64;
  readonly time_use_hard?: U64;
}

export type XfrmProto = "esp" | "ah" | "comp";
export type XfrmMode = "transport" | "tunnel" | "ro" | "in_trigger" | "beet";
export const XFRM_STATE_FLAGS = [
  "noecn",
  "decap-dscp",
  "nopmtudisc",
  "wildrecv",
  "icmp",
  "af-unspec",
  "align4",
  "esn",
] as const;
export type XfrmStateFlag = (typeof XFRM_STATE_FLAGS)[number];
export const XFRM_STATE_EXTRA_FLAGS = ["dont-encap-dscp", "oseq-may-wrap"] as const;
export type XfrmStateExtraFlag = (typeof XFRM_STATE_EXTRA_FLAGS)[number];

/** What names an SA (its mark too). */
export interface XfrmStateId {
  readonly src: string;
  readonly dst: string;
  readonly proto: XfrmProto;
  readonly spi: number;
  readonly mark?: XfrmMark;
}

export interface XfrmStateRequest extends XfrmStateId {
  readonly reqid?: number;
  /** iproute2's default is transport, which a vti does not take. */
  readonly mode?: XfrmMode;
  readonly replay_window?: number;
  readonly replay_seq?: number;
  readonly replay_oseq?: number;
  readonly replay_seq_hi?: number;
  readonly replay_oseq_hi?: number;
  readonly flags?: readonly XfrmStateFlag[];
  readonly extra_flags?: readonly XfrmStateExtraFlag[];
  readonly aead?: { readonly name: string; readonly key: string; readonly icv_bits: number };
  readonly enc?: { readonly name: string; readonly key: string };
  /** Absent trunc_bits: the algorithm's default. */
  readonly auth?: { readonly name: string; readonly key: string; readonly trunc_bits?: number };
  readonly comp?: { readonly name: string };
  readonly encap?: {
    /** espintcp is refused, as by a kernel without CONFIG_INET_ESPINTCP. */
    readonly type: "espinudp" | "espinudp-nonike" | "espintcp";
    readonly sport: number;
    readonly dport: number;
    readonly oaddr: string;
  };
  readonly sel?: XfrmSelectorInfo;
  readonly limits?: XfrmLimits;
  readonly output_mark?: XfrmMark;
  readonly seq?: number;
  readonly tfcpad?: number;
  readonly if_id?: number;
  /** Refused, as for devices without IPsec of their own. */
  readonly offload?: { readonly dev?: string; readonly dir: "in" | "out" };
}

/** An SA as listed. Keys are "<<Keys hidden>>" unless they were asked for. */
export interface XfrmStateInfo
  extends Required<Pick<XfrmStateRequest, "src" | "dst" | "spi" | "reqid" | "mode">> {
  /** "ipip": the companion of IPComp SAs in tunnel mode, which comes and goes with them. */
  readonly proto: XfrmProto | "ipip";
  readonly mark?: XfrmMark;
  readonly replay_window: number;
  readonly flags: readonly XfrmStateFlag[];
  readonly extra_flags: readonly XfrmStateExtraFlag[];
  readonly aead?: {
    readonly name: string;
    readonly key: string;
    readonly key_bits: number;
    readonly icv_bits: number;
  };
  readonly enc?: { readonly name: string; readonly key: string; readonly key_bits: number };
  readonly auth?: {
    readonly name: string;
    readonly key: string;
    readonly key_bits: number;
    readonly trunc_bits: number;
  };
  readonly comp?: { readonly name: string };
  readonly encap?: XfrmStateRequest["encap"];
  readonly sel: XfrmSelectorInfo | null;
  readonly output_mark?: XfrmMark;
  readonly tfcpad?: number;
  readonly if_id?: number;
  /** Why nothing is taken that arrives with this SA, when that is so. */
  readonly input_refused?: string;
  readonly seq: number;
  readonly limits: XfrmLimits;
  readonly replay: {
    readonly kind: "legacy" | "bitmap" | "esn";
    readonly seq: number;
    readonly oseq: number;
    readonly seq_hi: number;
    readonly oseq_hi: number;
    /** 32-bit words, lowest first, as XFRMA_REPLAY_ESN_VAL has them. */
    readonly bitmap: readonly number[];
  };
  readonly lifetime: {
    readonly bytes: number;
    readonly packets: number;
    /** Seconds since 1970; 0 never. */
    readonly add_time: number;
    readonly use_time: number;
  };
  readonly stats: { readonly replay_window: number; readonly replay: number; readonly failed: number };
}

export type PolicyDir = "in" | "out" | "fwd";
export interface XfrmTemplateInfo {
  readonly src?: string;
  readonly dst?: string;
  readonly proto: XfrmProto;
  readonly spi?: number;
  readonly reqid?: number;
  readonly mode?: XfrmMode;
  readonly level?: "required" | "use";
}

/** What names a policy: the selector, or its index. */
export interface XfrmPolicyId {
  readonly sel?: XfrmSelectorInfo;
  readonly index?: number;
  readonly dir: PolicyDir;
  readonly mark?: XfrmMark;
  readonly ptype?: "main" | "sub";
  readonly if_id?: number;
}

export interface XfrmPolicyRequest extends XfrmPolicyId {
  readonly sel: XfrmSelectorInfo;
  readonly action?: "allow" | "block";
  readonly priority?: number;
  readonly flags?: readonly ("localok" | "icmp")[];
  readonly limits?: XfrmLimits;
  readonly tmpl?: readonly XfrmTemplateInfo[];
}

export interface XfrmPolicyInfo {
  readonly sel: XfrmSelectorInfo;
  readonly dir: PolicyDir;
  readonly action: "allow" | "block";
  readonly index: number;
  readonly priority: number;
  readonly ptype: "main" | "sub";
  readonly flags: readonly ("localok" | "icmp")[];
  readonly mark?: XfrmMark;
  readonly if_id?: number;
  readonly tmpl: readonly Required<XfrmTemplateInfo>[];
  readonly limits: XfrmLimits;
  readonly lifetime: {
    readonly bytes: number;
    readonly packets: number;
    readonly add_time: number;
    readonly use_time: number;
  };
}

export type DefaultPolicy = "accept" | "block";
/** Shortest prefixes, of both ends, with which Linux keeps policies in its hash; that changes no answer. */
export interface XfrmThreshold {
  readonly lbits: number;
  readonly rbits: number;
}

/** What the SPD says beside its policies. */
export interface XfrmSpdInfo {
  /** Where no policy decides. A gateway forwards nothing itself, and a vti sends nothing without a policy. */
  readonly default: Readonly<Record<PolicyDir, DefaultPolicy>>;
  readonly hthresh4: XfrmThreshold;
  readonly hthresh6: XfrmThreshold;
}

/** What is absent stays as it is. */
export interface XfrmSpdChange {
  readonly default?: {
    readonly in?: DefaultPolicy;
    readonly fwd?: DefaultPolicy;
    readonly out?: DefaultPolicy;
  };
  readonly hthresh4?: XfrmThreshold;
  readonly hthresh6?: XfrmThreshold;
}

/** Body of an "acquire": an SA is wanted, and a larval one stands for it until it comes or time is up. */
export interface XfrmAcquireInfo {
  /** The larval SA: protocol, ends, mode, reqid and mark of the template, the flow as selector, seq to answer with. */
  readonly state: XfrmStateInfo;
  readonly policy: XfrmPolicyInfo;
}

/** Body of a "mapping": packets of an SA in UDP come from another place than it says, or than they did. */
export interface XfrmMappingInfo {
  readonly state: XfrmStateInfo;
  readonly new_src: string;
  readonly new_sport: number;
}

export interface XfrmStateFilter {
  readonly src?: string;
  readonly dst?: string;
  readonly proto?: XfrmProto;
  readonly spi?: number;
  readonly mode?: XfrmMode;
  readonly reqid?: number;
}

export interface AllocSpiRequest extends Omit<XfrmStateId, "spi"> {
  readonly mode?: XfrmMode;
  readonly reqid?: number;
  readonly seq?: number;
  readonly min?: number;
  readonly max?: number;
}

// ---- the whole -----------------------------------------------------------------------------------------------

export interface NetnsInfo {
  /** Name under /run/netns where it has one, else "self" or "pid:N" as asked for. */
  readonly name: string;
  /** Inode of the namespace: what it really is. */
  readonly inode: number;
  readonly links: number;
  readonly states: number;
  readonly policies: number;
}

export interface WorkerInfo {
  readonly id: number;
  readonly actors: readonly string[];
  readonly restarts: number;
  readonly state: string;
}

export interface GatewayHealth {
  readonly ready: boolean;
  readonly placement: "packed" | "isolated";
  readonly crypto: "ipsec-mb" | "libcrypto" | "noble";
  readonly workers: readonly WorkerInfo[];
  readonly uptime_seconds: number;
}

/** Something that happened, as `ip monitor` and `ip xfrm monitor` would tell it. */
export interface GatewayEvent {
  readonly id: number;
  /** Seconds since 1970, with fraction. */
  readonly time: number;
  readonly netns: string;
  readonly kind:
    | "newlink"
    | "dellink"
    | "newsa"
    | "updsa"
    | "delsa"
    | "flushsa"
    | "newpolicy"
    | "updpolicy"
    | "delpolicy"
    | "flushpolicy"
    | "setdefault"
    | "expire"
    | "acquire"
    | "mapping"
    | "worker";
  readonly body: unknown;
}

export interface Gateway {
  listNetns(): Promise<NetnsInfo[]>;
  getNetns(ns: NetnsRef): Promise<Result<NetnsInfo>>;
  /** Creates the namespace under /run/netns when it is not there (`ip netns add`), and starts serving it. */
  newNetns(name: string): Promise<Result<NetnsInfo>>;
  /** exit_batch: removes every device, state and policy of the namespace, then its name under /run/netns. */
  delNetns(name: string): Promise<Result<void>>;

  listLinks(ns: NetnsRef): Promise<Result<LinkInfo[]>>;
  getLink(ns: NetnsRef, ifname: string): Promise<Result<LinkInfo>>;
  newlink(ns: NetnsRef, request: LinkRequest): Promise<Result<LinkInfo>>;
  /** replace: full replacement, as the kernel's message; else read-modify-write, as iproute2. */
  changelink(ns: NetnsRef, ifname: string, change: LinkChange, replace: boolean): Promise<Result<LinkInfo>>;
  dellink(ns: NetnsRef, ifname: string): Promise<Result<void>>;

  listTunnels(ns: NetnsRef): Promise<Result<TunnelInfo[]>>;
  /** The ioctls of `ip tunnel` (ip_tunnel_ctl). `ifname` is the device addressed; ip_vti0 stands for the ends given. */
  getTunnel(ns: NetnsRef, ifname: string, ends: TunnelEnds): Promise<Result<TunnelInfo>>;
  addTunnel(ns: NetnsRef, request: TunnelRequest): Promise<Result<TunnelInfo>>;
  chgTunnel(ns: NetnsRef, ifname: string, parm: TunnelParm): Promise<Result<TunnelInfo>>;
  delTunnel(ns: NetnsRef, ifname: string, ends: TunnelEnds): Promise<Result<void>>;

  listStates(ns: NetnsRef, filter: XfrmStateFilter, keys: boolean): Promise<Result<XfrmStateInfo[]>>;
  getState(ns: NetnsRef, id: XfrmStateId, keys: boolean): Promise<Result<XfrmStateInfo>>;
  newState(ns: NetnsRef, request: XfrmStateRequest): Promise<Result<XfrmStateInfo>>;
  updState(ns: NetnsRef, request: XfrmStateRequest): Promise<Result<XfrmStateInfo>>;
  delState(ns: NetnsRef, id: XfrmStateId): Promise<Result<void>>;
  /** Removes the states that match; returns how many. */
  flushStates(ns: NetnsRef, filter: XfrmStateFilter): Promise<Result<number>>;
  allocSpi(ns: NetnsRef, request: AllocSpiRequest): Promise<Result<XfrmStateInfo>>;

  listPolicies(ns: NetnsRef): Promise<Result<XfrmPolicyInfo[]>>;
  getPolicy(ns: NetnsRef, id: XfrmPolicyId): Promise<Result<XfrmPolicyInfo>>;
  newPolicy(ns: NetnsRef, request: XfrmPolicyRequest): Promise<Result<XfrmPolicyInfo>>;
  updPolicy(ns: NetnsRef, request: XfrmPolicyRequest): Promise<Result<XfrmPolicyInfo>>;
  delPolicy(ns: NetnsRef, id: XfrmPolicyId): Promise<Result<void>>;
  flushPolicies(ns: NetnsRef, ptype: "main" | "sub"): Promise<Result<number>>;
  getSpd(ns: NetnsRef): Promise<Result<XfrmSpdInfo>>;
  setSpd(ns: NetnsRef, change: XfrmSpdChange): Promise<Result<XfrmSpdInfo>>;

  /** Counters of /proc/net/xfrm_stat. */
  xfrmStat(ns: NetnsRef): Promise<Result<Record<XfrmMib, number>>>;
  health(): GatewayHealth;
  /** Events with a larger id than `after`, as they come, until the signal aborts; `after` -1: only new ones. */
  events(after: number, signal: AbortSignal): AsyncIterable<GatewayEvent>;
  /** Closes every device and socket and ends the workers. */
  close(): Promise<void>;
}
