/**
 * MTUs of paths, as ICMP errors have told them (net/ipv4/route.c __ip_rt_update_pmtu(), update_or_create_fnhe()).
 *
 * They can't be left to the kernel's own routes: its sockets would take them from anybody who knows the addresses.
 */
import type { RouteLookup, RouteResult } from "./route_lookup.ts";

/** sysctl net.ipv4.route.min_pmtu and mtu_expires. */
export interface PmtuOptions {
  readonly minPmtu: number;
  readonly expiresSeconds: number;
}

/** Destinations kept at the most; with more the oldest goes. */
const KEPT_PATHS = 4096;

interface Path {
  readonly mtu: number;
  /** Interface that the path led out of. */
  readonly oif: number;
  /** The reported MTU was below the least: nothing further is learned. */
  readonly locked: boolean;
  /** As `now` of update(). */
  readonly expires: number;
}

export class PmtuCache implements RouteLookup {
  readonly #routes: RouteLookup;
  options: PmtuOptions;
  /** By destination. */
  readonly #paths: Map<number, Path> = new Map();

  constructor(routes: RouteLookup, options: PmtuOptions) {
    this.#routes = routes;
    this.options = options;
  }

  /** The route with the least MTU that is known of its path. */
  lookup(dst: number, src: number, tos: number, mark: number): RouteResult {
    const route = this.#routes.lookup(dst, src, tos, mark);
    const path = this.#paths.get(dst | 0);
    if (path !== undefined && path.oif === route.oif && path.mtu < route.mtu) route.mtu = path.mtu;
    return route;
  }

  /**
   * A router said that `mtu` is all that fits. Only ever lowers an MTU, and to no less than the least. `now` in seconds.
   * Returns whether what is known of the path has changed.
   */
  update(dst: number, src: number, mtu: number, now: number): boolean {
    const { minPmtu, expiresSeconds } = this.options;
    const known = this.#paths.get(dst | 0);
    const route = this.lookup(dst, src, 0, 0);
    if (route.errno !== 0 || route.mtuLocked || known?.locked || route.mtu < mtu) return false;
    const path = {
      mtu: mtu < minPmtu ? Math.min(route.mtu, minPmtu) : mtu,
      oif: route.oif,
      locked: mtu < minPmtu,
      expires: now + expiresSeconds,
    };
    this.#paths.delete(dst | 0);
    if (this.#paths.size >= KEPT_PATHS) this.#paths.delete(this.#paths.keys().next().value!);
    this.#paths.set(dst | 0, path);
    return path.mtu !== known?.mtu;
  }

  /** Forgets what has been known long enough; routers are asked again then. Returns whether anything was. */
  expire(now: number): boolean {
    let any = false;
    for (const [dst, path] of this.#paths) {
      if (path.expires > now) continue;
      this.#paths.delete(dst);
      any = true;
    }
    return any;
  }
}
