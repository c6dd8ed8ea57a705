/**
 * What the gateway holds of one network namespace that it serves: descriptors, links, SAD and SPD, and its actors.
 * Control path, main thread. Each method tells the actors before it resolves, so that the packet path has what the
 * caller was told.
 */
import type { CryptoBackend } from "../datapath/esp/aead.ts";
import { XFRM_MIB, type XfrmMib } from "../datapath/drop_reason.ts";
import type { IpTunnelParm } from "../datapath/tunnel/ip_tunnel_parm.ts";
import { IPPROTO_ESP } from "../datapath/xfrm/xfrm_record.ts";
import { close } from "../ffi/io.ts";
import { withNetns } from "../ffi/netns.ts";
import { Rtnetlink } from "../ffi/rtnetlink.ts";
import { openUdpSocket } from "../ffi/udp_socket.ts";
import { type ControlTunnel, IpTunnelNet } from "./control/ip_tunnel.ts";
import { fail, ok, type Result } from "./control/kernel_error.ts";
import { noSuchLink, vtiChangelink, vtiDellink, vtiFillInfo, vtiNewlink } from "./control/vti_link_ops.ts";
import type { TransformSpec } from "./control/xfrm_state_request.ts";
import { XfrmUser, type XfrmUserDeps } from "./control/xfrm_user.ts";
import { type Cells, dropsByCause, linkStats, makeCells, TUNNEL_CELLS } from "./counters.ts";
import type { GatewayEvent, LinkChange, LinkInfo, LinkRequest } from "./gateway.ts";
import type {
  ActorInit,
  GatewayLetter,
  NetnsLetter,
  SaTableLetter,
  TunnelLetter,
  UdpPort,
} from "./messages.ts";
import { closeNetnsFds, type NetnsFds } from "./netns_fds.ts";
import type { Supervisor } from "./runtime/supervisor.ts";
import { TunDevices } from "./vti_devices.ts";

/** What a namespace needs of the gateway. */
export interface SpaceDeps {
  readonly supervisor: Supervisor;
  readonly backend: CryptoBackend;
  nextActor(): number;
  event(netns: string, kind: GatewayEvent["kind"], body: unknown): void;
}

export class NetnsSpace {
  readonly name: string;
  readonly inode: number;
  readonly tunnels = new IpTunnelNet();
  readonly xfrm: XfrmUser;
  readonly netnsActor: number;
  readonly saTableActor: number;
  /** Its actors, with a word for each. */
  readonly actors = new Map<number, string>();
  readonly #deps: SpaceDeps;
  readonly #fds: NetnsFds;
  readonly #rtnl: Rtnetlink;
  readonly #devices: TunDevices;
  readonly #counters = new Map<number, Cells>();
  readonly #netnsMib = makeCells(XFRM_MIB.length);
  readonly #saTableMib = makeCells(XFRM_MIB.length);
  readonly #udp: UdpPort[] = [];
  readonly #ipDefaultTtl: number;
  /** What actors were told and have not answered. */
  readonly #told = new Set<Promise<unknown>>();

  constructor(name: string, inode: number, fds: NetnsFds, deps: SpaceDeps) {
    this.name = name;
    this.inode = inode;
    this.#deps = deps;
    this.#fds = fds;
    this.#rtnl = new Rtnetlink(fds.control);
    this.netnsActor = this.#newActor("netns");
    this.saTableActor = this.#newActor("SA table");
    this.#devices = new TunDevices(
      fds.netns,
      this.#rtnl,
      (ifname) => this.#newActor(ifname),
      (actor, fd) => this.#retire(actor, fd),
    );
    this.#ipDefaultTtl = withNetns(fds.netns, () => {
      return Number(Deno.readTextFileSync("/proc/sys/net/ipv4/ip_default_ttl"));
    });
    this.xfrm = new XfrmUser({
      send: (change) => this.#tellSaTable({ op: "xfrm", change }),
      ifindexOf: (ifname) => this.#devices.ifindexOf(ifname),
      ifnameOf: (ifindex) => this.#devices.ifnameOf(ifindex),
      checkTransform: (spec, proto) => this.#checkTransform(spec, proto),
      now: () => Date.now() / 1000,
      event: (kind, body) => deps.event(name, kind, body),
    });
  }

  #newActor(word: string): number {
    const actor = this.#deps.nextActor();
    this.actors.set(actor, word);
    return actor;
  }

  get #group(): string {
    return String(this.inode);
  }

  /** Makes the namespace's own two actors. */
  async start(): Promise<void> {
    const { supervisor } = this.#deps;
    await supervisor.spawn(this.saTableActor, { group: this.#group, alone: true });
    await supervisor.spawn(this.netnsActor, { group: this.#group, alone: true });
  }

  /** Init record of one of the namespace's actors as things stand now, or null for an actor of another one. */
  initOf(actor: number): ActorInit | null {
    if (actor === this.netnsActor) {
      return {
        kind: "netns",
        saTable: this.saTableActor,
        espFd: this.#fds.esp,
        sendFd: this.#fds.send,
        monitorFd: this.#fds.monitor,
        udpPorts: this.#udp,
        tunnels: [...this.tunnels.byName.values()].map(parmOf),
        mib: this.#netnsMib,
      };
    }
    if (actor === this.saTableActor) {
      return {
        kind: "sa_table",
        netns: this.netnsActor,
        routeFd: this.#fds.routes,
        crypto: this.#deps.backend.name,
        ipDefaultTtl: this.#ipDefaultTtl,
        changes: this.xfrm.snapshot(),
        mib: this.#saTableMib,
      };
    }
    const tunnel = this.#tunnelOf(actor);
    if (tunnel === undefined) return null;
    return {
      kind: "tunnel",
      saTable: this.saTableActor,
      tunFd: this.#devices.fds.get(actor)!,
      icmpFd: this.#fds.icmp,
      icmp6Fd: this.#fds.icmp6,
      parm: parmOf(tunnel),
      mtu: tunnel.mtu,
      counters: this.#countersOf(actor),
    };
  }

  // ---- links ---------------------------------------------------------------------------------------------------

  listLinks(): LinkInfo[] {
    return [...this.tunnels.byName.values()].sort((a, b) => a.ifindex - b.ifindex).map((t) => this.#info(t));
  }

  getLink(ifname: string): Result<LinkInfo> {
    const tunnel = this.tunnels.byName.get(ifname);
    return tunnel === undefined ? noSuchLink(ifname) : ok(this.#info(tunnel));
  }

  async newlink(request: LinkRequest): Promise<Result<LinkInfo>> {
    const made = vtiNewlink(this.tunnels, request, this.#devices);
    if (!made.ok) return made;
    const tunnel = made.value;
    await this.#deps.supervisor.spawn(tunnel.actor, { group: this.#group, alone: false });
    this.#tellNetns({ op: "tunnel-set", parm: parmOf(tunnel) });
    await this.#settled();
    const info = this.#info(tunnel);
    this.#deps.event(this.name, "newlink", info);
    return ok(info);
  }

  async changelink(ifname: string, change: LinkChange, replace: boolean): Promise<Result<LinkInfo>> {
    const changed = vtiChangelink(this.tunnels, ifname, change, replace, this.#devices);
    if (!changed.ok) return changed;
    this.#announce(changed.value);
    await this.#settled();
    return ok(this.#info(changed.value));
  }

  async dellink(ifname: string): Promise<Result<void>> {
    const done = vtiDellink(this.tunnels, ifname, this.#devices);
    await this.#settled();
    return done;
  }

  /** Tells the actors what a tunnel is now, and the listeners. */
  #announce(tunnel: ControlTunnel): void {
    const parm = parmOf(tunnel);
    this.#tellNetns({ op: "tunnel-set", parm });
    const letter: TunnelLetter = { op: "set", parm, mtu: tunnel.mtu };
    this.#tell(tunnel.actor, letter);
    this.#deps.event(this.name, "newlink", this.#info(tunnel));
  }

  /** Takes a tunnel's actor away, then its descriptor, and with it the device. */
  #retire(actor: number, fd: number): void {
    this.#tellNetns({ op: "tunnel-del", actor });
    const gone = this.#deps.supervisor.remove(actor).finally(() => {
      close(fd);
      this.#counters.delete(actor);
      this.actors.delete(actor);
    });
    this.#track(gone);
    this.#deps.event(this.name, "dellink", { actor });
  }

  #tunnelOf(actor: number): ControlTunnel | undefined {
    return [...this.tunnels.byName.values()].find((t) => t.actor === actor);
  }

  #countersOf(actor: number): Cells {
    let cells = this.#counters.get(actor);
    if (cells === undefined) this.#counters.set(actor, cells = makeCells(TUNNEL_CELLS));
    return cells;
  }

  #info(tunnel: ControlTunnel): LinkInfo {
    const cells = this.#countersOf(tunnel.actor);
    const { link } = tunnel.parms;
    const linkName = link === 0 ? null : this.#devices.ifnameOf(link);
    return vtiFillInfo(tunnel, linkName, linkStats(cells), dropsByCause(cells));
  }

  // ---- what others change in the namespace ---------------------------------------------------------------------

  /** A letter of one of the namespace's actors. */
  hear(letter: GatewayLetter): void {
    switch (letter.op) {
      case "link":
        this.#linkChanged(letter);
        break;
      case "link-gone":
        this.#linkGone(letter.ifindex);
        break;
      case "expired":
        this.xfrm.expired(letter.number, letter.hard);
        break;
    }
  }

  #linkChanged({ ifindex, ifname, up, mtu }: Extract<GatewayLetter, { op: "link" }>): void {
    const tunnel = [...this.tunnels.byName.values()].find((t) => t.ifindex === ifindex);
    if (tunnel === undefined) return;
    if (tunnel.ifname === ifname && tunnel.up === up && tunnel.mtu === mtu) return;
    this.tunnels.byName.delete(tunnel.ifname);
    Object.assign(tunnel, { ifname, up, mtu });
    this.tunnels.byName.set(ifname, tunnel);
    this.#announce(tunnel);
  }

  /** `ip link del`, of a device that is really gone and not only moved within this notification's time. */
  #linkGone(ifindex: number): void {
    const tunnel = [...this.tunnels.byName.values()].find((t) => t.ifindex === ifindex);
    if (tunnel === undefined || this.#rtnl.link(ifindex) !== null) return;
    vtiDellink(this.tunnels, tunnel.ifname, this.#devices);
  }

  // ---- xfrm ----------------------------------------------------------------------------------------------------

  /** Runs an operation on SAD or SPD and waits until the packet path has it. */
  async xfrmChange<T>(change: (xfrm: XfrmUser) => Result<T>): Promise<Result<T>> {
    const result = change(this.xfrm);
    await this.#settled();
    return result;
  }

  /** Opens the UDP socket that an encapsulated SA sends from and receives on. */
  async openUdpPort(port: number): Promise<Result<void>> {
    if (this.#udp.some((udp) => udp.port === port)) return ok(undefined);
    let fd: number;
    try {
      fd = withNetns(this.#fds.netns, () => openUdpSocket(port));
    } catch (error) {
      return fail("EADDRINUSE", (error as Error).message, "encap.sport");
    }
    const udp = { port, fd };
    this.#udp.push(udp);
    this.#tellNetns({ op: "udp-open", port: udp });
    await this.#settled();
    return ok(undefined);
  }

  xfrmStat(): Record<XfrmMib, number> {
    const sums = XFRM_MIB.map((name, i) => [name, this.#netnsMib[i] + this.#saTableMib[i]] as const);
    return Object.fromEntries(sums) as Record<XfrmMib, number>;
  }

  #checkTransform(spec: TransformSpec, proto: number): ReturnType<XfrmUserDeps["checkTransform"]> {
    if (proto !== IPPROTO_ESP) {
      return { errno: "EPROTONOSUPPORT", message: "AH and IPComp are not carried yet, only ESP" };
    }
    const made = this.#deps.backend.create({ ...spec, direction: "out" });
    if ("errno" in made) return made;
    made.destroy();
    return null;
  }

  // ---- the end -------------------------------------------------------------------------------------------------

  /** exit_batch: removes links and actors, then closes every descriptor. */
  async close(): Promise<void> {
    for (const ifname of [...this.tunnels.byName.keys()]) vtiDellink(this.tunnels, ifname, this.#devices);
    await this.#settled();
    await this.#deps.supervisor.remove(this.netnsActor);
    await this.#deps.supervisor.remove(this.saTableActor);
    this.closeFds();
  }

  /** For when the workers are gone already. */
  closeFds(): void {
    for (const fd of this.#devices.fds.values()) close(fd);
    for (const { fd } of this.#udp) close(fd);
    closeNetnsFds(this.#fds);
  }

  // ---- letters -------------------------------------------------------------------------------------------------

  #tellNetns(letter: NetnsLetter): void {
    this.#tell(this.netnsActor, letter);
  }

  #tellSaTable(letter: SaTableLetter): void {
    this.#tell(this.saTableActor, letter);
  }

  /** A worker that fails meanwhile loses the letter; its successor starts from the present state, which has it. */
  #tell(actor: number, letter: unknown): void {
    this.#track(this.#deps.supervisor.ask(actor, letter).catch(() => undefined));
  }

  #track(promise: Promise<unknown>): void {
    this.#told.add(promise);
    promise.finally(() => this.#told.delete(promise));
  }

  async #settled(): Promise<void> {
    while (this.#told.size > 0) await Promise.all(this.#told);
  }
}

function parmOf(tunnel: ControlTunnel): IpTunnelParm {
  const { actor, ifindex, parms, up, order } = tunnel;
  return {
    actor,
    ifindex,
    local: parms.local,
    remote: parms.remote,
    iKey: parms.iKey,
    oKey: parms.oKey,
    link: parms.link,
    up,
    order,
  };
}
