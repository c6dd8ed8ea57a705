/**
 * Limits of SAs and policies: struct xfrm_lifetime_cfg, and the timers that enforce its times.
 */
import type { U64, XfrmLimits } from "../gateway.ts";
import type { LifetimeRecord } from "../../datapath/xfrm/xfrm_record.ts";

const XFRM_INF = 2n ** 64n - 1n;

/** Seconds after adding or after first use; 0 off. The kernel's are s64, so huge ones are negative and over at once. */
export interface TimeLimits {
  readonly softAdd: number;
  readonly hardAdd: number;
  readonly softUse: number;
  readonly hardUse: number;
}

/** Bytes and packets: absent is infinite, 0 rejects the first packet. */
export function lifetimeRecord(limits: XfrmLimits | undefined): LifetimeRecord {
  const count = (limit: U64 | undefined) => isInfinite(limit) ? Infinity : Number(limit);
  return {
    softBytes: count(limits?.byte_soft),
    hardBytes: count(limits?.byte_hard),
    softPackets: count(limits?.packet_soft),
    hardPackets: count(limits?.packet_hard),
  };
}

export function timeLimits(limits: XfrmLimits | undefined): TimeLimits {
  const seconds = (limit: U64 = 0) => Number(BigInt.asIntN(64, BigInt(limit)));
  return {
    softAdd: seconds(limits?.time_soft),
    hardAdd: seconds(limits?.time_hard),
    softUse: seconds(limits?.time_use_soft),
    hardUse: seconds(limits?.time_use_hard),
  };
}

/** As listed: infinite counts and times that are off are left out; digits only where a number won't do. */
export function limitsInfo(limits: XfrmLimits | undefined): XfrmLimits {
  const isSet = ([name, limit]: [string, U64]) =>
    name.startsWith("time") ? Number(limit) !== 0 : !isInfinite(limit);
  const exact = ([name, limit]: [string, U64]) =>
    [name, Number.isSafeInteger(Number(limit)) ? Number(limit) : `${BigInt(limit)}`] as const;
  return Object.fromEntries(Object.entries(limits ?? {}).filter(isSet).map(exact));
}

/** Absent, or XFRM_INF. */
function isInfinite(limit: U64 | undefined): boolean {
  return limit === undefined || BigInt(limit) === XFRM_INF;
}

/**
 * Which time limit has passed (xfrm_timer_handler, xfrm_policy_timer). Times in whole seconds of one clock;
 * `useTime` 0 means that the limits of use don't run yet.
 */
export function passedLimit(
  times: TimeLimits,
  addTime: number,
  useTime: number,
  now: number,
): "none" | "soft" | "hard" {
  const passed = (limit: number, since: number) =>
    limit < 0 || limit !== 0 && since !== 0 && since + limit <= now;
  if (passed(times.hardAdd, addTime) || passed(times.hardUse, useTime)) return "hard";
  if (passed(times.softAdd, addTime) || passed(times.softUse, useTime)) return "soft";
  return "none";
}
