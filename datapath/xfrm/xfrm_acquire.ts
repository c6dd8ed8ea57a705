/**
 * SAs that are wanted and not there: what asks a key manager for one (net/xfrm/xfrm_state.c xfrm_state_find(), ACQUIRE).
 */
import { DST, type Flow, OIF, PORTS, SRC } from "./flow.ts";
import type { XfrmPolicy, XfrmTemplate } from "./xfrm_policy.ts";
import type { AddressWords } from "./xfrm_record.ts";

/** One that a template of an outbound policy wants. Survives a structured clone. */
export interface WantedState {
  readonly policy: { readonly index: number; readonly type: number };
  /** Which of the policy's templates. */
  readonly template: number;
  /** Source that the SA would have, u32 in host order: the template's, or what routing chose. */
  readonly saddr: AddressWords;
  readonly daddr: AddressWords;
  /** The flow that asks. */
  readonly flow: {
    readonly family: number;
    readonly saddr: AddressWords;
    readonly daddr: AddressWords;
    readonly proto: number;
    readonly sport: number;
    readonly dport: number;
    readonly ifindex: number;
  };
}

/** Asked for in one second at the most, whatever traffic there is. */
const ASKED_PER_SECOND = 64;

/** Collects what is wanted: a template asks once a second, for the first flow that misses its SA. */
export class Acquires {
  #wanted: WantedState[] = [];
  #second = 0;
  #left = ASKED_PER_SECOND;

  /** `now` in seconds. Whole templates wait for the next second once enough were asked for. */
  ask(
    now: number,
    flow: Flow,
    policy: XfrmPolicy,
    template: XfrmTemplate,
    source: number,
    local: Int32Array,
    remote: Int32Array,
  ): void {
    if (template.askedAt === now) return;
    if (this.#second !== now) {
      this.#second = now;
      this.#left = ASKED_PER_SECOND;
    }
    if (this.#left === 0) return;
    this.#left--;
    template.askedAt = now;
    const w = flow.words;
    this.#wanted.push({
      policy: { index: policy.index, type: policy.type },
      template: policy.templates.indexOf(template),
      saddr: [source >>> 0, local[1] >>> 0, local[2] >>> 0, local[3] >>> 0],
      daddr: addressAt(remote, 0),
      flow: {
        family: flow.family,
        saddr: addressAt(w, SRC),
        daddr: addressAt(w, DST),
        proto: flow.proto,
        sport: w[PORTS] >>> 16,
        dport: w[PORTS] & 0xffff,
        ifindex: w[OIF],
      },
    });
  }

  /** Gives away what was asked for since the last call. */
  drain(tell: (wanted: WantedState) => void): void {
    if (this.#wanted.length === 0) return;
    const taken = this.#wanted;
    this.#wanted = [];
    taken.forEach(tell);
  }
}

function addressAt(words: Int32Array, at: number): AddressWords {
  return [words[at] >>> 0, words[at + 1] >>> 0, words[at + 2] >>> 0, words[at + 3] >>> 0];
}
