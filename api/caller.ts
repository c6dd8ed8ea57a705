/** Who asks, and what the one may. */

/** read: GET. write: every change. keys: GET with keys=true, which shows secret keys; it needs read too. */
export const SCOPES = ["read", "write", "keys"] as const;
export type Scope = (typeof SCOPES)[number];

/** Whom a token belongs to, or the unix socket. */
export interface Caller {
  readonly name: string;
  readonly scopes: ReadonlySet<Scope>;
}

/** The other end of a connection. `pid` and the ids are those at the time of connect(2); absent where unknown. */
export type Peer =
  | { readonly transport: "unix"; readonly uid?: number; readonly gid?: number; readonly pid?: number }
  | { readonly transport: "tcp"; readonly address: string };

/** The mode of the unix socket lets nobody else connect. */
export const UNIX_CALLER: Caller = { name: "unix", scopes: new Set(SCOPES) };

/** What is counted together: a user, or an address. */
export function peerKey(peer: Peer): string {
  return peer.transport === "tcp" ? peer.address : `uid ${peer.uid ?? "unknown"}`;
}
