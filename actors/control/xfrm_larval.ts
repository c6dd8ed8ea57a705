/**
 * Larval SAs: what stands for an SA that a packet has missed until a key manager adds it or time is up
 * (net/xfrm/xfrm_state.c xfrm_state_find(), __find_acq_core(), __xfrm_find_acq_byseq()).
 */
import type { WantedState } from "../../datapath/xfrm/xfrm_acquire.ts";
import {
  type AddressWords,
  AF_INET6,
  type MarkRecord,
  type TemplateRecord,
  type XfrmStateRecord,
} from "../../datapath/xfrm/xfrm_record.ts";
import { addressBits, type IpFamily, sameWords } from "./ip_address.ts";
import type { Sent } from "./xfrm_change.ts";
import { larvalEntry } from "./xfrm_state_construct.ts";
import type { StateEntry } from "./xfrm_state_info.ts";

/** A template that has no SA, and the policy it is of. */
export interface WantedTemplate {
  readonly template: TemplateRecord;
  readonly mark: MarkRecord;
  readonly ifId: number;
}

type Place = Pick<
  Sent<XfrmStateRecord>,
  "family" | "saddr" | "daddr" | "proto" | "spi" | "mark" | "reqid" | "mode"
>;

/** The larval SA for what is wanted; its selector is the very flow that asked. */
export function larvalState(
  wanted: WantedState,
  { template, mark, ifId }: WantedTemplate,
  addTime: number,
  seq: number,
  acqExpires: number,
): StateEntry {
  const { flow, saddr, daddr } = wanted;
  const family = template.family === AF_INET6 ? AF_INET6 : 2;
  const bits = addressBits(flow.family as IpFamily);
  const place = { family, saddr, daddr, proto: template.proto, mark } as const;
  const sel = {
    family: flow.family as IpFamily,
    saddr: flow.saddr,
    prefixlenS: bits,
    daddr: flow.daddr,
    prefixlenD: bits,
    proto: flow.proto,
    sport: flow.sport,
    sportMask: 0xffff,
    dport: flow.dport,
    dportMask: 0xffff,
    ifindex: flow.ifindex,
  };
  const { spi, reqid, mode } = template;
  return larvalEntry({ ...place, spi, reqid, mode, sel, addTime }, seq, ifId, acqExpires);
}

/** A larval SA that has got its SPI. */
export function withSpi(larval: StateEntry, spi: number): StateEntry {
  return { ...larval, record: { ...larval.record, spi } };
}

/** Whether one of `acquiring` may still become what is wanted: then nobody is asked again. */
export function isInProgress(
  acquiring: readonly StateEntry[],
  wanted: WantedState,
  { template, mark, ifId }: WantedTemplate,
): boolean {
  const at: Place = {
    ...template,
    family: template.family === AF_INET6 ? AF_INET6 : 2,
    saddr: wanted.saddr,
    daddr: wanted.daddr,
    mark,
  };
  return acquiring.some((entry) =>
    entry.ifId === ifId && standsFor(entry, at) &&
    (template.spi === 0 || entry.record.spi === template.spi) &&
    (sameWords(entry.record.saddr, wanted.saddr) || isAny(entry.record.saddr) || isAny(wanted.saddr))
  );
}

/** The SA that a new one takes the place of: the one it answers by `seq`, else a larval one for its ends. */
export function larvalOf(acquiring: readonly StateEntry[], made: StateEntry): StateEntry | undefined {
  const { record, seq } = made;
  const bySeq = (entry: StateEntry) =>
    seq !== 0 && entry.seq === seq && entry.record.proto === record.proto &&
    sameWords(entry.record.daddr, record.daddr) && takesMark(entry, record.mark);
  const byEnds = (entry: StateEntry) =>
    entry.record.spi === 0 && entry.ifId === made.ifId && standsFor(entry, record) &&
    sameWords(entry.record.saddr, record.saddr);
  return acquiring.find(bySeq) ?? acquiring.find(byEnds);
}

function standsFor(entry: StateEntry, at: Place): boolean {
  const { record } = entry;
  return record.family === at.family && record.proto === at.proto && record.mode === at.mode &&
    record.reqid === at.reqid && sameWords(record.daddr, at.daddr) && takesMark(entry, at.mark);
}

function takesMark({ record }: StateEntry, mark: MarkRecord): boolean {
  return (mark.value & mark.mask & record.mark.mask) >>> 0 === record.mark.value;
}

function isAny(address: AddressWords): boolean {
  return address.every((word) => word === 0);
}
