/**
 * Netns actor: owner of a namespace's sockets and of the table of its tunnels. Receives outer packets and finds their
 * tunnel (vti_input's first step), sends outer packets, and passes on what rtnetlink tells of links and routes.
 */
import {
  type Batch,
  COUNT,
  CURSOR,
  ENCAP,
  IKEY,
  IN_IFINDEX,
  INGRESS,
  KIND,
  LENGTH,
  OFFSET,
  OUTER_DST,
  OUTER_PROTO,
  OUTER_SRC,
  OWNER,
  PACKET_TUNNEL,
  REASON,
  TO,
  UDP_PORTS,
} from "../datapath/batch.ts";
import { DROP_MIB, DropReason } from "../datapath/drop_reason.ts";
import { IpTunnelTable } from "../datapath/tunnel/ip_tunnel_lookup.ts";
import { ALL_ROUTES, type GoneRoutes } from "../datapath/xfrm/route_lookup.ts";
import * as ipv4 from "../datapath/wire/ipv4.ts";
import { xfrm4UdpEncapRcv } from "../datapath/xfrm/xfrm4_udp_encap_rcv.ts";
import { ENCAP_ESPINUDP_NONIKE, NONIKE_BYTES } from "../datapath/xfrm/xfrm_mtu.ts";
import { IPPROTO_IPIP } from "../datapath/xfrm/xfrm_record.ts";
import { EPOLLIN } from "../ffi/epoll.ts";
import { PacketFilters } from "../ffi/netfilter.ts";
import { readInotify } from "../ffi/inotify.ts";
import { NextHopLookup } from "../ffi/next_hop.ts";
import { PacketSender } from "../ffi/packet_socket.ts";
import { MmsgReceiver, MmsgSender, type UdpPorts, udpPortsOf } from "../ffi/raw_socket.ts";
import { RtnetlinkMonitor } from "../ffi/rtnetlink_monitor.ts";
import type { SlabReceiver } from "../ffi/slab_receiver.ts";
import { UdpReceiver, UdpSender } from "../ffi/udp_socket.ts";
import { IcmpErrors } from "./icmp_errors.ts";
import {
  BatchKind,
  type GatewayLetter,
  type NetnsInit,
  type NetnsLetter,
  type QuarantineInit,
  type SaTableLetter,
  type UdpPort,
} from "./messages.ts";
import { NextHops } from "./next_hops.ts";
import { PacketRate } from "./packet_rate.ts";
import { Stage } from "./poison_mark.ts";
import { Quarantine } from "./quarantine.ts";
import {
  type ActorId,
  type Behaviour,
  type Context,
  MAIN,
  type Pool,
  type Reply,
} from "./runtime/behaviour.ts";

/** Slabs on their way inwards. */
const SLABS = 8;
/** recvmmsg calls that a socket gets in one turn. */
const BATCHES_PER_TURN = 4;
/** Fewer packets than this in a batch: the socket is empty, asking again would be a system call for nothing. */
const LIKELY_EMPTY = 32;
const MONITOR_TOKEN = -1;
/** IPComp packets in one batch at the most: they need the other slots to grow into. */
const COMP_MESSAGES = 8;
const ICMP_ERROR_TOKEN = -2;
const ROUTE_FLUSH_TOKEN = -3;

export class NetnsActor implements Behaviour<Batch> {
  readonly #context: Context<Batch>;
  readonly #init: NetnsInit;
  readonly #pool: Pool<Batch>;
  readonly #tunnels = new IpTunnelTable();
  readonly #monitor: RtnetlinkMonitor;
  readonly #icmpErrors: IcmpErrors;
  readonly #raw: MmsgSender;
  /** Receivers by descriptor, which is also the token they are watched with. */
  readonly #receivers = new Map<number, SlabReceiver>();
  /** By each socket in turn: what it takes of a batch, from packet CURSOR on. */
  readonly #sends: ((batch: Batch) => void)[] = [];
  readonly #udpPorts = udpPortsOf([]);
  readonly #packet: PacketSender;
  readonly #nextHops: NextHops;
  readonly #rate = new PacketRate();
  readonly #quarantine: Quarantine;
  readonly #vtiInput = (batch: Batch) => this.#lookUp(batch);

  constructor(context: Context<Batch>, init: NetnsInit, quarantine: QuarantineInit) {
    this.#context = context;
    this.#init = init;
    this.#pool = context.pool(SLABS, (batch) => this.#lost(batch));
    this.#quarantine = new Quarantine(context, quarantine, (reason) => init.mib[DROP_MIB[reason]]++);
    // What a former worker had received went with it.
    this.#writeOff();
    for (const parm of init.tunnels) this.#tunnels.set(parm);
    this.#raw = new MmsgSender(init.sendFd);
    this.#packet = new PacketSender(init.packetFd);
    this.#sends.push((batch) => this.#sendRaw(batch));
    this.#nextHops = new NextHops(
      new NextHopLookup(init.hopsFd),
      new PacketFilters(init.netnsFd, init.nftablesFd),
    );
    for (const fd of init.rawFds) this.#listen(new MmsgReceiver(fd));
    this.#listen(new MmsgReceiver(init.compFd, COMP_MESSAGES));
    for (const port of init.udpPorts) this.#openUdp(port);
    this.#monitor = new RtnetlinkMonitor(init.monitorFd);
    context.watch(init.monitorFd, EPOLLIN, MONITOR_TOKEN);
    this.#icmpErrors = new IcmpErrors(init.icmpErrorFd, this.#tunnels);
    context.watch(init.icmpErrorFd, EPOLLIN, ICMP_ERROR_TOKEN);
    if (init.routeFlushFd >= 0) context.watch(init.routeFlushFd, EPOLLIN, ROUTE_FLUSH_TOKEN);
  }

  receive(message: unknown, _from: ActorId, reply: Reply): void {
    const letter = message as NetnsLetter;
    switch (letter.op) {
      case "tunnel-set":
        this.#tunnels.set(letter.parm);
        break;
      case "tunnel-del":
        this.#tunnels.delete(letter.actor);
        break;
      case "udp-open":
        this.#openUdp(letter.port);
        break;
    }
    reply(null);
  }

  parcel(batch: Batch): void {
    if (batch.i32[KIND] === BatchKind.send) this.#send(batch);
    else this.#home(batch);
  }

  /** A received batch is back from the actors of its path. One that is not expected was counted as lost. */
  #home(batch: Batch): void {
    if (this.#pool.expects(batch)) this.#init.inFlight[0] -= batch.i32[COUNT];
    this.#context.give(batch);
  }

  ready(token: number): void {
    if (token === MONITOR_TOKEN) this.#readMonitor();
    else if (token === ICMP_ERROR_TOKEN) this.#readIcmpErrors();
    else if (token === ROUTE_FLUSH_TOKEN) this.#readRouteFlush();
    else this.#receiveFrom(this.#receivers.get(token)!);
  }

  available(): void {
    for (const [fd, receiver] of this.#receivers) {
      this.#context.watch(fd, EPOLLIN, fd);
      if (receiver.pending > 0) this.#receiveFrom(receiver);
    }
  }

  /**
   * Receives batches and passes them on.
   *
   * 1. Without a free slab stop watching every socket: the kernel's queues then hold or drop.
   * 2. recvmmsg into the slab.
   * 3. Find each packet's tunnel; a batch in which no packet has one goes home at once.
   */
  #receiveFrom(receiver: SlabReceiver): void {
    for (let turn = 0; turn < BATCHES_PER_TURN || receiver.pending > 0; turn++) {
      const batch = this.#pool.take();
      if (batch === null) {
        for (const fd of this.#receivers.keys()) this.#context.unwatch(fd);
        return;
      }
      const received = receiver.receive(batch);
      if (received < 0) this.#context.unwatch(receiver.fd);
      if (received <= 0) {
        this.#context.give(batch);
        return;
      }
      this.#quarantine.run(Stage.input, batch, this.#vtiInput);
      if (hasTunnel(batch)) {
        this.#init.inFlight[0] += batch.i32[COUNT];
        batch.i32[TO] = this.#init.saTable;
        batch.i32[KIND] = BatchKind.receive;
        this.#context.sendParcel(batch);
      } else this.#context.give(batch);
      if (this.#rate.isHigh(received, this.#context.now())) this.#context.linger();
      if (received < LIKELY_EMPTY && receiver.pending === 0) return;
    }
  }

  /** Is it ESP, and ip_tunnel_lookup, for each packet from CURSOR on. */
  #lookUp(batch: Batch): void {
    const i32 = batch.i32;
    const count = i32[COUNT];
    for (let i = i32[CURSOR]; i < count; i++) {
      i32[CURSOR] = i;
      if (i32[UDP_PORTS + i] !== 0 && !stripEncap(batch, i, this.#udpPorts)) {
        i32[REASON + i] = DropReason.InNotEsp;
        continue;
      }
      // Linux drops it before any handler, and counts nothing (tunnel4_rcv).
      if (i32[OUTER_PROTO + i] === IPPROTO_IPIP && !ipv4.checkLen(i32[LENGTH + i])) {
        i32[REASON + i] = DropReason.InShortIpip;
        continue;
      }
      if (i32[REASON + i] === DropReason.None) {
        const tunnel = this.#tunnels.lookup(
          i32[INGRESS + i],
          i32[OUTER_SRC + i] >>> 0,
          i32[OUTER_DST + i] >>> 0,
        );
        if (tunnel !== null) {
          i32[PACKET_TUNNEL + i] = tunnel.actor;
          i32[IKEY + i] = tunnel.iKey;
          i32[IN_IFINDEX + i] = tunnel.away ? 0 : tunnel.ifindex;
          continue;
        }
        i32[REASON + i] = DropReason.InNoTunnel;
      }
      this.#init.mib[DROP_MIB[i32[REASON + i]]]++;
    }
    i32[CURSOR] = 0;
  }

  /** Sends what was not refused, each packet by the socket that fits it, and lets the batch go home. */
  #send(batch: Batch): void {
    for (let i = 0; i < this.#sends.length; i++) {
      this.#quarantine.runTogether(Stage.send, batch, this.#sends[i]);
    }
    batch.i32[TO] = batch.i32[OWNER];
    batch.i32[KIND] = BatchKind.done;
    this.#context.sendParcel(batch);
  }

  /** Sends what no UDP socket takes: past the kernel's IP layer where all can go there. */
  #sendRaw(batch: Batch): void {
    const ports = this.#udpPorts;
    const from = batch.i32[CURSOR];
    const hop = this.#nextHops.find(batch, ports, this.#context.now());
    const sent = hop === null
      ? this.#raw.send(batch, from, ports)
      : this.#packet.send(batch, from, hop, ports);
    this.#refuseFrom(batch, sent);
  }

  /** The socket is full: what is left is dropped here, at the edge, and counted. */
  #refuseFrom(batch: Batch, first: number): void {
    const i32 = batch.i32;
    for (let i = first; i < i32[COUNT]; i++) {
      if (i32[REASON + i] === DropReason.None) i32[REASON + i] = DropReason.OutError;
    }
  }

  #listen(receiver: SlabReceiver): void {
    this.#receivers.set(receiver.fd, receiver);
    this.#context.watch(receiver.fd, EPOLLIN, receiver.fd);
  }

  /** Opens a port, or changes what comes to an open one. */
  #openUdp({ port, fd, types }: UdpPort): void {
    if (this.#udpPorts[port] === 0) {
      const sender = new UdpSender(fd, port);
      this.#sends.unshift((batch) => this.#refuseFrom(batch, sender.send(batch, batch.i32[CURSOR])));
      this.#listen(new UdpReceiver(fd, port));
    }
    this.#udpPorts[port] = types;
  }

  /**
   * What changed in the namespace's links goes to the gateway, what changed in its routes to the SA table. Any change,
   * one of neighbours too, ends what is known of next hops.
   */
  #readMonitor(): void {
    this.#nextHops.clear();
    const gone: GoneRoutes[] = [];
    const tellSaTable = (gone: readonly GoneRoutes[]) => {
      const letter: SaTableLetter = { op: "routes-changed", gone };
      this.#context.send(this.#init.saTable, letter);
    };
    this.#monitor.read({
      link: (link) => {
        const letter: GatewayLetter = { op: "link", ...link };
        this.#context.send(MAIN, letter);
        tellSaTable(link.up ? [] : [routesBy(link.ifindex)]);
      },
      linkGone: (ifindex) => {
        const letter: GatewayLetter = { op: "link-gone", ifindex };
        this.#context.send(MAIN, letter);
        tellSaTable([routesBy(ifindex)]);
      },
      routeGone: (routes) => gone.push(routes),
      lost: () => {
        const letter: GatewayLetter = { op: "links-lost" };
        this.#context.send(MAIN, letter);
      },
      routesChanged: () => tellSaTable(gone),
    });
  }

  /** `ip route flush cache`: what was learned before is to be forgotten, not what an error says behind it. */
  #readRouteFlush(): void {
    if (!readInotify(this.#init.routeFlushFd).has("flush")) return;
    const letter: SaTableLetter = { op: "routes-changed", gone: [ALL_ROUTES] };
    this.#context.send(this.#init.saTable, letter);
  }

  #readIcmpErrors(): void {
    if (this.#init.routeFlushFd >= 0) this.#readRouteFlush();
    const reports = this.#icmpErrors.read();
    if (reports.length === 0) return;
    const letter: SaTableLetter = { op: "frag-needed", reports };
    this.#context.send(this.#init.saTable, letter);
  }

  /** A batch came back from a worker that failed. Its tunnels can't count it any more. */
  #lost(batch: Batch): void {
    if (!this.#pool.expects(batch)) return;
    this.#init.inFlight[0] -= batch.i32[COUNT];
    this.#countLost(batch.i32[COUNT]);
  }

  /** None of its batches is out: what was under way went with a worker that failed. */
  #writeOff(): void {
    this.#countLost(this.#init.inFlight[0]);
    this.#init.inFlight[0] = 0;
  }

  /** Which tunnels they were for is not known. */
  #countLost(packets: number): void {
    this.#init.mib[DROP_MIB[DropReason.InPoison]] += packets;
  }

  flush(): void {}

  tick(): void {
    if (this.#init.inFlight[0] > 0 && this.#pool.outstanding === 0) this.#writeOff();
  }

  stop(): void {}
}

/** Any packet has a tunnel. */
function hasTunnel({ i32 }: Batch): boolean {
  for (let i = 0, count = i32[COUNT]; i < count; i++) if (i32[PACKET_TUNNEL + i] !== 0) return true;
  return false;
}

/** The routes of a device that went down or away: nobody tells of their end. */
function routesBy(oif: number): GoneRoutes {
  return { ...ALL_ROUTES, oif };
}

/** Notes how packet `i` in UDP is encapsulated and takes the draft's zeros off. False when it is no ESP. */
function stripEncap({ i32, view }: Batch, i: number, ports: UdpPorts): boolean {
  const type = xfrm4UdpEncapRcv(view, i32[OFFSET + i], i32[LENGTH + i], ports[i32[UDP_PORTS + i] & 0xffff]);
  i32[ENCAP + i] = type;
  if (type === ENCAP_ESPINUDP_NONIKE) {
    i32[OFFSET + i] += NONIKE_BYTES;
    i32[LENGTH + i] -= NONIKE_BYTES;
  }
  return type !== 0;
}
