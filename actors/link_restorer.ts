/**
 * Links in the store: what makes one again after a restart. The device of the earlier process is taken over where it
 * still is, with its addresses and routes; else a new one is made in its place.
 */
import { openNetns } from "../ffi/netns.ts";
import type { ControlTunnel, VtiParms } from "./control/ip_tunnel.ts";
import type { Kept, Slot } from "./control/keeper.ts";
import { fail, ok, type Result } from "./control/kernel_error.ts";
import type { NetnsLinks } from "./netns_links.ts";
import type { NetnsKeeper, StoredThing } from "./store/netns_keeper.ts";

type KeptFields =
  | "ifname"
  | "header"
  | "byIoctl"
  | "isFallback"
  | "pointToPoint"
  | "permAddress"
  | "mtu"
  | "up"
  | "everUp";

/** Devices by their names: an index means nothing to another boot. */
interface LinkBody extends Pick<ControlTunnel, KeptFields> {
  /** Absent in rows of an earlier version. */
  readonly address?: number;
  readonly broadcast?: number;
  /** Name of the namespace that the device lives in; "" the one that it is made in. */
  readonly home: string;
  readonly parms: Omit<VtiParms, "link">;
  /** "" unbound. */
  readonly link: string;
  readonly order: number;
}

export function keptLink(tunnel: ControlTunnel, slot: Slot, home: string, link: string): Kept {
  const { ifname, header, byIoctl, isFallback, pointToPoint, mtu, up, everUp, order } = tunnel;
  const { address, broadcast, permAddress } = tunnel;
  const { local, remote, iKey, oKey, fwmark } = tunnel.parms;
  const body: LinkBody = {
    ...{ ifname, header, byIoctl, isFallback, pointToPoint, mtu, up, everUp, order },
    ...{ address, broadcast, permAddress },
    parms: { local, remote, iKey, oKey, fwmark },
    home,
    link,
  };
  return { kind: "link", slot, body };
}

export interface RestorerDeps {
  readonly keeper: NetnsKeeper;
  log(line: string): void;
  /** Serves the namespace of a descriptor, which it takes over. */
  serve(netns: number): Promise<NetnsLinks>;
}

export class LinkRestorer {
  readonly #links: NetnsLinks;
  readonly #deps: RestorerDeps;
  /** Those whose devices live elsewhere. */
  #moved: StoredThing[] = [];

  constructor(links: NetnsLinks, deps: RestorerDeps) {
    this.#links = links;
    this.#deps = deps;
  }

  /** Takes up the links that live where they were made. Their actors are still to be made. */
  restore(things: readonly StoredThing[]): void {
    const inOrder = things.toSorted((a, b) => bodyOf(a).order - bodyOf(b).order);
    this.#moved = inOrder.filter((thing) => bodyOf(thing).home !== "");
    for (const thing of inOrder) if (bodyOf(thing).home === "") this.#restore(thing, this.#links);
  }

  /** Takes up the others, whose namespaces may be waiting for this one. */
  async restoreMoved(): Promise<void> {
    for (const thing of this.#moved.splice(0)) {
      const { home, ifname } = bodyOf(thing);
      try {
        const there = await this.#deps.serve(openNetns(home));
        const tunnel = this.#restore(thing, there);
        if (tunnel !== null) await this.#links.begin(tunnel);
      } catch (error) {
        this.#deps.log(`Cannot take up "${ifname}" again: ${(error as Error).message}`);
      }
    }
  }

  #restore(thing: StoredThing, home: NetnsLinks): ControlTunnel | null {
    const made = this.#make(bodyOf(thing), home);
    if (made.ok) {
      this.#links.resume(made.value, thing.slot, home);
      return made.value;
    }
    this.#deps.log(`Cannot take up "${bodyOf(thing).ifname}" again: ${made.error.message}`);
    // Its place is taken by another, or by nothing that will go away by itself.
    if (made.error.errno === "EEXIST") this.#deps.keeper.drop(thing.slot);
    return null;
  }

  #make(body: LinkBody, home: NetnsLinks): Result<ControlTunnel> {
    const { net, devices } = this.#links;
    const { parms, link, home: _home, order: _order, ...rest } = body;
    const { address = parms.local, broadcast = parms.remote } = body;
    const ifindex = link === "" ? 0 : devices.ifindexOf(link);
    if (ifindex === null) return fail("ENODEV", `no device "${link}" to bind it to`);
    const other = net.find({ ...parms, link: ifindex });
    if (other !== undefined) return fail("EEXIST", `"${other.ifname}" has the same local, remote and link`);
    const device = devices.reopen(body.ifname, home.devices);
    if (!device.ok) return device;
    const tunnel: ControlTunnel = {
      ...rest,
      address,
      broadcast,
      actor: device.value.actor,
      ifindex: device.value.ifindex,
      underlay: net.inode,
      home: home.net.inode,
      parms: { ...parms, link: ifindex },
      order: net.nextOrder(),
    };
    const settings = device.value.isNew
      ? [() => home.devices.setMtu(tunnel, body.mtu), () => home.devices.setUp(tunnel, body.up)]
      : [];
    for (const set of settings) {
      const done = set();
      if (!done.ok) this.#deps.log(done.error.message);
    }
    // What others have set while nobody watched stands.
    const now = home.devices.link(tunnel.ifindex);
    if (now !== null) Object.assign(tunnel, { mtu: now.mtu, up: now.up, everUp: tunnel.everUp || now.up });
    return ok(tunnel);
  }
}

function bodyOf(thing: StoredThing): LinkBody {
  return thing.body as LinkBody;
}
