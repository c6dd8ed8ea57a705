/** From an entry of the configuration file to what the gateway is asked. */
import type {
  LinkRequest,
  VtiInfoData,
  XfrmPolicyRequest,
  XfrmSelectorInfo,
  XfrmStateRequest,
} from "../actors/gateway.ts";
import type { KeyedStateEntry } from "./config_file.ts";
import type { LinkEntry, PolicyEntry, SelectorEntry } from "./config_schema.ts";

/** All six parameters, so that a change of the link sets those that the file no longer has to 0. */
export function infoData({ local, remote, key, ikey, okey, dev, fwmark }: LinkEntry): VtiInfoData {
  return {
    local: local ?? "0.0.0.0",
    remote: remote ?? "0.0.0.0",
    ikey: ikey ?? key ?? 0,
    okey: okey ?? key ?? 0,
    fwmark: fwmark ?? 0,
    ...(dev !== undefined && { link: dev }),
  };
}

/** The device, down: it comes up when its SAs and policies are there. */
export function linkRequest(entry: LinkEntry): LinkRequest {
  return {
    ifname: entry.name,
    ...(entry.mtu !== undefined && { mtu: entry.mtu }),
    linkinfo: { info_kind: "vti", info_data: infoData(entry) },
  };
}

export function stateRequest({ netns: _, sel, ...entry }: KeyedStateEntry): XfrmStateRequest {
  return { ...entry, ...(sel !== undefined && { sel: selectorInfo(sel) }) };
}

export function policyRequest(entry: PolicyEntry): XfrmPolicyRequest {
  const { netns: _, src, dst, proto, sport, dport, dev, ...others } = entry;
  const given = { src, dst, ...defined({ proto, sport, dport, dev }) };
  return { sel: selectorInfo(given), ...others };
}

/** A port that is given is a whole one, as in iproute2. */
function selectorInfo({ src, dst, proto, sport, dport, dev }: SelectorEntry): XfrmSelectorInfo {
  return {
    src: withPrefix(src),
    dst: withPrefix(dst),
    proto: proto ?? 0,
    sport: sport ?? 0,
    sport_mask: sport === undefined ? 0 : 0xffff,
    dport: dport ?? 0,
    dport_mask: dport === undefined ? 0 : 0xffff,
    ...(dev !== undefined && { dev }),
  };
}

/** The parser of requests takes a bare address as well; identity needs one spelling. */
function withPrefix(text: string): string {
  if (text.includes("/")) return text;
  return `${text}/${text.includes(":") ? 128 : 32}`;
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function defined<T extends object>(parts: T): Defined<T> {
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined)) as Defined<T>;
}
