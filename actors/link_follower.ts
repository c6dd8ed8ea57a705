/**
 * Follows what others do to the devices that live in a namespace: up and down, MTU, name, deletion, and moves to other
 * namespaces. A TUN device lets the system's ip do things that the kernel's vti refuses; those are undone.
 */
import { close } from "../ffi/io.ts";
import { netnsInode, withNetns } from "../ffi/netns.ts";
import { Rtnetlink } from "../ffi/rtnetlink.ts";
import { type TunPlace, tunPlace } from "../ffi/tun.ts";
import { type ControlTunnel, MAX_MTU_BYTES } from "./control/ip_tunnel.ts";
import type { NetnsLinks } from "./netns_links.ts";

/** A device as a notification or a look shows it. */
export interface LinkNow {
  readonly ifindex: number;
  readonly ifname: string;
  readonly up: boolean;
  readonly mtu: number;
}

export interface FollowerDeps {
  readonly inode: number;
  /** Descriptor of the namespace. */
  readonly netns: number;
  log(line: string): void;
  /** Serves the namespace of a descriptor, which it takes over. */
  serve(netns: number): Promise<NetnsLinks>;
}

export class LinkFollower {
  readonly #links: NetnsLinks;
  readonly #deps: FollowerDeps;
  /** Devices that are being looked for. */
  readonly #looking = new Set<ControlTunnel>();

  constructor(links: NetnsLinks, deps: FollowerDeps) {
    this.#links = links;
    this.#deps = deps;
  }

  async changed(link: LinkNow): Promise<void> {
    const tunnel = this.#links.here.get(link.ifindex);
    if (tunnel !== undefined) await this.#update(tunnel, link);
  }

  /** A device is no longer in the namespace. Not to be believed: it may have come back meanwhile. */
  async gone(ifindex: number): Promise<void> {
    const tunnel = this.#links.here.get(ifindex);
    if (tunnel !== undefined) await this.look(tunnel);
  }

  /** Notifications were lost: looks at every device. */
  async lost(): Promise<void> {
    this.#deps.log("Notifications of devices were lost: looking at every device");
    for (const tunnel of [...this.#links.here.values()]) await this.look(tunnel);
  }

  /** Finds out where a device is and what it is like. */
  async look(tunnel: ControlTunnel): Promise<void> {
    if (this.#looking.has(tunnel)) return;
    this.#looking.add(tunnel);
    try {
      await this.#look(tunnel);
    } finally {
      this.#looking.delete(tunnel);
    }
  }

  /** The descriptor knows its device, whatever its name, index and namespace have become. */
  async #look(tunnel: ControlTunnel): Promise<void> {
    if (!this.#lives(tunnel)) return;
    const fd = this.#links.underlayOf(tunnel).devices.fds.get(tunnel.actor)!;
    const place = tunPlace(fd);
    if (place === null) await this.#deleted(tunnel);
    else if (netnsInode(place.netns) === this.#deps.inode) {
      close(place.netns);
      await this.#here(tunnel, place.name);
    } else if (tunnel.isFallback) {
      this.#bringHome(place);
      await this.#here(tunnel, place.name);
    } else await this.#moved(tunnel, place);
  }

  #lives(tunnel: ControlTunnel): boolean {
    return this.#links.here.get(tunnel.ifindex) === tunnel;
  }

  async #here(tunnel: ControlTunnel, name: string): Promise<void> {
    const link = this.#links.devices.link(name);
    // Renamed, moved or deleted since: a notification of it is on its way.
    if (link === null) return;
    this.#links.reindex(tunnel, link.ifindex);
    await this.#update(tunnel, { ...link, ifname: link.name });
  }

  async #update(tunnel: ControlTunnel, { ifname, up, mtu }: LinkNow): Promise<void> {
    const refused = mtu > MAX_MTU_BYTES;
    if (refused) {
      this.#deps.log(`Set MTU of "${ifname}" back from ${mtu} to ${tunnel.mtu}: more than ${MAX_MTU_BYTES}`);
      this.#links.devices.setMtu(tunnel, tunnel.mtu);
    }
    const now = { ifname, up, mtu: refused ? tunnel.mtu : mtu };
    if (tunnel.ifname === now.ifname && tunnel.up === up && tunnel.mtu === now.mtu) return;
    Object.assign(tunnel, now, { everUp: tunnel.everUp || up });
    await this.#links.announce(tunnel);
  }

  /** ip_vti0 is made again: deleting it does nothing. */
  async #deleted(tunnel: ControlTunnel): Promise<void> {
    await this.#links.unregister(tunnel);
    if (tunnel.isFallback) await this.#links.makeFallback();
  }

  /** ip_vti0 stays where it is ("netns-local" in the kernel). */
  #bringHome({ name, netns }: TunPlace): void {
    this.#deps.log(`Brought "${name}" back: it can't leave its namespace`);
    try {
      const there = withNetns(netns, () => new Rtnetlink());
      try {
        const link = there.link(name);
        if (link !== null) there.setLink({ ifindex: link.ifindex, netns: this.#deps.netns });
      } finally {
        there.close();
      }
    } finally {
      close(netns);
    }
  }

  async #moved(tunnel: ControlTunnel, { name, netns }: TunPlace): Promise<void> {
    const there = await this.#deps.serve(netns);
    // Deleted by a request meanwhile.
    if (!this.#lives(tunnel)) return;
    this.#links.leave(tunnel);
    await there.adopt(tunnel, name);
  }
}
