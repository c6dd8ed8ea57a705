/**
 * Which tunnel does a packet belong to? Kernel: net/ipv4/ip_tunnel.c ip_tunnel_lookup(), with TUNNEL_NO_KEY.
 *
 * The kernel walks a bucket four times; here each pass asks an index for exactly the entries that it could match, so
 * the cost doesn't grow with the number of tunnels. Inside an index entry the order is the bucket's: newest first.
 *
 * Four passes, `local` = outer destination, `remote` = outer source, `link` = ingress ifindex:
 * 1. local and remote equal        link equal: it. Else candidate := it, each overwriting the one before.
 * 2. remote equal, local any       link equal: it. Else candidate if there is none yet.
 * 3. local equal, remote any; or the tunnel's remote is the multicast group `local`   as 2.
 * 4. both any                      as 2.
 * Then the candidate. LINK is no filter, and 0 never equals an ingress ifindex.
 */
import { type IpTunnelParm, ipv4IsMulticast } from "./ip_tunnel_parm.ts";

type Bucket = IpTunnelParm[];

export class IpTunnelTable {
  /** remote → local → tunnels. A multicast remote stands under itself. */
  readonly #index = new Map<number, Map<number, Bucket>>();
  readonly #byActor = new Map<number, IpTunnelParm>();
  // The last answer: a stream asks the same question again and again.
  #lastLink = -1;
  #lastRemote = 0;
  #lastLocal = 0;
  #last: IpTunnelParm | null = null;

  /** Adds a tunnel, or replaces the one with the same actor (ip_tunnel_add, ip_tunnel_update). */
  set(parm: IpTunnelParm): void {
    this.delete(parm.actor);
    this.#byActor.set(parm.actor, parm);
    let locals = this.#index.get(parm.remote);
    if (locals === undefined) this.#index.set(parm.remote, locals = new Map());
    let bucket = locals.get(parm.local);
    if (bucket === undefined) locals.set(parm.local, bucket = []);
    bucket.push(parm);
    bucket.sort((a, b) => b.order - a.order);
  }

  delete(actor: number): void {
    this.#lastLink = -1;
    const old = this.#byActor.get(actor);
    if (old === undefined) return;
    this.#byActor.delete(actor);
    const locals = this.#index.get(old.remote)!;
    const rest = locals.get(old.local)!.filter((t) => t.actor !== actor);
    if (rest.length > 0) locals.set(old.local, rest);
    else locals.delete(old.local);
    if (locals.size === 0) this.#index.delete(old.remote);
  }

  get(actor: number): IpTunnelParm | undefined {
    return this.#byActor.get(actor);
  }

  /** Addresses are u32 in host order. Returns null when no tunnel that is up takes the packet. */
  lookup(link: number, remote: number, local: number): IpTunnelParm | null {
    if (link === this.#lastLink && remote === this.#lastRemote && local === this.#lastLocal) {
      return this.#last;
    }
    const found = this.#passes(link, remote, local);
    this.#lastLink = link;
    this.#lastRemote = remote;
    this.#lastLocal = local;
    this.#last = found;
    return found;
  }

  #passes(link: number, remote: number, local: number): IpTunnelParm | null {
    let candidate: IpTunnelParm | null = null;
    const exact = remote === 0 || local === 0 ? undefined : this.#index.get(remote)?.get(local);
    if (exact !== undefined) {
      for (const t of exact) {
        if (!t.up) continue;
        if (t.link === link) return t;
        candidate = t;
      }
    }
    for (const bucket of [this.#index.get(remote)?.get(0), this.#pass3(local), this.#index.get(0)?.get(0)]) {
      if (bucket === undefined) continue;
      for (const t of bucket) {
        if (!t.up) continue;
        if (t.link === link) return t;
        candidate ??= t;
      }
    }
    return candidate;
  }

  #pass3(local: number): Bucket | undefined {
    const wildcard = this.#index.get(0)?.get(local);
    if (!ipv4IsMulticast(local)) return wildcard;
    const group = [...(this.#index.get(local)?.values() ?? [])].flat();
    return [...(wildcard ?? []), ...group].sort((a, b) => b.order - a.order);
  }
}
