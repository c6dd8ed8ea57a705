/**
 * MTUs of paths, as ICMP errors have told them (net/ipv4/route.c __ip_rt_update_pmtu(), update_or_create_fnhe()).
 *
 * They can't be left to the kernel's own routes: its sockets would take them from anybody who knows the addresses.
 */
import type { GoneRoutes, RouteLookup, RouteResult } from "./route_lookup.ts";

/** sysctl net.ipv4.route.min_pmtu and mtu_expires. */
export interface PmtuOptions {
  readonly minPmtu: number;
  readonly expiresSeconds: number;
}

/** Destinations kept at the most; with more the oldest goes. */
const KEPT_PATHS = 4096;

interface Path {
  readonly mtu: number;
  /** The route that it was learned for: another one for the destination has an MTU of its own. */
  readonly oif: number;
  readonly gateway: number;
  readonly routeMtu: number;
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
    const path = this.#pathOf(dst, route);
    if (path !== undefined && path.mtu < route.mtu) route.mtu = path.mtu;
    return route;
  }

  /**
   * A router said that `mtu` is all that fits. Only ever lowers an MTU, and to no less than the least. `now` in seconds.
   * Returns whether what is known of the path has changed.
   */
  update(dst: number, src: number, mtu: number, now: number): boolean {
    const { minPmtu, expiresSeconds } = this.options;
    const route = this.#routes.lookup(dst, src, 0, 0);
    const known = this.#pathOf(dst, route);
    const before = Math.min(route.mtu, known?.mtu ?? route.mtu);
    if (route.errno !== 0 || route.mtuLocked || known?.locked || before < mtu) return false;
    const path = {
      mtu: mtu < minPmtu ? Math.min(before, minPmtu) : mtu,
      oif: route.oif,
      gateway: route.gateway,
      routeMtu: route.mtu,
      locked: mtu < minPmtu,
      expires: now + expiresSeconds,
    };
    this.#paths.delete(dst | 0);
    if (this.#paths.size >= KEPT_PATHS) this.#paths.delete(this.#paths.keys().next().value!);
    this.#paths.set(dst | 0, path);
    return path.mtu !== known?.mtu;
  }

  #pathOf(dst: number, { oif, gateway, mtu }: RouteResult): Path | undefined {
    const path = this.#paths.get(dst | 0);
    const isOfRoute = path?.oif === oif && path.gateway === gateway && path.routeMtu === mtu;
    return isOfRoute ? path : undefined;
  }

  /** Routes have ended, and what was learned for them with them (fib_info's exceptions). Returns whether any was. */
  forget({ dst, prefix, oif, gateway }: GoneRoutes): boolean {
    let any = false;
    for (const [to, path] of this.#paths) {
      const isWithin = prefix === 0 || (to ^ dst) >>> (32 - prefix) === 0;
      if (!isWithin || (oif !== 0 && oif !== path.oif)) continue;
      if (gateway !== null && gateway !== path.gateway) continue;
      this.#paths.delete(to);
      any = true;
    }
    return any;
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
