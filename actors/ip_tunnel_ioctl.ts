/** `ip tunnel` on the links of one namespace: the rules of ip_tunnel_ctl.ts, and what must follow from them. */
import { addTunnel, chgTunnel, delTunnel, getTunnel, tunnelInfo } from "./control/ip_tunnel_ctl.ts";
import type { ControlTunnel } from "./control/ip_tunnel.ts";
import { ok, type Result } from "./control/kernel_error.ts";
import { FALLBACK_NAME, noSuchLink } from "./control/vti_link_ops.ts";
import type { TunnelEnds, TunnelInfo, TunnelParm, TunnelRequest } from "./gateway.ts";
import type { NetnsLinks } from "./netns_links.ts";

export class IpTunnelIoctl {
  readonly #links: NetnsLinks;

  constructor(links: NetnsLinks) {
    this.#links = links;
  }

  list(): TunnelInfo[] {
    const tunnels = [...this.#links.here.values()].sort((a, b) => a.ifindex - b.ifindex);
    return tunnels.map((tunnel) => this.#info(tunnel));
  }

  get(ifname: string, ends: TunnelEnds): Result<TunnelInfo> {
    const addressed = this.#links.named(ifname);
    if (addressed === undefined) return noSuchLink(ifname);
    const { net, devices } = this.#links.underlayOf(addressed);
    const found = getTunnel(net, addressed, ends, devices);
    return found.ok ? ok(this.#info(found.value)) : found;
  }

  /** Addressed to ip_vti0, which therefore must be there. */
  async add({ ifname = "vti%d", ...parm }: TunnelRequest): Promise<Result<TunnelInfo>> {
    const { net, devices } = this.#links;
    await devices.settled();
    if (net.fallback === undefined) return noSuchLink(FALLBACK_NAME);
    const made = addTunnel(net, ifname, parm, devices);
    if (!made.ok) return made;
    const added = await this.#links.add(made.value);
    return added.ok ? ok(this.#info(made.value)) : added;
  }

  async chg(ifname: string, parm: TunnelParm): Promise<Result<TunnelInfo>> {
    const addressed = this.#links.named(ifname);
    if (addressed === undefined) return noSuchLink(ifname);
    const { net, devices } = this.#links.underlayOf(addressed);
    const changed = chgTunnel(net, addressed, parm, devices, (t) => this.#links.homeOf(t).placesOf(t));
    if (!changed.ok) return changed;
    await this.#links.homeOf(changed.value).announce(changed.value);
    if (addressed !== changed.value) await this.#links.announce(addressed);
    return ok(this.#info(changed.value));
  }

  async del(ifname: string, ends: TunnelEnds): Promise<Result<void>> {
    const addressed = this.#links.named(ifname);
    if (addressed === undefined) return noSuchLink(ifname);
    const { net, devices } = this.#links.underlayOf(addressed);
    const target = delTunnel(net, addressed, ends, devices);
    if (!target.ok) return target;
    await this.#links.homeOf(target.value).unregister(target.value);
    return ok(undefined);
  }

  #info(tunnel: ControlTunnel): TunnelInfo {
    return tunnelInfo(tunnel, this.#links.linkNameOf(tunnel));
  }
}
