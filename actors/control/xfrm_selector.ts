/**
 * Selectors: struct xfrm_selector between the text of requests and the words of records.
 */
import type { XfrmSelectorInfo } from "../gateway.ts";
import type { SelectorRecord } from "../../datapath/xfrm/xfrm_record.ts";
import { AF_UNSPEC } from "../../datapath/xfrm/xfrm_record.ts";
import { addressBits, ANY_WORDS, formatIpAddress, type IpFamily, parseIpPrefix } from "./ip_address.ts";
import { fail, ok, type Result } from "./kernel_error.ts";

/** Names and numbers of the namespace's devices. */
export interface Devices {
  ifindexOf(name: string): number | null;
  ifnameOf(ifindex: number): string | null;
}

/** The selector of a request. `attribute` is its path in the request ("sel"). */
export function parseSelector(
  info: XfrmSelectorInfo,
  devices: Devices,
  attribute: string,
): Result<SelectorRecord & { readonly family: IpFamily }> {
  const src = parseIpPrefix(info.src);
  const dst = parseIpPrefix(info.dst);
  if (src === null) return bad(`${info.src} is no prefix`, `${attribute}.src`);
  if (dst === null) return bad(`${info.dst} is no prefix`, `${attribute}.dst`);
  if (src.family !== dst.family) return bad("src and dst are of different families", `${attribute}.dst`);
  const longest = addressBits(src.family);
  if (src.prefixlen > longest) return bad(`prefix longer than ${longest}`, `${attribute}.src`);
  if (dst.prefixlen > longest) return bad(`prefix longer than ${longest}`, `${attribute}.dst`);
  const ifindex = info.dev === undefined ? 0 : devices.ifindexOf(info.dev);
  if (ifindex === null) {
    return fail("ENODEV", `Cannot parse selector: no device ${info.dev}`, `${attribute}.dev`);
  }
  return ok({
    family: src.family,
    saddr: src.words,
    prefixlenS: src.prefixlen,
    daddr: dst.words,
    prefixlenD: dst.prefixlen,
    proto: info.proto,
    sport: info.sport,
    sportMask: info.sport_mask,
    dport: info.dport,
    dportMask: info.dport_mask,
    ifindex,
  });
}

/** null for the selector of an SA that carries both families. */
export function selectorInfo(sel: SelectorRecord, devices: Devices): XfrmSelectorInfo | null {
  if (sel.family === AF_UNSPEC) return null;
  const info: XfrmSelectorInfo = {
    src: `${formatIpAddress(sel.family, sel.saddr)}/${sel.prefixlenS}`,
    dst: `${formatIpAddress(sel.family, sel.daddr)}/${sel.prefixlenD}`,
    proto: sel.proto,
    sport: sel.sport,
    sport_mask: sel.sportMask,
    dport: sel.dport,
    dport_mask: sel.dportMask,
  };
  // A device that is gone is shown by its number, as iproute2 does (ll_index_to_name).
  return sel.ifindex === 0 ? info : { ...info, dev: devices.ifnameOf(sel.ifindex) ?? `if${sel.ifindex}` };
}

/** Matches everything of one family; AF_UNSPEC: what an SA with `flag af-unspec` has. */
export function anySelector(family: SelectorRecord["family"]): SelectorRecord {
  return {
    family,
    saddr: ANY_WORDS,
    prefixlenS: 0,
    daddr: ANY_WORDS,
    prefixlenD: 0,
    proto: 0,
    sport: 0,
    sportMask: 0,
    dport: 0,
    dportMask: 0,
    ifindex: 0,
  };
}

/** Equal keys mean equal bytes in the kernel's memcmp of two selectors. */
export function selectorKey(sel: SelectorRecord): string {
  return [
    sel.family,
    ...sel.saddr,
    sel.prefixlenS,
    ...sel.daddr,
    sel.prefixlenD,
    sel.proto,
    sel.sport,
    sel.sportMask,
    sel.dport,
    sel.dportMask,
    sel.ifindex,
  ].join(",");
}

function bad<T = never>(state: string, attribute: string): Result<T> {
  return fail("EINVAL", `Cannot parse selector: ${state}`, attribute);
}
