/**
 * What the gateway holds of one network namespace that it serves: descriptors, links, SAD and SPD, and its actors.
 * Control path, main thread. Each method tells the actors before it resolves, so that the packet path has what the
 * caller was told.
 */
import type { CryptoBackend } from "../datapath/esp/aead.ts";
import { XFRM_MIB, type XfrmMib } from "../datapath/drop_reason.ts";
import { AF_INET } from "../datapath/xfrm/xfrm_record.ts";
import { checkTransform } from "../ffi/crypto_backend.ts";
import { EBADFD } from "../ffi/errno.ts";
import { close } from "../ffi/io.ts";
import { withNetns } from "../ffi/netns.ts";
import { Rtnetlink } from "../ffi/rtnetlink.ts";
import type { MemoryAddress } from "../ffi/shared_memory.ts";
import { openUdpSocket } from "../ffi/udp_socket.ts";
import { parseIpAddress } from "./control/ip_address.ts";
import { fail, ok, type Result } from "./control/kernel_error.ts";
import { ENCAP_TYPE } from "./control/xfrm_state_request.ts";
import { XfrmUser } from "./control/xfrm_user.ts";
import { WeaknessLog } from "./control/xfrm_weak.ts";
import { cellsAt } from "./counters.ts";
import { DeviceSysctls } from "./device_sysctls.ts";
import type { NetnsKeeper } from "./store/netns_keeper.ts";
import type { GatewayEvent, XfrmStateInfo, XfrmStateRequest } from "./gateway.ts";
import { type ActorRecord, type GatewayLetter, parmOf, type PoisonLetter, type UdpPort } from "./messages.ts";
import { closeNetnsFds, type NetnsFds } from "./netns_fds.ts";
import { STAGES } from "./poison_mark.ts";
import { describePacket } from "./poison_watch.ts";
import { restoreSpace } from "./restore_space.ts";
import { LinkCarrier } from "./link_carrier.ts";
import { NetnsLinks } from "./netns_links.ts";
import type { Supervisor } from "./runtime/supervisor.ts";
import { SpaceActors } from "./space_actors.ts";
import type { SteadyClock } from "./steady_clock.ts";
import { Sysctls } from "./sysctls.ts";

/** Bytes of the counters of the netns actor, and of those of the SA table behind them; then the netns actor's inFlight. */
const MIB_BYTES = XFRM_MIB.length * 8;

/** What a namespace needs of the gateway. */
export interface SpaceDeps {
  readonly supervisor: Supervisor;
  readonly backend: CryptoBackend;
  readonly keeper: NetnsKeeper;
  readonly clock: SteadyClock;
  /** Carrier is on only where a packet could leave. */
  readonly carrierBySa: boolean;
  nextActor(): number;
  event(netns: string, kind: GatewayEvent["kind"], body: unknown): void;
  /** Somebody listens to events. */
  isHeard(): boolean;
  log(line: string): void;
  /** Links of a namespace that is served. */
  linksOf(inode: number): NetnsLinks;
  /** Serves the namespace of a descriptor, which it takes over. */
  serve(netns: number): Promise<NetnsLinks>;
}

/** An SA, in UDP or not. */
interface InUdp {
  readonly dst: string;
  readonly encap?: XfrmStateRequest["encap"] | undefined;
}

export class NetnsSpace {
  readonly name: string;
  readonly inode: number;
  readonly links: NetnsLinks;
  readonly xfrm: XfrmUser;
  readonly actors: SpaceActors;
  readonly keeper: NetnsKeeper;
  readonly #deps: SpaceDeps;
  readonly #fds: NetnsFds;
  readonly #rtnl: Rtnetlink;
  readonly #weaknesses = new WeaknessLog((line) => this.#log(line));
  readonly #udp: UdpPort[] = [];
  readonly #sysctls: Sysctls;
  readonly #deviceSysctls: DeviceSysctls;
  readonly #carrier: LinkCarrier | null;

  constructor(name: string, inode: number, fds: NetnsFds, deps: SpaceDeps) {
    this.name = name;
    this.inode = inode;
    this.#deps = deps;
    this.#fds = fds;
    const keeper = this.keeper = deps.keeper;
    this.actors = new SpaceActors(deps.supervisor, inode, deps.nextActor);
    const event = this.event.bind(this);
    this.#rtnl = new Rtnetlink(fds.control);
    const sysctls = this.#sysctls = new Sysctls(fds.sysctls);
    sysctls.changed();
    this.#deviceSysctls = new DeviceSysctls(this.#rtnl);
    this.links = new NetnsLinks({
      name,
      inode,
      fds,
      rtnl: this.#rtnl,
      actors: this.actors,
      keeper,
      sysctls,
      event,
      log: (line) => this.#log(line),
      changed: () => this.#carrier?.changed(),
      linksOf: deps.linksOf,
      serve: deps.serve,
    });
    this.xfrm = new XfrmUser({
      keeper,
      send: (change, freed) => {
        this.actors.tellSaTable({ op: "xfrm", change }, freed && (() => keeper.release(freed)));
        this.#carrier?.changed();
      },
      ifindexOf: (ifname) => this.links.devices.ifindexOf(ifname),
      ifnameOf: (ifindex) => this.links.devices.ifnameOf(ifindex),
      checkTransform: (spec, proto) => checkTransform(deps.backend, spec, proto),
      sysctls,
      now: () => deps.clock.now(),
      wallTime: (seconds) => deps.clock.wallTime(seconds),
      event,
      isHeard: deps.isHeard,
    });
    this.#carrier = deps.carrierBySa ? new LinkCarrier(this.links, () => this.xfrm.waysOut()) : null;
  }

  event(kind: GatewayEvent["kind"], body: unknown): void {
    this.#deps.event(this.name, kind, body);
  }

  /** Takes up what the store has, makes the namespace's own two actors, then those of its links. */
  async start(): Promise<void> {
    await restoreSpace(this, this.keeper, (line) => this.#log(line));
    await this.actors.start();
    await this.links.start();
    this.keeper.commit();
  }

  /** Init record of one of the namespace's actors as things stand now, or null for an actor of another one. */
  initOf(actor: number): ActorRecord | null {
    if (actor === this.actors.netns) {
      return {
        kind: "netns",
        saTable: this.actors.saTable,
        rawFds: [this.#fds.esp, this.#fds.ah, this.#fds.ipip, this.#fds.ipip6],
        compFd: this.#fds.comp,
        sendFd: this.#fds.send,
        icmpErrorFd: this.#fds.icmpError,
        packetFd: this.#fds.packet,
        hopsFd: this.#fds.hops,
        nftablesFd: this.#fds.nftables,
        netnsFd: this.#fds.netns,
        monitorFd: this.#fds.monitor,
        routeFlushFd: this.#fds.routeFlush,
        udpPorts: this.#udp,
        tunnels: [...this.links.net.tunnels.values()].map(parmOf),
        mib: this.#netnsMib,
        inFlight: this.keeper.mib.address + BigInt(2 * MIB_BYTES),
      };
    }
    if (actor === this.actors.saTable) {
      return {
        kind: "sa_table",
        netns: this.actors.netns,
        routeFd: this.#fds.routes,
        crypto: this.#deps.backend.name,
        ...this.#sysctls.output(this.#deviceSysctls),
        clockOffset: this.#deps.clock.offset,
        changes: this.xfrm.snapshot(),
        mib: this.#saTableMib,
      };
    }
    return this.links.initOf(actor, this.actors.saTable);
  }

  /** Ends what has passed its time, and looks at the sysctls. To be called about once a second. */
  tick(now: number): void {
    this.xfrm.tick(now);
    const devicesChanged = this.#deviceSysctls.look();
    const changed = this.#sysctls.changed();
    if (changed || devicesChanged) this.#tellSysctls();
    if (changed) this.links.sysctlsChanged();
  }

  #tellSysctls(): void {
    this.actors.tellSaTable({ op: "sysctls", sysctls: this.#sysctls.output(this.#deviceSysctls) });
  }

  /** A letter of one of the namespace's actors. */
  hear(letter: GatewayLetter, from: number): void {
    switch (letter.op) {
      case "link":
        if (this.#deviceSysctls.seen(letter.ifindex)) this.#tellSysctls();
        this.#follow(this.links.follower.changed(letter));
        break;
      case "link-gone":
        if (this.#deviceSysctls.gone(letter.ifindex)) this.#tellSysctls();
        this.#follow(this.links.follower.gone(letter.ifindex));
        break;
      case "links-lost":
        this.#deviceSysctls.lost();
        this.#follow(this.links.follower.lost());
        break;
      case "tun-failed":
        this.#tunFailed(letter.actor, letter.errno);
        break;
      case "expired":
        this.xfrm.expired(letter.number, letter.hard);
        break;
      case "mapped":
        this.xfrm.mapped(letter.number, letter.src, letter.port);
        break;
      case "acquire":
        this.xfrm.acquire(letter.wanted);
        break;
      case "poison":
        this.#poisoned(from, letter);
        break;
    }
  }

  #tunFailed(actor: number, errno: number): void {
    const tunnel = this.links.net.tunnels.get(actor);
    if (tunnel === undefined) return;
    // A deleted device is no error; its deletion tells itself.
    if (errno !== EBADFD) this.#log(`Cannot read "${tunnel.ifname}": errno ${errno}, trying again`);
    this.#follow(this.links.homeOf(tunnel).follower.look(tunnel));
  }

  #poisoned(actor: number, letter: PoisonLetter): void {
    const where = `${this.actors.words.get(actor)}, ${STAGES[letter.stage]}`;
    const packets = letter.packets === 1 ? "a packet was" : `${letter.packets} packets were`;
    this.#log(`${where}: ${packets} dropped at "${letter.message}", ${describePacket(letter)}`);
  }

  /** Nobody waits for what follows from others' changes, so its failure is for the operator. */
  #follow(following: Promise<void>): void {
    following.catch((error) => this.#log(`Cannot follow a change of a device: ${error.message}`));
  }

  #log(line: string): void {
    this.#deps.log(`${this.name}: ${line}`);
  }

  // ---- xfrm ----------------------------------------------------------------------------------------------------

  /** Runs an operation on SAD or SPD and waits until the packet path has it. */
  async xfrmChange<T>(change: (xfrm: XfrmUser) => Result<T>): Promise<Result<T>> {
    const result = change(this.xfrm);
    this.keeper.commit();
    await this.actors.settled();
    return result;
  }

  /** Adds or updates an SA, with its UDP port. */
  async stateChange(
    request: XfrmStateRequest,
    op: "new" | "upd",
  ): Promise<Result<XfrmStateInfo>> {
    if (request.encap !== undefined) {
      // A request that is refused opens no socket.
      const verified = this.xfrm.verifyState(request, op);
      if (!verified.ok) return verified;
    }
    const port = await this.openUdpPort(request);
    if (!port.ok) return port;
    const result = await this.xfrmChange((xfrm) =>
      op === "new" ? xfrm.newState(request) : xfrm.updState(request)
    );
    if (result.ok) this.#weaknesses.note(request);
    return result;
  }

  /**
   * Opens the UDP socket of an SA in UDP: it receives on the destination port of one that leads here, and sends from the
   * source port of any other.
   */
  async openUdpPort({ dst, encap }: InUdp): Promise<Result<void>> {
    if (encap === undefined || encap.type === "espintcp") return ok(undefined);
    const end = this.#isLocal(dst) ? "dport" : "sport";
    const port = encap[end];
    // Port 0 is anybody's: such an SA has no place to be found at.
    if (port === 0) return ok(undefined);
    const type = ENCAP_TYPE[encap.type];
    const at = this.#udp.findIndex((udp) => udp.port === port);
    const open = this.#udp[at];
    if (open !== undefined && (open.types & type) !== 0) return ok(undefined);
    let fd: number;
    try {
      fd = open?.fd ?? withNetns(this.#fds.netns, () => openUdpSocket(port));
    } catch (error) {
      return fail("EADDRINUSE", (error as Error).message, `encap.${end}`);
    }
    const udp = { port, fd, types: (open?.types ?? 0) | type };
    if (open !== undefined) this.#udp[at] = udp;
    else this.#udp.push(udp);
    this.actors.tellNetns({ op: "udp-open", port: udp });
    await this.actors.settled();
    return ok(undefined);
  }

  /** The address is one of this host's. */
  #isLocal(address: string): boolean {
    const parsed = parseIpAddress(address);
    if (parsed === null || parsed.family !== AF_INET) return false;
    return this.#rtnl.routeGet({ dst: parsed.words[0] }).type === "local";
  }

  xfrmStat(): Record<XfrmMib, number> {
    const mib = [this.#netnsMib, this.#saTableMib].map((address) => cellsAt(address, XFRM_MIB.length));
    const sums = XFRM_MIB.map((name, i) => [name, mib[0]![i]! + mib[1]![i]!] as const);
    return Object.fromEntries(sums) as Record<XfrmMib, number>;
  }

  get #netnsMib(): MemoryAddress {
    return this.keeper.mib.address;
  }

  get #saTableMib(): MemoryAddress {
    return this.keeper.mib.address + BigInt(MIB_BYTES);
  }

  // ---- the end -------------------------------------------------------------------------------------------------

  /** exit_batch: removes links and actors, then closes every descriptor. */
  async close(): Promise<void> {
    await this.links.close();
    this.xfrm.flushStates({});
    for (const ptype of ["main", "sub"] as const) this.xfrm.flushPolicies(ptype);
    await this.actors.stop();
    this.keeper.forget();
    this.closeFds();
  }

  /** The namespace could not be started: what the store has of it stays, and so do its devices. */
  async abandon(): Promise<void> {
    await this.actors.stop();
    this.closeFds();
  }

  /** For when the workers are gone already. */
  closeFds(): void {
    this.#carrier?.close();
    this.links.closeFds();
    for (const { fd } of this.#udp) close(fd);
    closeNetnsFds(this.#fds);
  }
}
