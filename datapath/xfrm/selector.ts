/** Selectors of policies and SAs (struct xfrm_selector; net/xfrm/xfrm_policy.c __xfrm4_selector_match()). */
import { DST, type Flow, META, OIF, PORTS, SRC } from "./flow.ts";
import { type AddressWords, AF_INET, type SelectorRecord } from "./xfrm_record.ts";

export class Selector {
  /** AF_UNSPEC of an SA: it carries both families. */
  readonly family: number;
  readonly proto: number;
  readonly ports: number;
  readonly portsMask: number;
  readonly ifindex: number;
  /** Addresses and their masks, laid out like a flow's; the words before SRC are unused. */
  readonly words: Int32Array;
  readonly masks: Int32Array;

  constructor(record: SelectorRecord) {
    this.family = record.family;
    this.proto = record.proto;
    this.ports = (record.sport << 16) | record.dport;
    this.portsMask = (record.sportMask << 16) | record.dportMask;
    this.ifindex = record.ifindex;
    this.words = Int32Array.of(0, 0, 0, 0, ...record.saddr, ...record.daddr);
    this.masks = Int32Array.of(
      0,
      0,
      0,
      0,
      ...prefixMask(record.prefixlenS),
      ...prefixMask(record.prefixlenD),
    );
  }

  /** The family is not compared: who asks has done that, or wants a selector of no family to match everything. */
  matches(flow: Flow): boolean {
    const f = flow.words, w = this.words, m = this.masks;
    if (((f[DST] ^ w[DST]) & m[DST]) !== 0) return false;
    if (((f[SRC] ^ w[SRC]) & m[SRC]) !== 0) return false;
    if (((f[PORTS] ^ this.ports) & this.portsMask) !== 0) return false;
    if (this.proto !== 0 && this.proto !== ((f[META] >>> 8) & 0xff)) return false;
    if (this.ifindex !== 0 && this.ifindex !== f[OIF]) return false;
    return f[META] >>> 16 === AF_INET || lowWordsMatch(f, w, m);
  }
}

function lowWordsMatch(f: Int32Array, w: Int32Array, m: Int32Array): boolean {
  for (let i = 1; i < 4; i++) {
    if (((f[SRC + i] ^ w[SRC + i]) & m[SRC + i]) !== 0) return false;
    if (((f[DST + i] ^ w[DST + i]) & m[DST + i]) !== 0) return false;
  }
  return true;
}

/** Four words of mask for a prefix of 0 to 128 bits; prefix 0 matches anything. */
function prefixMask(bits: number): AddressWords {
  const word = (i: number): number => {
    const n = Math.min(Math.max(bits - 32 * i, 0), 32);
    return n === 0 ? 0 : -1 << (32 - n);
  };
  return [word(0), word(1), word(2), word(3)];
}
