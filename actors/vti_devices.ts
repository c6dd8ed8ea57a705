/** The real devices behind the vti's: TUN devices of one namespace, made and changed by rtnetlink. */
import { EBUSY, SyscallError } from "../ffi/errno.ts";
import { close } from "../ffi/io.ts";
import type { Rtnetlink } from "../ffi/rtnetlink.ts";
import { IFF_MULTICAST, IFF_NOARP, type Link } from "../ffi/rtnetlink_link.ts";
import { ARPHRD_TUNNEL, openTun, setLinkType, setOffload, TUN_F_ALL } from "../ffi/tun.ts";
import type { ControlTunnel } from "./control/ip_tunnel.ts";
import { type Errno, fail, ok, type Result, STRERROR } from "./control/kernel_error.ts";
import { type LiveLink, UNTOUCHED } from "./control/vti_fill_info.ts";
import { TX_QUEUE_PACKETS, type VtiDevices } from "./control/vti_link_ops.ts";

export class TunDevices implements VtiDevices {
  readonly #netns: number;
  readonly #rtnl: Rtnetlink;
  readonly #nextActor: (ifname: string) => number;
  readonly #retire: (actor: number, fd: number) => void;
  /** Descriptor of each device that was made here, by actor. */
  readonly fds = new Map<number, number>();

  /** `retire` closes a device's descriptor once its actor no longer uses it. */
  constructor(
    netns: number,
    rtnl: Rtnetlink,
    nextActor: (ifname: string) => number,
    retire: (actor: number, fd: number) => void,
  ) {
    this.#netns = netns;
    this.#rtnl = rtnl;
    this.#nextActor = nextActor;
    this.#retire = retire;
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
    const { allmulti, promiscuity, txqlen, group, linkmode } = link;
    return {
      arp: (link.flags & IFF_NOARP) === 0,
      multicast: (link.flags & IFF_MULTICAST) !== 0,
      allmulti,
      promiscuity,
      txqlen,
      group,
      linkmode,
      addrGenMode: link.inet6AddrGenMode || UNTOUCHED.addrGenMode,
    };
  }

  /** ARPHRD_TUNNEL, so that every tool shows link/ipip; all offloads that the kernel offers. */
  register(ifname: string): Result<{ readonly ifindex: number; readonly actor: number }> {
    return attempt(`Cannot create link "${ifname}"`, () => {
      const tun = openTun({ name: ifname, netns: this.#netns, vnetHdr: true });
      try {
        setLinkType(tun.fd, ARPHRD_TUNNEL);
        setOffload(tun.fd, TUN_F_ALL);
        this.#rtnl.setLink({ ifindex: tun.ifindex, multicast: false, txqlen: TX_QUEUE_PACKETS });
      } catch (error) {
        close(tun.fd);
        throw error;
      }
      const actor = this.#nextActor(ifname);
      this.fds.set(actor, tun.fd);
      return { ifindex: tun.ifindex, actor };
    });
  }

  unregister(tunnel: ControlTunnel): void {
    const fd = this.fds.get(tunnel.actor);
    this.fds.delete(tunnel.actor);
    if (fd !== undefined) this.#retire(tunnel.actor, fd);
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

  rename(tunnel: ControlTunnel, ifname: string): Result<void> {
    return attempt(`Cannot rename "${tunnel.ifname}"`, () => {
      this.#rtnl.setLink({ ifindex: tunnel.ifindex, name: ifname });
      tunnel.ifname = ifname;
    });
  }
}

/** Runs system calls; a refusal of the kernel becomes a Result with its errno. */
function attempt<T>(action: string, calls: () => T): Result<T> {
  try {
    return ok(calls());
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    return fail(controlErrno(error), `${action}: ${error.message}`);
  }
}

function controlErrno(error: SyscallError): Errno {
  // A name that another TUN device has.
  if (error.errno === EBUSY) return "EEXIST";
  return error.errnoName in STRERROR ? error.errnoName as Errno : "EINVAL";
}
