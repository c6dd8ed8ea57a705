/**
 * Bodies of answers: for the OpenAPI document, and for tests that hold the answers against it.
 */
import { z } from "zod";
import type {
  GatewayEvent,
  GatewayHealth,
  LinkInfo,
  LinkStats,
  NetnsInfo,
  TunnelInfo,
  WorkerInfo,
  XfrmPolicyInfo,
  XfrmSpdInfo,
  XfrmStateInfo,
} from "../actors/gateway.ts";
import type { Problem } from "./problem.ts";
import {
  address,
  count,
  defaultPolicy,
  dir,
  encap,
  extraFlag,
  limits,
  mark,
  mode,
  policyFlag,
  proto,
  ptype,
  selector,
  stateFlag,
  threshold,
  u16,
  u32,
  u8,
} from "./schemas.ts";

export const linkStats = z.strictObject({
  rx: z.strictObject({
    bytes: count,
    packets: count,
    errors: count,
    dropped: count,
    over_errors: count,
    multicast: count,
  }),
  tx: z.strictObject({
    bytes: count,
    packets: count,
    errors: count,
    dropped: count,
    carrier_errors: count,
    collisions: count,
    aborted_errors: count,
  }),
}) satisfies z.ZodType<LinkStats>;

export const linkInfo = z.strictObject({
  ifindex: z.int(),
  link: z.string().nullable(),
  ifname: z.string(),
  flags: z.array(z.string()),
  mtu: u32,
  qdisc: z.string(),
  master: z.string().exactOptional(),
  operstate: z.string(),
  linkmode: z.string(),
  group: z.string(),
  txqlen: count,
  link_type: z.literal("ipip"),
  address,
  link_pointtopoint: z.literal(true).exactOptional(),
  broadcast: address,
  permaddr: address.exactOptional(),
  link_netnsid: count.exactOptional(),
  promiscuity: count,
  allmulti: count,
  min_mtu: u32,
  max_mtu: u32,
  linkinfo: z.strictObject({
    info_kind: z.literal("vti"),
    info_data: z.strictObject({
      remote: z.string(),
      local: z.string(),
      link: z.string().exactOptional(),
      ikey: z.string().exactOptional(),
      okey: z.string().exactOptional(),
      fwmark: z.string().exactOptional(),
    }),
  }),
  inet6_addr_gen_mode: z.string().exactOptional(),
  num_tx_queues: count,
  num_rx_queues: count,
  gso_max_size: count,
  gso_max_segs: count,
  tso_max_size: count,
  tso_max_segs: count,
  gro_max_size: count,
  ifalias: z.string().exactOptional(),
  stats64: linkStats,
  drops: z.record(z.string(), count).meta({ description: "Packets refused, by cause" }),
}) satisfies z.ZodType<LinkInfo>;

export const tunnelInfo = z.strictObject({
  ifname: z.string(),
  local: z.string(),
  remote: z.string(),
  ikey: u32,
  okey: u32,
  link: z.string().exactOptional(),
  ttl: u8,
  tos: u8,
  pmtudisc: z.boolean(),
}) satisfies z.ZodType<TunnelInfo>;

const shownKey = z.string().meta({ description: "<<Keys hidden>> unless the request has keys=true" });
const lifetime = z.strictObject({
  bytes: count,
  packets: count,
  add_time: count.meta({ description: "Seconds since 1970" }),
  use_time: count.meta({ description: "Seconds since 1970, 0 never" }),
});

export const stateInfo = z.strictObject({
  src: address,
  dst: address,
  proto: z.enum([...proto.options, "ipip"]),
  spi: u32,
  reqid: u32,
  mode,
  mark: mark.exactOptional(),
  replay_window: u32,
  flags: z.array(stateFlag),
  extra_flags: z.array(extraFlag),
  aead: z.strictObject({ name: z.string(), key: shownKey, key_bits: count, icv_bits: count }).exactOptional(),
  enc: z.strictObject({ name: z.string(), key: shownKey, key_bits: count }).exactOptional(),
  auth: z.strictObject({ name: z.string(), key: shownKey, key_bits: count, trunc_bits: count })
    .exactOptional(),
  comp: z.strictObject({ name: z.string() }).exactOptional(),
  encap: encap.optional(),
  sel: selector.nullable(),
  output_mark: mark.exactOptional(),
  tfcpad: u32.exactOptional(),
  if_id: u32.exactOptional(),
  input_refused: z.string().meta({ description: "Why nothing that arrives is taken" }).exactOptional(),
  seq: u32,
  limits,
  replay: z.strictObject({
    kind: z.enum(["legacy", "bitmap", "esn"]),
    seq: u32,
    oseq: u32,
    seq_hi: u32,
    oseq_hi: u32,
    bitmap: z.array(u32).meta({ description: "32-bit words, lowest first" }),
  }),
  lifetime,
  stats: z.strictObject({ replay_window: count, replay: count, failed: count }),
}) satisfies z.ZodType<XfrmStateInfo>;

export const policyInfo = z.strictObject({
  sel: selector,
  dir,
  action: z.enum(["allow", "block"]),
  index: u32,
  priority: u32,
  ptype,
  flags: z.array(policyFlag),
  mark: mark.exactOptional(),
  if_id: u32.exactOptional(),
  tmpl: z.array(z.strictObject({
    src: address,
    dst: address,
    proto,
    spi: u32,
    reqid: u32,
    mode,
    level: z.enum(["required", "use"]),
  })),
  limits,
  lifetime,
}) satisfies z.ZodType<XfrmPolicyInfo>;

export const spdInfo = z.strictObject({
  default: z.strictObject({ in: defaultPolicy, fwd: defaultPolicy, out: defaultPolicy }),
  hthresh4: threshold,
  hthresh6: threshold,
}) satisfies z.ZodType<XfrmSpdInfo>;

export const netnsInfo = z.strictObject({
  name: z.string(),
  inode: count,
  links: count,
  states: count,
  policies: count,
}) satisfies z.ZodType<NetnsInfo>;

const workerInfo = z.strictObject({
  id: z.int(),
  actors: z.array(z.string()),
  restarts: count,
  state: z.string(),
}) satisfies z.ZodType<WorkerInfo>;

export const healthInfo = z.strictObject({
  ready: z.boolean(),
  placement: z.enum(["packed", "isolated"]),
  crypto: z.enum(["ipsec-mb", "libcrypto", "noble"]),
  workers: z.array(workerInfo),
  uptime_seconds: z.number(),
}) satisfies z.ZodType<GatewayHealth>;

export const eventInfo = z.strictObject({
  id: count,
  time: z.number(),
  netns: z.string(),
  kind: z.enum([
    "newlink",
    "dellink",
    "newsa",
    "updsa",
    "delsa",
    "flushsa",
    "newpolicy",
    "updpolicy",
    "delpolicy",
    "flushpolicy",
    "setdefault",
    "expire",
    "acquire",
    "mapping",
    "worker",
  ]),
  body: z.unknown(),
}) satisfies z.ZodType<GatewayEvent>;

export const xfrmStat = z.record(z.string(), count);
export const flushed = z.strictObject({ count: count.meta({ description: "How many were removed" }) });

export const problem = z.strictObject({
  status: u16,
  title: z.string(),
  detail: z.string(),
  errno: z.string().exactOptional(),
  attribute: z.string().exactOptional(),
  extack: z.string().exactOptional(),
}) satisfies z.ZodType<Omit<Problem, "errno"> & { errno?: string }>;
