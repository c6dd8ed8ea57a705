/** From what a file wants and what the gateway has to the changes that lead there, and nothing more. Pure. */
import type { LinkInfo, NetnsRef, XfrmPolicyInfo, XfrmStateInfo } from "../actors/gateway.ts";
import { ConfigError } from "./config_file.ts";
import {
  type Identity,
  linkIdentity,
  netnsIdentity,
  policyDefinition,
  policyIdentity,
  readIdentity,
  stateDefinition,
  stateIdentity,
} from "./config_identity.ts";
import type { Rehearsed, Wanted, WantedLink, WantedPolicy, WantedState } from "./config_rehearsal.ts";

/** What the gateway has in one namespace; states with their keys. */
export interface Live {
  readonly links: readonly LinkInfo[];
  readonly states: readonly XfrmStateInfo[];
  readonly policies: readonly XfrmPolicyInfo[];
}

export const NOTHING_LIVE: Live = { links: [], states: [], policies: [] };

/**
 * What files before this one made, by identity: of a namespace whether it was made or found, of a link its addresses
 * and routes, of an SA what stands for its definition, of a policy "".
 */
export type Owned = ReadonlyMap<string, string>;

export type LinkAction = "make" | "change" | "remake" | "keep";
export type StateAction = "make" | "update" | "replace" | "keep" | "gone";
export type PolicyAction = "make" | "update" | "keep";

export interface Planned<W, A> {
  readonly identity: string;
  readonly wanted: W;
  readonly action: A;
}

export interface Plan {
  /** In the order in which they can go. */
  readonly removals: readonly Identity[];
  readonly links: readonly (Planned<WantedLink, LinkAction> & { readonly live: LinkInfo | undefined })[];
  readonly states: readonly Planned<WantedState, StateAction>[];
  readonly policies: readonly Planned<WantedPolicy, PolicyAction>[];
}

const REMOVAL_ORDER = ["policy", "state", "link", "netns"] as const;

/**
 * `fingerprint` makes of a definition what may be written down. Throws ConfigError where the file clashes with what
 * somebody else made, or asks for what would use a sequence number twice.
 */
export function planConfig(
  { netns, links, states, policies }: Rehearsed,
  live: (netns: NetnsRef) => Live,
  owned: Owned,
  fingerprint: (definition: string) => string,
): Plan {
  const wanted = new Set(netns.map(({ entry }) => netnsIdentity(entry.name)));
  function plan<W extends Wanted<{ readonly netns: NetnsRef }, unknown, I>, I, L extends I, A>(
    all: readonly W[],
    identityOf: (netns: NetnsRef, info: I) => string,
    liveOf: (live: Live) => readonly L[],
    actionOf: (wanted: W, live: L | undefined, identity: string) => A,
  ) {
    return all.map((one) => {
      const { netns } = one.entry;
      const identity = identityOf(netns, one.info);
      wanted.add(identity);
      const found = liveOf(live(netns)).find((info) => identityOf(netns, info) === identity);
      return { identity, wanted: one, live: found, action: actionOf(one, found, identity) };
    });
  }
  const planned = {
    links: plan(links, linkIdentity, (live) => live.links, linkAction),
    states: plan(
      states,
      stateIdentity,
      (live) => live.states,
      (state, live, identity) => stateAction(state, live, owned.get(identity), fingerprint),
    ),
    policies: plan(
      policies,
      policyIdentity,
      (live) => live.policies,
      (policy, live, identity) => policyAction(policy, live, owned.has(identity)),
    ),
  };
  const gone = [...owned.keys()].filter((identity) => !wanted.has(identity)).map(readIdentity);
  refuseReusedKeys(planned.states, gone, live);
  const removals = REMOVAL_ORDER.flatMap((kind) => gone.filter((identity) => identity.kind === kind));
  return { removals, ...planned };
}

function linkAction({ entry, info }: WantedLink, live: LinkInfo | undefined): LinkAction {
  if (live === undefined) return "make";
  const [want, have] = [info.linkinfo.info_data, live.linkinfo.info_data];
  // The kernel lets no tunnel gain or lose its remote end.
  if ((want.remote === "any") !== (have.remote === "any")) return "remake";
  const sameUp = live.flags.includes("UP") === entry.up;
  const sameMtu = entry.mtu === undefined || entry.mtu === live.mtu;
  return sameInfo(want, have) && sameUp && sameMtu ? "keep" : "change";
}

/** Members in any order. */
export function sameInfo(a: object, b: object): boolean {
  const sorted = (value: object) => JSON.stringify(Object.entries(value).sort());
  return sorted(a) === sorted(b);
}

function stateAction(
  { info, at }: WantedState,
  live: XfrmStateInfo | undefined,
  owned: string | undefined,
  fingerprint: (definition: string) => string,
): StateAction {
  const definition = stateDefinition(info);
  if (live === undefined) {
    // It met a limit or was deleted: made again, it would begin its sequence numbers again under the same key.
    return owned !== undefined && owned === fingerprint(definition) ? "gone" : "make";
  }
  if (stateDefinition(live) === definition) return "keep";
  if (owned === undefined) {
    throw new ConfigError(
      `${at("spi")}: Cannot add state: one with this dst, proto, spi and mark exists, not from a file`,
    );
  }
  if (!sharesKey(info, live)) return "replace";
  if (stateDefinition(updated(live, info)) === definition) return "update";
  throw new ConfigError(
    `${at()}: Cannot change state: its key is the one it had, and an SA that is made anew counts from 0; give it a new key`,
  );
}

/** What an update of an SA changes (xfrm_state_update). */
function updated(live: XfrmStateInfo, info: XfrmStateInfo): XfrmStateInfo {
  if (live.encap?.type !== info.encap?.type) return live;
  const { encap, limits, output_mark } = info;
  return { ...live, limits, ...(encap && { encap }), ...(output_mark && { output_mark }) };
}

function policyAction(
  { info, at }: WantedPolicy,
  live: XfrmPolicyInfo | undefined,
  owned: boolean,
): PolicyAction {
  if (live === undefined) return "make";
  if (policyDefinition(live) === policyDefinition(info)) return "keep";
  if (owned) return "update";
  throw new ConfigError(
    `${at("dir")}: Cannot add policy: one with this selector, dir and mark exists, not from a file`,
  );
}

/** A key that goes with one SA must not come back with another in the same step. */
function refuseReusedKeys(
  states: readonly Planned<WantedState, StateAction>[],
  gone: readonly Identity[],
  live: (netns: NetnsRef) => Live,
): void {
  const leaving = gone.flatMap((identity) => {
    if (identity.kind !== "state") return [];
    const name = JSON.stringify(identity);
    return live(identity.netns).states.filter((state) => stateIdentity(identity.netns, state) === name);
  });
  for (const { action, wanted: { info, at } } of states) {
    if (action !== "make" && action !== "replace") continue;
    if (!leaving.some((state) => sharesKey(state, info))) continue;
    throw new ConfigError(`${at()}: Cannot add state: its key is that of one that goes; give it a new key`);
  }
}

/** With AH there is only the key that authenticates; elsewhere that of the cipher counts. */
function sharesKey(a: XfrmStateInfo, b: XfrmStateInfo): boolean {
  const key = ({ aead, enc, auth }: XfrmStateInfo) => (aead ?? enc ?? auth)?.key ?? "";
  return key(a) !== "" && key(a) === key(b);
}
