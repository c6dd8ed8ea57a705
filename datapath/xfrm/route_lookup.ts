/**
 * How the SA table asks for the route of an outer packet. It asks only when a flow is new or something changed
 * (XfrmTable.routesChanged), so the answer may cost a system call.
 */
export interface RouteResult {
  /** 0, or the errno of a lookup that failed. */
  errno: number;
  /** Interface that the route leads out of. */
  oif: number;
  /** MTU of the route: of the device, of the route itself, or learned from the path. */
  mtu: number;
  /** Next hop, 0 for none, 32-bit integer in host order. */
  gateway: number;
  /** TTL of packets that take the route ("hoplimit"), 0 where it says none. */
  hopLimit: number;
  /** Source address the route prefers, 32-bit integer in host order; 0 when not known. */
  src: number;
  /** The MTU is fixed ("mtu lock"): nothing learned from the path changes it. */
  mtuLocked?: boolean;
}

/** Routes that ended: to destinations within a prefix, by a next hop. Addresses as in a lookup. */
export interface GoneRoutes {
  readonly dst: number;
  readonly prefix: number;
  /** 0: by any interface. */
  readonly oif: number;
  /** null: by any next hop. */
  readonly gateway: number | null;
}

/** All of them: what was learned is to be forgotten. */
export const ALL_ROUTES: GoneRoutes = { dst: 0, prefix: 0, oif: 0, gateway: null };

export interface RouteLookup {
  /**
   * Fills and returns one reused record. Addresses are 32-bit integers in host order, either sign; src 0 leaves the
   * choice to routing, mark 0 is none, tos has only bits of 0x1c.
   */
  lookup(dst: number, src: number, tos: number, mark: number): RouteResult;
}

/** Types of a route that a packet comes in by (linux/rtnetlink.h RTN_*), 0 for none. */
export const RTN_UNICAST = 1;
export const RTN_LOCAL = 2;
export const RTN_BROADCAST = 3;

export interface StackRoutes {
  /** RTN_*, 0 where the stack drops it; addresses are four words in host order, an IPv4 one in the first. */
  input(family: number, src: Int32Array, dst: Int32Array, ifindex: number, mark: number): number;
}

/** Answers kept at the most; more peers than this start over. */
const KEPT_ROUTES = 65536;

class KeptRoute implements RouteResult {
  constructor(
    readonly forSrc: number,
    readonly forMark: number,
    readonly errno: number,
    readonly oif: number,
    readonly mtu: number,
    readonly src: number,
    readonly gateway: number,
    readonly hopLimit: number,
  ) {}
}

/** Keeps the answers until routes change: many flows go to one peer. */
export class RouteCache {
  readonly #routes: RouteLookup;
  readonly #kept: Map<number, KeptRoute> = new Map();

  constructor(routes: RouteLookup) {
    this.#routes = routes;
  }

  lookup(dst: number, src: number, tos: number, mark: number): Readonly<RouteResult> {
    // One answer for a destination and TOS, and one more for the question which source to take.
    const key = (dst >>> 0) * 64 + tos + (src === 0 ? 1 : 0);
    const kept = this.#kept.get(key);
    if (kept !== undefined && kept.forSrc === src && kept.forMark === mark) return kept;
    const r = this.#routes.lookup(dst, src, tos, mark);
    const route = new KeptRoute(src, mark, r.errno, r.oif, r.mtu, r.src | 0, r.gateway, r.hopLimit);
    if (this.#kept.size >= KEPT_ROUTES) this.#kept.clear();
    this.#kept.set(key, route);
    return route;
  }

  clear(): void {
    this.#kept.clear();
  }
}
