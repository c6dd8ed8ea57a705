/**
 * net.ipv4.conf.DEVICE.disable_policy and disable_xfrm in a namespace, as they stand. Nobody is told when they change,
 * so devices are looked at in turn.
 */
import type { Rtnetlink } from "../ffi/rtnetlink.ts";

/** Devices looked at in one turn: more would show in an idle daemon's time. */
const LOOKS = 8;

export class DeviceSysctls {
  readonly #rtnl: Pick<Rtnetlink, "link" | "links">;
  /** Devices where it is set, by ifindex. */
  readonly noPolicy = new Set<number>();
  readonly noXfrm = new Set<number>();
  readonly #devices = new Set<number>();
  #round: number[] = [];

  constructor(rtnl: Pick<Rtnetlink, "link" | "links">) {
    this.#rtnl = rtnl;
    this.lost();
  }

  /** Looks at the next few. Returns whether one is another than before. */
  look(): boolean {
    if (this.#round.length === 0) this.#round = [...this.#devices];
    return this.#round.splice(0, LOOKS).map((ifindex) => this.seen(ifindex)).includes(true);
  }

  /** A device came, or is another. Returns whether its sysctls are. */
  seen(ifindex: number): boolean {
    const link = this.#rtnl.link(ifindex);
    if (link === null) return this.gone(ifindex);
    this.#devices.add(ifindex);
    const policy = put(this.noPolicy, ifindex, link.noPolicy);
    const xfrm = put(this.noXfrm, ifindex, link.noXfrm);
    return policy || xfrm;
  }

  gone(ifindex: number): boolean {
    this.#devices.delete(ifindex);
    const policy = put(this.noPolicy, ifindex, false);
    const xfrm = put(this.noXfrm, ifindex, false);
    return policy || xfrm;
  }

  /** Notifications were lost: which devices there are is to be seen anew. */
  lost(): void {
    for (const { ifindex } of this.#rtnl.links()) this.seen(ifindex);
  }
}

/** Returns whether that changes the set. */
function put(set: Set<number>, ifindex: number, isIn: boolean): boolean {
  if (set.has(ifindex) === isIn) return false;
  if (isIn) set.add(ifindex);
  else set.delete(ifindex);
  return true;
}
