/** The real devices behind the vti's: TUN devices of one namespace, made and changed by rtnetlink. */
import { EBADFD, EBUSY, EEXIST, EMFILE, ENFILE, SyscallError } from "../ffi/errno.ts";
import { close } from "../ffi/io.ts";
import { NetlinkRefusal } from "../ffi/netlink_socket.ts";
import type { Rtnetlink } from "../ffi/rtnetlink.ts";
import {
  IFF_DYNAMIC,
  IFF_LOWER_UP,
  IFF_MULTICAST,
  IFF_NOARP,
  IFF_NOTRAILERS,
  IFF_UP,
  type Link,
} from "../ffi/rtnetlink_link.ts";
import type { LinkSettings } from "../ffi/rtnetlink_set.ts";
import {
  ARPHRD_TUNNEL,
  closeTunAside,
  openTun,
  setCarrier,
  setLinkType,
  setOffload,
  setPersist,
  type Tun,
  TUN_F_ALL,
} from "../ffi/tun.ts";
import type { ControlTunnel } from "./control/ip_tunnel.ts";
import { checkReserve } from "./descriptor_reserve.ts";
import { type Errno, fail, ok, type Result, STRERROR } from "./control/kernel_error.ts";
import type { DeviceChange } from "./gateway.ts";
import { type LiveLink, UNTOUCHED } from "./control/vti_fill_info.ts";
import { TX_QUEUE_PACKETS, type VtiDevices } from "./control/vti_link_ops.ts";

/** MTU that a TUN begins with, and the least that IPv6 wants of a device (RFC 8200 §5). */
const TUN_MTU = 1500, IPV6_MIN_MTU = 1280;

export interface TunDevicesOptions {
  /** Descriptor of the namespace. */
  readonly netns: number;
  readonly rtnl: Rtnetlink;
  /** Devices outlive the process. */
  readonly persistent: boolean;
  nextActor(ifname: string): number;
  /** Has a device's descriptor closed by close() once its actor no longer uses it. */
  retire(actor: number, fd: number): void;
}

export interface TunDevice {
  readonly ifindex: number;
  readonly actor: number;
}

export class TunDevices implements VtiDevices {
  readonly #options: TunDevicesOptions;
  readonly #rtnl: Rtnetlink;
  /** Descriptor of each device that was made here, by actor. */
  readonly fds = new Map<number, number>();
  /** Devices that are going away. */
  readonly #going = new Set<Promise<void>>();

  constructor(options: TunDevicesOptions) {
    this.#options = options;
    this.#rtnl = options.rtnl;
  }

  link(device: string | number): Link | null {
    return this.#rtnl.link(device);
  }

  ifindexOf(ifname: string): number | null {
    return this.#rtnl.link(ifname)?.ifindex ?? null;
  }

  ifnameOf(ifindex: number): string | null {
    return this.#rtnl.link(ifindex)?.name ?? null;
  }

  deviceMtu(ifindex: number): number | null {
    return this.#rtnl.link(ifindex)?.mtu ?? null;
  }

  routeDeviceMtu(remote: number, local: number, link: number, fwmark: number): number | null {
    const route = this.#rtnl.routeGet({ dst: remote, src: local, oif: link, mark: fwmark });
    return route.errno === 0 ? this.deviceMtu(route.oif) : null;
  }

  /** Id of another namespace in this one. */
  nsid(netns: number): number {
    return this.#rtnl.nsid(netns);
  }

  /** What is set of the device by others than the gateway. */
  live(ifindex: number): LiveLink {
    const link = this.#rtnl.link(ifindex);
    if (link === null) return UNTOUCHED;
    const { allmulti, promiscuity, txqlen, group, linkmode, alias } = link;
    const { gsoMaxSize, gsoMaxSegs, groMaxSize } = link;
    return {
      arp: (link.flags & IFF_NOARP) === 0,
      multicast: (link.flags & IFF_MULTICAST) !== 0,
      carrier: (link.flags & IFF_UP) === 0 || (link.flags & IFF_LOWER_UP) !== 0,
      trailers: (link.flags & IFF_NOTRAILERS) === 0,
      dynamic: (link.flags & IFF_DYNAMIC) !== 0,
      allmulti,
      promiscuity,
      txqlen,
      group,
      master: link.master === 0 ? "" : this.ifnameOf(link.master) ?? "",
      alias,
      linkmode,
      gsoMaxSize,
      gsoMaxSegs,
      groMaxSize,
      addrGenMode: link.inet6AddrGenMode,
    };
  }

  /** Persistence last: what fails before takes the device away again. */
  register(ifname: string, ifindex?: number): Result<TunDevice> {
    return attempt(`Cannot create link "${ifname}"`, () => this.#make(ifname, this, ifindex));
  }

  /** Takes over the device that an earlier process left in `home`, or makes it there anew. */
  reopen(ifname: string, home: TunDevices): Result<TunDevice & { readonly isNew: boolean }> {
    return attempt(`Cannot open link "${ifname}"`, () => {
      const left = home.link(ifname);
      if (left === null) return { ...this.#make(ifname, home), isNew: true };
      const action = `Take over TUN device "${ifname}"`;
      if (left.type !== ARPHRD_TUNNEL) throw new SyscallError(action, "a look at its type", EEXIST);
      const tun = openTun({ name: ifname, netns: home.#options.netns, vnetHdr: true, attach: true });
      return { ...this.#keep(tun, () => setOffload(tun.fd, TUN_F_ALL)), isNew: false };
    });
  }

  /** ARPHRD_TUNNEL, so that every tool shows link/ipip; all offloads that the kernel offers. */
  #make(ifname: string, home: TunDevices, ifindex?: number): TunDevice {
    const { netns } = home.#options;
    const tun = openTun({ name: ifname, netns, vnetHdr: true, ...(ifindex && { ifindex }) });
    return this.#keep(tun, () => {
      setLinkType(tun.fd, ARPHRD_TUNNEL);
      setOffload(tun.fd, TUN_F_ALL);
      home.#rtnl.setLink({ ifindex: tun.ifindex, multicast: false, txqlen: TX_QUEUE_PACKETS });
      home.#leaveAllRouters(tun.ifindex);
    });
  }

  /**
   * A TUN begins with multicast, so where packets are forwarded IPv6 has joined it to ff02::2, and would report that
   * into the tunnel. It forgets a device whose MTU is too short for it, and begins anew when it is not.
   */
  #leaveAllRouters(ifindex: number): void {
    for (const mtu of [IPV6_MIN_MTU - 1, TUN_MTU]) this.#rtnl.setLink({ ifindex, mtu });
  }

  #keep({ fd, ifindex, name }: Tun, dress: () => void): TunDevice {
    try {
      checkReserve(fd, `Open TUN device "${name}"`);
      dress();
      if (this.#options.persistent) setPersist(fd, true);
    } catch (error) {
      close(fd);
      throw error;
    }
    const actor = this.#options.nextActor(name);
    this.fds.set(actor, fd);
    return { ifindex, actor };
  }

  unregister(tunnel: ControlTunnel): void {
    const fd = this.fds.get(tunnel.actor);
    this.fds.delete(tunnel.actor);
    if (fd !== undefined) this.#options.retire(tunnel.actor, fd);
  }

  /** Closes a descriptor for good, and with it the device. Resolves when it is gone, and its name free. */
  async close(fd: number): Promise<void> {
    if (this.#options.persistent) dropPersistence(fd);
    const going = closeTunAside(fd);
    this.#going.add(going);
    try {
      await going;
    } finally {
      this.#going.delete(going);
    }
  }

  /** Resolves when no device is going away: then names are free again that nobody has. */
  async settled(): Promise<void> {
    while (this.#going.size > 0) await Promise.allSettled(this.#going);
  }

  setMtu(tunnel: ControlTunnel, mtu: number): Result<void> {
    return attempt(`Cannot set MTU of "${tunnel.ifname}"`, () => {
      this.#rtnl.setLink({ ifindex: tunnel.ifindex, mtu });
      tunnel.mtu = mtu;
    });
  }

  setUp(tunnel: ControlTunnel, up: boolean): Result<void> {
    return attempt(`Cannot set "${tunnel.ifname}" ${up ? "up" : "down"}`, () => {
      this.#rtnl.setLink({ ifindex: tunnel.ifindex, up });
      tunnel.up = up;
      tunnel.everUp ||= up;
    });
  }

  setCarrier(tunnel: ControlTunnel, on: boolean): Result<void> {
    return attempt(`Cannot set the carrier of "${tunnel.ifname}"`, () => {
      setCarrier(this.fds.get(tunnel.actor)!, on);
    });
  }

  configure(tunnel: ControlTunnel, settings: DeviceChange): Result<void> {
    const { master: name, txqlen, ifalias, inet6_addr_gen_mode, ...others } = settings;
    const { gso_max_size, gso_max_segs, gro_max_size, ...alike } = others;
    const action = `Cannot change link "${tunnel.ifname}"`;
    return attempt(action, () => {
      this.#rtnl.setLink(present({
        ...alike,
        ifindex: tunnel.ifindex,
        master: name === undefined ? undefined : name === "" ? 0 : this.ifindexOf(name) ?? 0,
        // A TUN without a queue passes nothing; a vti has none to begin with.
        txqlen: txqlen === 0 ? undefined : txqlen,
        alias: ifalias,
        inet6AddrGenMode: inet6_addr_gen_mode,
        gsoMaxSize: gso_max_size,
        gsoMaxSegs: gso_max_segs,
        groMaxSize: gro_max_size,
      }));
    });
  }

  rename(tunnel: ControlTunnel, ifname: string): Result<void> {
    return attempt(`Cannot rename "${tunnel.ifname}"`, () => {
      this.#rtnl.setLink({ ifindex: tunnel.ifindex, name: ifname });
      tunnel.ifname = ifname;
    });
  }
}

/** The members that have a value. */
function present(settings: { [K in keyof LinkSettings]: LinkSettings[K] | undefined }): LinkSettings {
  return Object.fromEntries(
    Object.entries(settings).filter(([, value]) => value !== undefined),
  ) as unknown as LinkSettings;
}

/** The device then goes with its descriptor; it may be gone already. */
function dropPersistence(fd: number): void {
  try {
    setPersist(fd, false);
  } catch (error) {
    if (!(error instanceof SyscallError && error.errno === EBADFD)) throw error;
  }
}

/** Runs system calls; a refusal of the kernel becomes a Result with its errno. */
function attempt<T>(action: string, calls: () => T): Result<T> {
  try {
    return ok(calls());
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    const extack = error instanceof NetlinkRefusal ? error.text : undefined;
    return fail(controlErrno(error), `${action}: ${error.message}`, undefined, extack);
  }
}

function controlErrno(error: SyscallError): Errno {
  // A name that another TUN device has.
  if (error.errno === EBUSY) return "EEXIST";
  // A kernel's vti needs no descriptor; what it may lack is room.
  if (error.errno === EMFILE || error.errno === ENFILE) return "ENOBUFS";
  return error.errnoName in STRERROR ? error.errnoName as Errno : "EINVAL";
}
