/**
 * What a configuration file may say. Shapes that the API has too are the API's; here addresses are checked as well,
 * since a wrong file must be found out before any of it is applied.
 *
 * The message of each check says what was expected; config_file.ts adds place and value.
 */
import { z } from "zod";
import { addressBits, parseIpAddress, parseIpPrefix, parseIpv4 } from "../actors/control/ip_address.ts";
import { MAX_MTU_BYTES, MIN_MTU_BYTES } from "../actors/control/ip_tunnel.ts";
import { devValidName } from "../actors/control/vti_link_ops.ts";
import * as api from "../api/schemas.ts";

/** A table of these keys and no others. */
function table<T extends z.ZodRawShape>(shape: T) {
  const keys = Object.keys(shape).join(", ");
  return z.strictObject(shape, {
    error: (issue) => issue.code === "unrecognized_keys" ? `one of ${keys}` : "a table",
  });
}

function text(expected: string, isRight: (text: string) => boolean) {
  return z.string({ error: expected }).refine(isRight, { error: expected });
}

function list<T extends z.ZodType>(item: T) {
  return z.array(item, { error: "a list" });
}

const isIpv4 = (text: string) => parseIpv4(text) !== null;
const ipv4 = text("an IPv4 address", isIpv4);
const ipAddress = text("an IPv4 or IPv6 address", (text) => parseIpAddress(text) !== null);

function isPrefix(text: string): boolean {
  const prefix = parseIpPrefix(text);
  return prefix !== null && prefix.prefixlen <= addressBits(prefix.family);
}
const ipPrefix = text("an address and prefix, as 10.0.0.0/8", isPrefix);
const interfaceAddress = text(
  "an address and prefix, as 10.9.0.1/30",
  (text) => text.includes("/") && isPrefix(text),
);
const route = text(
  "a network without host bits, as 10.50.0.0/16",
  (text) => text.includes("/") && isPrefix(text) && hasNoHostBits(text),
);

/** The kernel refuses a route whose destination has bits beyond the prefix. */
function hasNoHostBits(text: string): boolean {
  const { words, prefixlen } = parseIpPrefix(text)!;
  return words.every((word, i) => {
    const bits = Math.min(Math.max(prefixlen - 32 * i, 0), 32);
    return bits === 32 || (word & (0xffffffff >>> bits)) === 0;
  });
}

const netns = text(
  "the name of a network namespace",
  (text) => /^[^/\0]{1,255}$/.test(text) && text !== "." && text !== "..",
);
const ifname = text("a device name of 1 to 15 characters", devValidName);
const u32 = z.int({ error: "a number of 0 to 4294967295" }).min(0).max(0xffffffff);
const u16 = z.int({ error: "a number of 0 to 65535" }).min(0).max(0xffff);

/** A key as iproute2 has it: a number, or a dotted quad that means the number with these bytes. */
const tunnelKey = z.union([u32, z.string().refine(isIpv4).transform((text) => parseIpv4(text)!)], {
  error: "a number of 0 to 4294967295, or a dotted quad",
});

/** A number, or value and mask. */
const mark = z.union([u32.transform((value) => ({ value, mask: 0xffffffff })), api.mark], {
  error: "a number, or a table of value and mask",
});

/** IP protocols that have a name here; the others are told by number. */
const PROTOCOLS = { any: 0, icmp: 1, tcp: 6, udp: 17, gre: 47, "ipv6-icmp": 58, sctp: 132 } as const;
type ProtocolName = keyof typeof PROTOCOLS;
const protocol = z.union([
  z.int().min(0).max(255),
  z.enum(Object.keys(PROTOCOLS) as ProtocolName[]).transform((name) => PROTOCOLS[name]),
], { error: `a number of 0 to 255, or one of ${Object.keys(PROTOCOLS).join(", ")}` });

const HEX = "0x and an even number of hex digits";
const secret = text(HEX, (text) => /^0x(?:[0-9a-fA-F]{2})*$/.test(text));

const algorithm = {
  name: z.string({ error: "the kernel's name of an algorithm" }),
  key: secret.exactOptional(),
  key_file: z.string({ error: "the name of a file" }).exactOptional(),
};

/** The key stands here or in a file of its own. */
function oneKey<T extends z.ZodType<{ key?: string; key_file?: string }>>(schema: T) {
  return schema.refine((given) => (given.key === undefined) !== (given.key_file === undefined), {
    path: ["key"],
    error: `either key, as ${HEX}, or key_file`,
  });
}

const selector = {
  src: ipPrefix,
  dst: ipPrefix,
  proto: protocol.exactOptional(),
  sport: u16.exactOptional(),
  dport: u16.exactOptional(),
  dev: ifname.exactOptional(),
};

const selectorTable = table(selector);

export const netnsEntry = table({
  name: netns,
  create: z.boolean({ error: "true or false" }).default(true),
});

export const linkEntry = table({
  netns: netns.default("self"),
  name: ifname,
  local: ipv4.exactOptional(),
  remote: ipv4.exactOptional(),
  key: tunnelKey.exactOptional(),
  ikey: tunnelKey.exactOptional(),
  okey: tunnelKey.exactOptional(),
  dev: ifname.exactOptional(),
  fwmark: u32.exactOptional(),
  mtu: z.int({ error: `a number of ${MIN_MTU_BYTES} to ${MAX_MTU_BYTES}` })
    .min(MIN_MTU_BYTES).max(MAX_MTU_BYTES).exactOptional(),
  up: z.boolean({ error: "true or false" }).default(true),
  addresses: list(interfaceAddress).default([]),
  routes: list(route).default([]),
}).refine(({ key, ikey, okey }) => key === undefined || (ikey === undefined && okey === undefined), {
  path: ["key"],
  error: "either key, or ikey and okey",
}).refine(({ up, routes }) => up || routes.length === 0, {
  path: ["routes"],
  error: "none on a link that is not up",
});

/** What is always refused is not for a file. */
const { offload: _, ...stateShape } = api.stateRequest.shape;

export const stateEntry = table({
  ...stateShape,
  netns: netns.default("self"),
  src: ipAddress,
  dst: ipAddress,
  spi: u32,
  mode: api.mode,
  mark: mark.exactOptional(),
  aead: oneKey(table({ ...algorithm, icv_bits: u32 })).exactOptional(),
  enc: oneKey(table(algorithm)).exactOptional(),
  auth: oneKey(table({ ...algorithm, trunc_bits: u32.exactOptional() })).exactOptional(),
  encap: table(api.encap.shape).exactOptional(),
  limits: table(api.limits.shape).exactOptional(),
  output_mark: mark.exactOptional(),
  sel: selectorTable.exactOptional(),
});

export const policyEntry = table({
  ...api.policyRequest.omit({ sel: true }).shape,
  ...selector,
  netns: netns.default("self"),
  mark: mark.exactOptional(),
  limits: table(api.limits.shape).exactOptional(),
  tmpl: list(table({
    ...api.template.shape,
    src: ipAddress.exactOptional(),
    dst: ipAddress.exactOptional(),
    mode: api.mode,
  })).exactOptional(),
});

export const configSchema = table({
  netns: list(netnsEntry).default([]),
  link: list(linkEntry).default([]),
  state: list(stateEntry).default([]),
  policy: list(policyEntry).default([]),
});

export type NetnsEntry = z.output<typeof netnsEntry>;
export type LinkEntry = z.output<typeof linkEntry>;
export type StateEntry = z.output<typeof stateEntry>;
export type PolicyEntry = z.output<typeof policyEntry>;
export type SelectorEntry = z.output<typeof selectorTable>;
