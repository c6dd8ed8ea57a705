/**
 * Whether a packet could leave by a tunnel: there is an outbound policy for its mark and device, and an SA for each of
 * the policy's templates that vti_state_check() lets through. Which packet, selectors decide; they are not looked at.
 */
import { CELL_EXPIRY } from "../../datapath/xfrm/xfrm_cells.ts";
import {
  AF_INET,
  type TemplateRecord,
  XfrmModeNumber,
  type XfrmPolicyRecord,
  XfrmStateFlagBit,
} from "../../datapath/xfrm/xfrm_record.ts";
import { sameWords } from "./ip_address.ts";
import type { ControlTunnel } from "./ip_tunnel.ts";
import type { Sent } from "./xfrm_change.ts";
import type { StateEntry } from "./xfrm_state_info.ts";

const DIR_OUT = 1;
/** CELL_EXPIRY of an SA that met a hard limit. */
const EXPIRY_EXPIRED = 2;
const EXACT_MASK = 0xffffffff;

type Policy = Sent<XfrmPolicyRecord>;
type Ends = Pick<TemplateRecord, "family" | "saddr" | "daddr">;

/** The ways out of a namespace, as its SAD and SPD are now. */
export class WaysOut {
  /** Outbound policies with an exact mark, by its value; all others. */
  readonly #byMark = new Map<number, Policy[]>();
  readonly #others: Policy[] = [];
  /** By destination and protocol. */
  readonly #states = new Map<string, StateEntry[]>();

  constructor(policies: readonly Policy[], states: readonly StateEntry[]) {
    for (const policy of policies) {
      if (policy.dir !== DIR_OUT || policy.block) continue;
      const { value, mask } = policy.mark;
      if (mask === EXACT_MASK) addTo(this.#byMark, value, policy);
      else this.#others.push(policy);
    }
    for (const state of states) {
      const { proto, flags } = state.record;
      if (state.acquiring || state.cells.f64[CELL_EXPIRY] === EXPIRY_EXPIRED) continue;
      if ((flags & XfrmStateFlagBit.wildrecv) === 0) addTo(this.#states, keyOf(state.record, proto), state);
    }
  }

  has(tunnel: ControlTunnel): boolean {
    const { oKey } = tunnel.parms;
    const ifindex = tunnel.home === tunnel.underlay ? tunnel.ifindex : 0;
    return [...this.#byMark.get(oKey) ?? [], ...this.#others].some((policy) =>
      (oKey & policy.mark.mask) >>> 0 === policy.mark.value &&
      (policy.sel.ifindex === 0 || policy.sel.ifindex === ifindex) &&
      this.#leadsOut(policy, tunnel)
    );
  }

  /** As xfrm_tmpl_resolve_one() goes through the templates, and vti_xmit() checks the first SA. */
  #leadsOut({ templates, mark }: Policy, tunnel: ControlTunnel): boolean {
    let ends: Ends | null = null;
    let passes = false;
    for (const template of templates) {
      if (template.mode === XfrmModeNumber.tunnel || template.mode === XfrmModeNumber.beet) ends = template;
      // Transport mode first keeps the ends of the packet, which vti_state_check() refuses.
      if (ends === null) return false;
      const found = this.#find(template, ends, (mark.value & mark.mask) >>> 0);
      if (found.length === 0 && !template.optional) return false;
      if (!passes && found.length > 0) {
        passes = found.some((state) => vtiStateCheck(state, tunnel));
        if (!passes) return false;
      }
    }
    return passes;
  }

  #find(template: TemplateRecord, ends: Ends, mark: number): StateEntry[] {
    const towards = this.#states.get(keyOf(ends, template.proto)) ?? [];
    return towards.filter(({ record: x }) =>
      x.reqid === template.reqid && x.mode === template.mode &&
      (template.spi === 0 || x.spi === template.spi) &&
      (mark & x.mark.mask) >>> 0 === x.mark.value &&
      (sameWords(x.saddr, ends.saddr) || isAny(x.saddr) || isAny(ends.saddr))
    );
  }
}

function vtiStateCheck({ record: x }: StateEntry, { parms: { local, remote } }: ControlTunnel): boolean {
  if (x.mode !== XfrmModeNumber.tunnel || x.family !== AF_INET) return false;
  const [src] = x.saddr;
  if (remote === 0) return src === local;
  return x.daddr[0] === remote && (src === local || local === 0 || src === 0);
}

function keyOf({ family, daddr }: Pick<Ends, "family" | "daddr">, proto: number): string {
  return `${family} ${daddr.join(" ")} ${proto}`;
}

function isAny(words: Ends["saddr"]): boolean {
  return words.every((word) => word === 0);
}

function addTo<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
