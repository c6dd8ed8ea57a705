/**
 * What tells one thing that a configuration file makes from another, as text that can be read back: the file's links,
 * SAs and policies are found by it in the gateway, and those that an earlier file made are known by it.
 */
import type {
  XfrmMark,
  XfrmPolicyId,
  XfrmPolicyInfo,
  XfrmProto,
  XfrmStateId,
  XfrmStateInfo,
} from "../actors/gateway.ts";

export type Identity =
  | { readonly kind: "netns"; readonly netns: string }
  | { readonly kind: "link"; readonly netns: string; readonly ifname: string }
  | { readonly kind: "state"; readonly netns: string; readonly id: XfrmStateId }
  | { readonly kind: "policy"; readonly netns: string; readonly id: XfrmPolicyId };

const NO_MARK = { value: 0, mask: 0 };

export function netnsIdentity(netns: string): string {
  return write({ kind: "netns", netns });
}

export function linkIdentity(netns: string, { ifname }: { readonly ifname: string }): string {
  return write({ kind: "link", netns, ifname });
}

/** src is not part of what names an SA. No file makes a companion ("ipip"), so none has its identity. */
export function stateIdentity(netns: string, { dst, proto, spi, mark }: XfrmStateInfo): string {
  const src = dst.includes(":") ? "::" : "0.0.0.0";
  return write({
    kind: "state",
    netns,
    id: { src, dst, proto: proto as XfrmProto, spi, mark: markOf(mark) },
  });
}

export function policyIdentity(netns: string, { sel, dir, mark, ptype, if_id }: XfrmPolicyInfo): string {
  return write({ kind: "policy", netns, id: { sel, dir, mark: markOf(mark), ptype, if_id: if_id ?? 0 } });
}

export function readIdentity(identity: string): Identity {
  return JSON.parse(identity);
}

function write(identity: Identity): string {
  return JSON.stringify(identity);
}

function markOf(mark: XfrmMark | undefined): XfrmMark {
  const { value, mask } = mark ?? NO_MARK;
  return { value, mask };
}

/** What an SA is by its definition, keys included: what neither traffic nor time changes. */
export function stateDefinition(info: XfrmStateInfo): string {
  const { replay: _, lifetime: __, stats: ___, seq: ____, ...definition } = info;
  return JSON.stringify(definition, Object.keys(flatten(definition)).sort());
}

export function policyDefinition(info: XfrmPolicyInfo): string {
  const { index: _, lifetime: __, ...definition } = info;
  return JSON.stringify(definition, Object.keys(flatten(definition)).sort());
}

/** Every key that occurs anywhere below. */
function flatten(value: unknown, into: Record<string, true> = {}): Record<string, true> {
  if (typeof value === "object" && value !== null) {
    for (const [key, inner] of Object.entries(value)) {
      into[key] = true;
      flatten(inner, into);
    }
  }
  return into;
}
