/**
 * Bodies of requests. Strict: an unknown member is refused by name. What needs the state of the gateway (names,
 * addresses, algorithms, key lengths) is left to its control path, whose errors are the kernel's.
 */
import { z } from "zod";
import type {
  AllocSpiRequest,
  LinkChange,
  LinkRequest,
  TunnelParm,
  TunnelRequest,
  VtiInfoData,
  XfrmLimits,
  XfrmMark,
  XfrmPolicyRequest,
  XfrmSelectorInfo,
  XfrmSpdChange,
  XfrmStateRequest,
  XfrmTemplateInfo,
} from "../actors/gateway.ts";

/** What a client may import of the shapes that the API speaks. */
export type * from "../actors/gateway.ts";

export const u8 = z.int().min(0).max(0xff);
export const u16 = z.int().min(0).max(0xffff);
export const u32 = z.int().min(0).max(0xffffffff);
/** Bytes, packets, seconds: exact up to 2^53. */
export const count = z.int().min(0);

const ADDRESS_LENGTH = 64;
export const address = z.string().max(ADDRESS_LENGTH).meta({ description: "IPv4 or IPv6 address" });
export const prefix = z.string().max(ADDRESS_LENGTH).meta({ description: "Address and prefix, 10.0.0.0/8" });
export const ifname = z.string().min(1).max(255);
/** Twice XFRM_ALGO_KEY_BUF_SIZE of iproute2, and "0x". */
const key = z.string().max(1026).meta({
  writeOnly: true,
  description: "0x and hex digits, or raw ASCII",
});
const algorithm = z.string().min(1).max(63);

export const proto = z.enum(["esp", "ah", "comp"]);
export const mode = z.enum(["transport", "tunnel", "ro", "in_trigger", "beet"]);
export const dir = z.enum(["in", "out", "fwd"]);
export const ptype = z.enum(["main", "sub"]);
export const stateFlag = z.enum([
  "noecn",
  "decap-dscp",
  "nopmtudisc",
  "wildrecv",
  "icmp",
  "af-unspec",
  "align4",
  "esn",
]);
export const extraFlag = z.enum(["dont-encap-dscp", "oseq-may-wrap"]);
export const policyFlag = z.enum(["localok", "icmp"]);

export const mark = z.strictObject({ value: u32, mask: u32 }) satisfies z.ZodType<XfrmMark>;

export const vtiInfoData = z.strictObject({
  local: address.exactOptional(),
  remote: address.exactOptional(),
  ikey: u32.exactOptional(),
  okey: u32.exactOptional(),
  link: ifname.exactOptional(),
  fwmark: u32.exactOptional(),
}) satisfies z.ZodType<VtiInfoData>;

const linkinfo = z.strictObject({ info_kind: z.literal("vti"), info_data: vtiInfoData.exactOptional() });

const deviceSettings = {
  txqlen: u32.exactOptional(),
  group: u32.exactOptional(),
  master: z.string().max(255).exactOptional(),
  arp: z.boolean().exactOptional(),
  multicast: z.boolean().exactOptional(),
  allmulticast: z.boolean().exactOptional(),
  promisc: z.boolean().exactOptional(),
  trailers: z.boolean().exactOptional(),
  dynamic: z.boolean().exactOptional(),
  linkmode: z.enum(["DEFAULT", "DORMANT"]).exactOptional(),
  gso_max_size: u32.exactOptional(),
  gso_max_segs: u32.exactOptional(),
  gro_max_size: u32.exactOptional(),
};

export const linkRequest = z.strictObject({
  ifname: ifname.exactOptional(),
  ifindex: z.int().min(1).max(0x7fffffff).exactOptional(),
  mtu: u32.exactOptional(),
  up: z.boolean().exactOptional(),
  ...deviceSettings,
  linkinfo,
}) satisfies z.ZodType<LinkRequest>;

export const linkChange = z.strictObject({
  ifname: ifname.exactOptional(),
  mtu: u32.exactOptional(),
  up: z.boolean().exactOptional(),
  ...deviceSettings,
  ifalias: z.string().max(255).exactOptional(),
  inet6_addr_gen_mode: z.enum(["eui64", "none", "stable_secret", "random"]).exactOptional(),
  linkinfo: linkinfo.exactOptional(),
}) satisfies z.ZodType<LinkChange>;

const tunnelParts = {
  local: address.exactOptional(),
  remote: address.exactOptional(),
  ikey: u32.exactOptional(),
  okey: u32.exactOptional(),
  link: ifname.exactOptional(),
  ttl: u8.exactOptional(),
  tos: u8.exactOptional(),
  pmtudisc: z.boolean().exactOptional(),
};

export const tunnelParm = z.strictObject(tunnelParts) satisfies z.ZodType<TunnelParm>;

export const tunnelRequest = z.strictObject({
  ifname: ifname.exactOptional(),
  ...tunnelParts,
}) satisfies z.ZodType<TunnelRequest>;

export const selector = z.strictObject({
  src: prefix,
  dst: prefix,
  proto: u8,
  sport: u16,
  sport_mask: u16,
  dport: u16,
  dport_mask: u16,
  dev: ifname.exactOptional(),
}) satisfies z.ZodType<XfrmSelectorInfo>;

/** The decimal digits of a number that JSON readers would round. */
export const u64 = z.union([
  count,
  z.string().refine((text) => /^\d{1,20}$/.test(text) && BigInt(text) < 1n << 64n, "a number below 2^64"),
]);

export const limits = z.strictObject({
  byte_soft: u64.exactOptional(),
  byte_hard: u64.exactOptional(),
  packet_soft: u64.exactOptional(),
  packet_hard: u64.exactOptional(),
  time_soft: u64.exactOptional(),
  time_hard: u64.exactOptional(),
  time_use_soft: u64.exactOptional(),
  time_use_hard: u64.exactOptional(),
}) satisfies z.ZodType<XfrmLimits>;

export const encap = z.strictObject({
  type: z.enum(["espinudp", "espinudp-nonike", "espintcp"]),
  sport: u16,
  dport: u16,
  oaddr: address,
});

export const stateRequest = z.strictObject({
  src: address,
  dst: address,
  proto,
  spi: u32,
  mark: mark.exactOptional(),
  reqid: u32.exactOptional(),
  mode: mode.exactOptional(),
  replay_window: u32.exactOptional(),
  replay_seq: u32.exactOptional(),
  replay_oseq: u32.exactOptional(),
  replay_seq_hi: u32.exactOptional(),
  replay_oseq_hi: u32.exactOptional(),
  flags: z.array(stateFlag).max(64).exactOptional(),
  extra_flags: z.array(extraFlag).max(64).exactOptional(),
  aead: z.strictObject({ name: algorithm, key, icv_bits: u32 }).exactOptional(),
  enc: z.strictObject({ name: algorithm, key }).exactOptional(),
  auth: z.strictObject({ name: algorithm, key, trunc_bits: u32.exactOptional() }).exactOptional(),
  comp: z.strictObject({ name: algorithm }).exactOptional(),
  encap: encap.exactOptional(),
  sel: selector.exactOptional(),
  limits: limits.exactOptional(),
  output_mark: mark.exactOptional(),
  seq: u32.exactOptional(),
  tfcpad: u32.exactOptional(),
  if_id: u32.exactOptional(),
  offload: z.strictObject({ dev: ifname.exactOptional(), dir: z.enum(["in", "out"]) }).exactOptional(),
}) satisfies z.ZodType<XfrmStateRequest>;

export const allocSpiRequest = z.strictObject({
  src: address,
  dst: address,
  proto,
  mark: mark.exactOptional(),
  mode: mode.exactOptional(),
  reqid: u32.exactOptional(),
  seq: u32.exactOptional(),
  min: u32.exactOptional(),
  max: u32.exactOptional(),
}) satisfies z.ZodType<AllocSpiRequest>;

export const template = z.strictObject({
  src: address.exactOptional(),
  dst: address.exactOptional(),
  proto,
  spi: u32.exactOptional(),
  reqid: u32.exactOptional(),
  mode: mode.exactOptional(),
  level: z.enum(["required", "use"]).exactOptional(),
}) satisfies z.ZodType<XfrmTemplateInfo>;

export const policyRequest = z.strictObject({
  sel: selector,
  index: u32.exactOptional(),
  dir,
  mark: mark.exactOptional(),
  ptype: ptype.exactOptional(),
  if_id: u32.exactOptional(),
  action: z.enum(["allow", "block"]).exactOptional(),
  priority: u32.exactOptional(),
  flags: z.array(policyFlag).max(64).exactOptional(),
  limits: limits.exactOptional(),
  tmpl: z.array(template).max(64).exactOptional(),
}) satisfies z.ZodType<XfrmPolicyRequest>;

export const defaultPolicy = z.enum(["accept", "block"]);
/** Bits; the control path knows how many an address has. */
export const threshold = z.strictObject({ lbits: u8, rbits: u8 });

export const spdChange = z.strictObject({
  default: z.strictObject({
    in: defaultPolicy.exactOptional(),
    fwd: defaultPolicy.exactOptional(),
    out: defaultPolicy.exactOptional(),
  }).exactOptional(),
  hthresh4: threshold.exactOptional(),
  hthresh6: threshold.exactOptional(),
}) satisfies z.ZodType<XfrmSpdChange>;
