/**
 * The links of one namespace, in both roles it can have: underlay of tunnels, and home of devices. They are the same
 * unless `ip link set vti1 netns X` moved a device: its SAs, routes and sockets stay where it was made.
 */
import { close } from "../ffi/io.ts";
import type { Rtnetlink } from "../ffi/rtnetlink.ts";
import { type ControlTunnel, IpTunnelNet } from "./control/ip_tunnel.ts";
import { ok, type Result } from "./control/kernel_error.ts";
import { vtiFillInfo } from "./control/vti_fill_info.ts";
import {
  noSuchLink,
  type TunnelPlaces,
  vtiChangelink,
  vtiDellink,
  vtiInitNet,
  vtiNewlink,
  vtiUnregister,
} from "./control/vti_link_ops.ts";
import type { Kept, Slot } from "./control/keeper.ts";
import { type Cells, dropsByCause, linkStats, TUNNEL_CELLS } from "./counters.ts";
import { hasFallbackTunnels } from "./fallback_tunnels.ts";
import type { GatewayEvent, LinkChange, LinkInfo, LinkRequest } from "./gateway.ts";
import { IpTunnelIoctl } from "./ip_tunnel_ioctl.ts";
import { LinkFollower } from "./link_follower.ts";
import { keptLink, LinkRestorer } from "./link_restorer.ts";
import { parmOf, type TunnelLetter, type TunnelMessage, type TunnelView } from "./messages.ts";
import type { NetnsFds } from "./netns_fds.ts";
import type { SpaceActors } from "./space_actors.ts";
import type { NetnsKeeper } from "./store/netns_keeper.ts";
import type { Sysctls } from "./sysctls.ts";
import { TunDevices } from "./vti_devices.ts";

export interface LinksDeps {
  readonly name: string;
  readonly inode: number;
  readonly fds: NetnsFds;
  readonly rtnl: Rtnetlink;
  readonly actors: SpaceActors;
  readonly keeper: NetnsKeeper;
  readonly sysctls: Sysctls;
  event(kind: GatewayEvent["kind"], body: unknown): void;
  log(line: string): void;
  /** A tunnel whose underlay this is came, or is another. */
  changed(): void;
  /** Links of a namespace that is served. */
  linksOf(inode: number): NetnsLinks;
  /** Serves the namespace of a descriptor, which it takes over. */
  serve(netns: number): Promise<NetnsLinks>;
}

export class NetnsLinks {
  readonly net: IpTunnelNet;
  readonly devices: TunDevices;
  /** Tunnels whose devices live here, by ifindex. */
  readonly here = new Map<number, ControlTunnel>();
  readonly ioctl: IpTunnelIoctl = new IpTunnelIoctl(this);
  readonly follower: LinkFollower;
  readonly restorer: LinkRestorer;
  readonly #deps: LinksDeps;
  /** Counters of the tunnels whose underlay this is, by actor. */
  readonly #slots = new Map<number, Slot>();

  constructor(deps: LinksDeps) {
    this.#deps = deps;
    this.net = new IpTunnelNet(deps.inode);
    this.follower = new LinkFollower(this, { ...deps, netns: deps.fds.netns });
    this.restorer = new LinkRestorer(this, deps);
    this.devices = new TunDevices({
      netns: deps.fds.netns,
      rtnl: deps.rtnl,
      persistent: deps.keeper.persistent,
      nextActor: (ifname) => deps.actors.make(ifname),
      retire: (actor, fd) => this.#retire(actor, fd),
    });
  }

  /** Makes the actors of the links that were taken up again, and ip_vti0 where it is missing. */
  async start(): Promise<void> {
    await Promise.all([...this.net.tunnels.values()].map((tunnel) => this.begin(tunnel)));
    if (this.net.fallback === undefined) await this.makeFallback();
  }

  /** Makes ip_vti0, unless the system wants none or something else has its name. */
  async makeFallback(): Promise<void> {
    if (!hasFallbackTunnels(this.#deps.fds.netns)) return;
    const made = vtiInitNet(this.net, this.devices);
    const added = made.ok ? await this.add(made.value) : made;
    if (!added.ok) this.#deps.log(`Without fallback device: ${added.error.message}`);
  }

  list(): LinkInfo[] {
    return [...this.here.values()].sort((a, b) => a.ifindex - b.ifindex).map((t) => this.#info(t));
  }

  get(ifname: string): Result<LinkInfo> {
    const tunnel = this.named(ifname);
    return tunnel === undefined ? noSuchLink(ifname) : ok(this.#info(tunnel));
  }

  named(ifname: string): ControlTunnel | undefined {
    for (const tunnel of this.here.values()) if (tunnel.ifname === ifname) return tunnel;
    return undefined;
  }

  async newlink(request: LinkRequest): Promise<Result<LinkInfo>> {
    await this.devices.settled();
    const made = vtiNewlink(this.net, request, this.devices);
    if (!made.ok) return made;
    const added = await this.add(made.value);
    return added.ok ? ok(this.#info(made.value)) : added;
  }

  async changelink(ifname: string, change: LinkChange, replace: boolean): Promise<Result<LinkInfo>> {
    const tunnel = this.named(ifname);
    if (tunnel === undefined) return noSuchLink(ifname);
    const { order } = tunnel;
    const changed = vtiChangelink(tunnel, change, replace, this.placesOf(tunnel));
    // The kernel may refuse the device's settings after the tunnel has its new ends.
    if (changed.ok || tunnel.order !== order) await this.announce(tunnel);
    return changed.ok ? ok(this.#info(tunnel)) : changed;
  }

  async dellink(ifname: string): Promise<Result<void>> {
    const tunnel = this.named(ifname);
    if (tunnel === undefined) return noSuchLink(ifname);
    await this.#remove(tunnel, vtiDellink);
    return ok(undefined);
  }

  /** Takes a device away that lives here, ip_vti0 too. */
  async unregister(tunnel: ControlTunnel): Promise<void> {
    await this.#remove(tunnel, vtiUnregister);
  }

  underlayOf(tunnel: ControlTunnel): NetnsLinks {
    return this.#deps.linksOf(tunnel.underlay);
  }

  homeOf(tunnel: ControlTunnel): NetnsLinks {
    return this.#deps.linksOf(tunnel.home);
  }

  /** Name of the device that a tunnel is bound to; seen from another namespace it has only a number. */
  linkNameOf(tunnel: ControlTunnel): string | null {
    const { link } = tunnel.parms;
    if (link === 0) return null;
    return this.underlayOf(tunnel) === this ? this.devices.ifnameOf(link) : `if${link}`;
  }

  placesOf(tunnel: ControlTunnel): TunnelPlaces {
    const { net, devices } = this.underlayOf(tunnel);
    return { net, underlay: devices, home: this.devices };
  }

  /** A new tunnel: its counters, its actor, its place in the lookup table. Undone when one of them can't be had. */
  async add(tunnel: ControlTunnel): Promise<Result<void>> {
    const { actors, keeper } = this.#deps;
    const slot = keeper.allocate();
    if (slot.ok) this.#slots.set(tunnel.actor, slot.value);
    const kept = slot.ok ? keeper.add(this.#kept(tunnel)) : slot;
    if (!kept.ok) {
      vtiUnregister(this.net, tunnel, this.devices);
      return kept;
    }
    this.here.set(tunnel.ifindex, tunnel);
    try {
      await actors.spawnTunnel(tunnel.actor, tunnel.isFallback);
    } catch (error) {
      this.here.delete(tunnel.ifindex);
      vtiUnregister(this.net, tunnel, this.devices);
      throw error;
    }
    actors.tellNetns({ op: "tunnel-set", parm: parmOf(tunnel) });
    await actors.settled();
    this.tell(tunnel);
    this.#deps.changed();
    return ok(undefined);
  }

  /** Tells the actors what a tunnel is now, and the listeners. */
  async announce(tunnel: ControlTunnel): Promise<void> {
    const { actors } = this.underlayOf(tunnel).#deps;
    actors.tellNetns({ op: "tunnel-set", parm: parmOf(tunnel) });
    this.#tellActor(tunnel);
    this.underlayOf(tunnel).#changed(tunnel);
    this.tell(tunnel);
    await actors.settled();
  }

  /** Tells the listeners what a tunnel is now whose device lives here. */
  tell(tunnel: ControlTunnel): void {
    this.#deps.event("newlink", this.#info(tunnel));
  }

  /** Tells a tunnel's actor what may change of it while it lives. */
  #tellActor(tunnel: ControlTunnel): void {
    const letter: TunnelLetter = { op: "set", ...this.#viewOf(tunnel) };
    this.underlayOf(tunnel).#deps.actors.tell(tunnel.actor, letter);
  }

  /** The namespace's sysctls are others than before. */
  sysctlsChanged(): void {
    for (const tunnel of this.here.values()) this.#tellActor(tunnel);
  }

  /** Writes down what a tunnel is whose underlay this is. */
  #changed(tunnel: ControlTunnel): void {
    this.#deps.keeper.change(this.#kept(tunnel));
    this.#deps.keeper.commit();
    this.#deps.changed();
  }

  #kept(tunnel: ControlTunnel): Kept {
    const home = tunnel.home === this.net.inode ? "" : this.homeOf(tunnel).#deps.name;
    return keptLink(tunnel, this.#slots.get(tunnel.actor)!, home, this.linkNameOf(tunnel) ?? "");
  }

  /** A link of the store, whose device lives in `home`. */
  resume(tunnel: ControlTunnel, slot: Slot, home: NetnsLinks): void {
    this.#slots.set(tunnel.actor, slot);
    this.net.tunnels.set(tunnel.actor, tunnel);
    home.here.set(tunnel.ifindex, tunnel);
  }

  /** Makes the actor of a link that was taken up again. */
  async begin(tunnel: ControlTunnel): Promise<void> {
    const { actors } = this.#deps;
    await actors.spawnTunnel(tunnel.actor, tunnel.isFallback);
    actors.tellNetns({ op: "tunnel-set", parm: parmOf(tunnel) });
    await actors.settled();
    this.#deps.changed();
  }

  /** Takes a device away by one of the rules there are for it; `remove` may leave it. */
  async #remove(tunnel: ControlTunnel, remove: typeof vtiDellink | typeof vtiUnregister): Promise<void> {
    const underlay = this.underlayOf(tunnel);
    const info = this.#info(tunnel);
    if (remove(underlay.net, tunnel, underlay.devices) === false) return;
    this.here.delete(tunnel.ifindex);
    this.#deps.event("dellink", info);
    await underlay.#deps.actors.settled();
  }

  /** Takes a tunnel's actor away, then its descriptor, and with it the device. */
  #retire(actor: number, fd: number): void {
    const { actors, keeper } = this.#deps;
    const slot = this.#slots.get(actor);
    if (slot !== undefined) keeper.remove(slot);
    keeper.commit();
    actors.tellNetns({ op: "tunnel-del", actor });
    actors.retire(actor, async () => {
      await this.devices.close(fd);
      if (slot !== undefined) keeper.release(slot);
      this.#slots.delete(actor);
    });
  }

  #countersOf(actor: number): Cells {
    return new Float64Array(this.#slots.get(actor)!.memory, 0, TUNNEL_CELLS);
  }

  #info(tunnel: ControlTunnel): LinkInfo {
    const underlay = this.underlayOf(tunnel);
    const cells = underlay.#countersOf(tunnel.actor);
    return vtiFillInfo({
      tunnel,
      live: this.devices.live(tunnel.ifindex),
      linkName: this.linkNameOf(tunnel),
      linkNetnsid: underlay === this ? null : this.devices.nsid(underlay.#deps.fds.netns),
      stats64: linkStats(cells),
      drops: dropsByCause(cells),
    });
  }

  #viewOf(tunnel: ControlTunnel): TunnelView {
    const { fds: { icmp, icmp6 }, sysctls, inode } = this.#deps;
    const underlayIfindex = tunnel.home === tunnel.underlay ? tunnel.ifindex : 0;
    const icmpLimits = sysctls.icmpLimits(inode);
    return {
      parm: parmOf(tunnel),
      mtu: tunnel.mtu,
      icmpFd: icmp,
      icmp6Fd: icmp6,
      icmpLimits,
      underlayIfindex,
    };
  }

  /** Init record of a tunnel whose underlay this is. */
  initOf(actor: number, saTable: number): TunnelMessage | null {
    const tunnel = this.net.tunnels.get(actor);
    if (tunnel === undefined) return null;
    return {
      kind: "tunnel",
      saTable,
      tunFd: this.devices.fds.get(actor)!,
      counters: this.#slots.get(actor)!.address,
      ...this.homeOf(tunnel).#viewOf(tunnel),
    };
  }

  // ---- moves -----------------------------------------------------------------------------------------------------

  /** The device of a tunnel has another index. */
  reindex(tunnel: ControlTunnel, ifindex: number): void {
    this.here.delete(tunnel.ifindex);
    tunnel.ifindex = ifindex;
    this.here.set(ifindex, tunnel);
  }

  /** A device went to another namespace. */
  leave(tunnel: ControlTunnel): void {
    this.#deps.event("dellink", this.#info(tunnel));
    this.here.delete(tunnel.ifindex);
  }

  /** A device came from another namespace. */
  async adopt(tunnel: ControlTunnel, name: string): Promise<void> {
    const link = this.devices.link(name);
    tunnel.home = this.#deps.inode;
    tunnel.ifindex = link?.ifindex ?? 0;
    this.here.set(tunnel.ifindex, tunnel);
    if (link === null) return await this.follower.look(tunnel);
    Object.assign(tunnel, { ifname: link.name, up: link.up, mtu: link.mtu });
    await this.announce(tunnel);
  }

  // ---- the end ---------------------------------------------------------------------------------------------------

  /** ip_tunnel_delete_nets: the tunnels whose underlay this is, and the devices that live here. */
  async close(): Promise<void> {
    // Together, so that they wait for the kernel's grace periods together.
    await Promise.all([...this.net.tunnels.values()].map((tunnel) => this.homeOf(tunnel).unregister(tunnel)));
    await Promise.all([...this.here.values()].map((tunnel) => this.unregister(tunnel)));
  }

  /** For when the workers are gone already. */
  closeFds(): void {
    for (const fd of this.devices.fds.values()) close(fd);
  }
}
