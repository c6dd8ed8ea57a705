/**
 * Query strings: how a URL names an SA or a policy, or filters a list. Numbers are decimal or 0x and hex.
 */
import { z } from "zod";
import type {
  XfrmMark,
  XfrmPolicyId,
  XfrmSelectorInfo,
  XfrmStateFilter,
  XfrmStateId,
} from "../actors/gateway.ts";
import { fail, ok, type Result } from "../actors/control/kernel_error.ts";
import { address, dir, ifname, mode, prefix, proto, ptype, u16, u32, u8 } from "./schemas.ts";

const number = (range: z.ZodType<number, number>) =>
  z.string().regex(/^(0x[0-9a-fA-F]{1,8}|0|[1-9][0-9]{0,9})$/, "Expected a decimal or 0x number")
    .transform(Number).pipe(range);
const flag = z.enum(["true", "false"]).transform((text) => text === "true");

const markParts = { mark: number(u32).optional(), mask: number(u32).optional() };
const filterParts = {
  src: address.optional(),
  dst: address.optional(),
  proto: proto.optional(),
  spi: number(u32).optional(),
  mode: mode.optional(),
  reqid: number(u32).optional(),
};
const selectorParts = {
  src: prefix.optional(),
  dst: prefix.optional(),
  proto: number(u8).optional(),
  sport: number(u16).optional(),
  sport_mask: number(u16).optional(),
  dport: number(u16).optional(),
  dport_mask: number(u16).optional(),
  dev: ifname.optional(),
};

export const noQuery = z.strictObject({});

/** Which tunnel a call to ip_vti0 is about. */
export const tunnelEndsQuery = z.strictObject({
  local: address.exactOptional(),
  remote: address.exactOptional(),
  link: ifname.exactOptional(),
});

export const stateListQuery = z.strictObject({ ...filterParts, keys: flag.optional() });

/** dst, proto, spi and the mark find an SA; src is not compared, as in the kernel. */
export const stateIdQuery = z.strictObject({
  src: address.optional(),
  dst: address,
  proto,
  spi: number(u32),
  ...markParts,
});
export const stateGetQuery = stateIdQuery.extend({ keys: flag.optional() });

/** One SA by its id; with flush=true, all that match the filter. */
export const stateDeleteQuery = z.strictObject({ ...filterParts, ...markParts, flush: flag.optional() });

export const policyIdQuery = z.strictObject({
  dir,
  index: number(u32).optional(),
  ...selectorParts,
  ...markParts,
  ptype: ptype.optional(),
  if_id: number(u32).optional(),
});

/** One policy by its id; with flush=true, all of a type. */
export const policyDeleteQuery = policyIdQuery.extend({ dir: dir.optional(), flush: flag.optional() });

/** Refuses the names that this use of a query has no meaning for: to ignore them would remove too much. */
export function refuseNames(query: object, names: readonly string[], use: string): Result<void> {
  const stray = names.find((name) => (query as Record<string, unknown>)[name] !== undefined);
  return stray === undefined ? ok(undefined) : fail("EINVAL", `Cannot read ${stray}: not for ${use}`, stray);
}

export function requireNames(query: object, names: readonly string[]): Result<void> {
  const missing = names.find((name) => (query as Record<string, unknown>)[name] === undefined);
  return missing === undefined ? ok(undefined) : fail("EINVAL", `Cannot read ${missing}: missing`, missing);
}

export function stateIdOf(query: z.output<typeof stateIdQuery>): XfrmStateId {
  const { dst, proto, spi } = query;
  const src = query.src ?? (dst.includes(":") ? "::" : "0.0.0.0");
  return { src, dst, proto, spi, ...markOf(query) };
}

/** What was given only: exactOptionalPropertyTypes tells absent from undefined. */
export function stateFilterOf(query: z.output<typeof stateListQuery>): XfrmStateFilter {
  const { src, dst, proto, spi, mode, reqid } = query;
  return defined({ src, dst, proto, spi, mode, reqid });
}

/** Without any part of a selector, the policy is named by its index. Ports without a mask are whole ports. */
export function policyIdOf(query: z.output<typeof policyIdQuery>): XfrmPolicyId {
  const { dir, index, ptype, if_id } = query;
  const sel = selectorOf(query);
  return { dir, ...(sel && { sel }), ...defined({ index, ptype, if_id }), ...markOf(query) };
}

function selectorOf(query: z.output<typeof policyIdQuery>): XfrmSelectorInfo | undefined {
  const isNamed = (Object.keys(selectorParts) as (keyof typeof selectorParts)[])
    .some((part) => query[part] !== undefined);
  if (!isNamed) return undefined;
  const any = (query.src ?? query.dst ?? "").includes(":") ? "::/0" : "0.0.0.0/0";
  const wholePort = (port: number | undefined) => port === undefined ? 0 : 0xffff;
  return {
    src: query.src ?? any,
    dst: query.dst ?? any,
    proto: query.proto ?? 0,
    sport: query.sport ?? 0,
    sport_mask: query.sport_mask ?? wholePort(query.sport),
    dport: query.dport ?? 0,
    dport_mask: query.dport_mask ?? wholePort(query.dport),
    ...defined({ dev: query.dev }),
  };
}

function markOf(query: { mark?: number | undefined; mask?: number | undefined }): { mark?: XfrmMark } {
  if (query.mark === undefined) return {};
  return { mark: { value: query.mark, mask: query.mask ?? 0xffffffff } };
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function defined<T extends object>(parts: T): Defined<T> {
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined)) as Defined<T>;
}
