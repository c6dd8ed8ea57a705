/**
 * Limits of SAs and policies: struct xfrm_lifetime_cfg, and the timers that enforce its times.
 */
import type { XfrmLimits } from "../gateway.ts";
import type { LifetimeRecord } from "../../datapath/xfrm/xfrm_record.ts";

/** Seconds after adding or after first use; 0 off. */
export interface TimeLimits {
  readonly softAdd: number;
  readonly hardAdd: number;
  readonly softUse: number;
  readonly hardUse: number;
}

/** Bytes and packets: absent is infinite, 0 rejects the first packet. */
export function lifetimeRecord(limits: XfrmLimits | undefined): LifetimeRecord {
  return {
    softBytes: limits?.byte_soft ?? Infinity,
    hardBytes: limits?.byte_hard ?? Infinity,
    softPackets: limits?.packet_soft ?? Infinity,
    hardPackets: limits?.packet_hard ?? Infinity,
  };
}

export function timeLimits(limits: XfrmLimits | undefined): TimeLimits {
  return {
    softAdd: limits?.time_soft ?? 0,
    hardAdd: limits?.time_hard ?? 0,
    softUse: limits?.time_use_soft ?? 0,
    hardUse: limits?.time_use_hard ?? 0,
  };
}

/** As listed: infinite counts and times that are off are left out. */
export function limitsInfo(lifetime: LifetimeRecord, times: TimeLimits): XfrmLimits {
  const limits: Required<XfrmLimits> = {
    byte_soft: lifetime.softBytes,
    byte_hard: lifetime.hardBytes,
    packet_soft: lifetime.softPackets,
    packet_hard: lifetime.hardPackets,
    time_soft: times.softAdd,
    time_hard: times.hardAdd,
    time_use_soft: times.softUse,
    time_use_hard: times.hardUse,
  };
  const isSet = ([name, n]: [string, number]) => name.startsWith("time") ? n !== 0 : n !== Infinity;
  return Object.fromEntries(Object.entries(limits).filter(isSet));
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
  const passed = (limit: number, since: number) => limit !== 0 && since !== 0 && since + limit <= now;
  if (passed(times.hardAdd, addTime) || passed(times.hardUse, useTime)) return "hard";
  if (passed(times.softAdd, addTime) || passed(times.softUse, useTime)) return "soft";
  return "none";
}
