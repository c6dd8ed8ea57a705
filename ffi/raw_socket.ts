/**
 * Raw IPv4 sockets: receiving ESP, AH, IPComp and IPIP with the IP header before them, sending whole IPv4 packets.
 */
import {
  ADDRESS_HI,
  ADDRESS_LO,
  type Batch,
  COUNT,
  ESP_AT,
  INGRESS,
  LENGTH,
  OFFSET,
  OUTER_DF,
  OUTER_DST,
  OUTER_HEADER,
  OUTER_PROTO,
  OUTER_SRC,
  OUTER_TOS,
  PATH_MTU,
  REASON,
  UDP_PORTS,
} from "../datapath/batch.ts";
import { check, EPERM } from "./errno.ts";
import { FragmentSender } from "./fragment_sender.ts";
import { close, setSocketOption } from "./io.ts";
import { libc } from "./libc.ts";
import { AF_INET, IP_PKTINFO, IPPROTO_IP, MESSAGES, PKTINFO_CMSG_BYTES, PKTINFO_SPEC_DST } from "./mmsg.ts";
import { SlabReceiver } from "./slab_receiver.ts";
import { SlabSender } from "./slab_sender.ts";
import { IN_PKTINFO_BYTES, SIN_ADDR, SOCKADDR_IN_BYTES, swap32 } from "./struct_layout.ts";

const SOCK_RAW = 3;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
export const IP_MTU_DISCOVER = 10;
const IP_PMTUDISC_INTERFACE = 4;

/** Protocols that the gateway receives, and 255: a socket that only sends, whole packets of any protocol. */
export type RawProtocol = 1 | 4 | 41 | 50 | 51 | 108 | 255;

/** Bytes that may wait in a socket, each way; beyond net.core.rmem_max, which CAP_NET_ADMIN may. */
const BUFFER_BYTES = 8 << 20;

/**
 * Opens a raw socket in the calling thread's namespace: nonblocking, with the ingress interface of each packet.
 * No ICMP error about the packets can change a route's MTU through it: such errors are the gateway's to judge, and
 * anybody can forge one. Throws SyscallError.
 */
export function openRawSocket(protocol: RawProtocol): number {
  const fd = check(
    libc.socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol),
    `Open a raw socket for protocol ${protocol}`,
    "socket",
    { [EPERM]: "run as root or with CAP_NET_RAW" },
  );
  try {
    setSocketOption(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_INTERFACE, "IP_MTU_DISCOVER");
    if (protocol !== 255) setSocketOption(fd, IPPROTO_IP, IP_PKTINFO, 1, "IP_PKTINFO");
    setBuffers(fd);
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/**
 * Gives a socket room for BUFFER_BYTES each way. In a container whose CAP_NET_ADMIN is not the host's, the limits of
 * net.core.rmem_max and wmem_max hold, which is no error.
 */
export function setBuffers(fd: number): void {
  const bytes = Int32Array.of(BUFFER_BYTES);
  for (const [forced, limited] of [[SO_RCVBUFFORCE, SO_RCVBUF], [SO_SNDBUFFORCE, SO_SNDBUF]]) {
    if (libc.setsockopt(fd, SOL_SOCKET, forced, bytes, 4) === 0) continue;
    check(libc.setsockopt(fd, SOL_SOCKET, limited, bytes, 4), "Set a socket's buffers", "setsockopt");
  }
}

const IPV4_HEADER = 20;

/**
 * Receives from a raw socket. Each packet's OFFSET is what follows the IP header (the ESP, AH or IPComp header, or the
 * inner packet of IP in IP) at ESP_AT in its slot; the IP header, options included, ends there.
 */
export class MmsgReceiver extends SlabReceiver {
  /** `fd` is of openRawSocket(). A batch gets at most `messages` packets. */
  constructor(fd: number, messages?: number) {
    super(fd, ESP_AT - IPV4_HEADER, 0, PKTINFO_CMSG_BYTES, messages);
  }

  /**
   * 1. Version 4, a header of 20 bytes or more, all of it received and inside the packet's own length.
   * 2. The addresses, TOS, protocol and ingress.
   * 3. With options, move header and payload back, so that the payload is at ESP_AT.
   * Returns the payload's bytes by the smaller of total length and bytes received.
   */
  protected override land(
    batch: Batch,
    index: number,
    m: number,
    slot: number,
    start: number,
    length: number,
  ): number {
    const { i32, view, u8 } = batch;
    if (length < IPV4_HEADER) return -1;
    const first = u8[start];
    const header = (first & 0x0f) << 2;
    const total = Math.min(view.getUint16(start + 2), length);
    if (first >> 4 !== 4 || header < IPV4_HEADER || header > total) return -1;
    i32[OUTER_HEADER + index] = header;
    i32[OUTER_TOS + index] = u8[start + 1];
    i32[OUTER_PROTO + index] = u8[start + 9];
    i32[OUTER_SRC + index] = view.getInt32(start + 12);
    i32[OUTER_DST + index] = view.getInt32(start + 16);
    const info = this.table.findControl(m, IPPROTO_IP, IP_PKTINFO);
    if (info >= 0) i32[INGRESS + index] = this.table.i32[info];
    if (header > IPV4_HEADER) u8.copyWithin(slot + ESP_AT - header, start, start + total);
    return total - header;
  }
}

/**
 * Sends complete IPv4 packets, fragmenting those that are longer than PATH_MTU and may be. Packets go out by the
 * source address they have, also where routing rules look at it.
 */
export class MmsgSender extends SlabSender {
  readonly #fragments: FragmentSender;
  /** Packet at which the last #build() stopped. */
  #next = 0;

  /** `fd` is of openRawSocket(255). */
  constructor(fd: number) {
    super(fd, { iovecs: 1, name: SOCKADDR_IN_BYTES, control: PKTINFO_CMSG_BYTES });
    this.table.setControlHeader(0, IPPROTO_IP, IP_PKTINFO, IN_PKTINFO_BYTES);
    this.#fragments = new FragmentSender(fd);
  }

  /**
   * Sends the packets from index `from` on whose REASON is 0: OFFSET and LENGTH are the whole packet, OUTER_DST its
   * destination, OUTER_SRC its source. Those that a UdpSender of one of `udpPorts` takes are left out.
   * Returns the first packet not handled because the socket is full, or COUNT. A packet that the kernel refuses for
   * itself gets REASON OutError, with the errno in INFO.
   */
  send(batch: Batch, from: number, udpPorts: UdpPorts = NO_UDP_PORTS): number {
    const count = batch.i32[COUNT];
    let i = from;
    while (i < count) {
      const messages = this.#build(batch, i, count, udpPorts);
      const handled = this.flush(batch, messages);
      if (handled < messages) return this.first[handled];
      i = this.#next;
      if (i < count) this.sendFragmented(batch, i++);
    }
    return count;
  }

  /** Sends packet `i` in fragments of PATH_MTU. Returns false, with REASON OutError, when that failed. */
  sendFragmented(batch: Batch, i: number): boolean {
    return this.#fragments.sendFragmented(batch, i);
  }

  /** Writes the messages for the packets from `from` on, up to one that must be fragmented. Returns their number. */
  #build(batch: Batch, from: number, count: number, udpPorts: UdpPorts): number {
    const packets = batch.i32;
    const { i32, name, nameWords, control, controlWords } = this.table;
    const lo = packets[ADDRESS_LO];
    const hi = packets[ADDRESS_HI];
    let m = 0;
    let i = from;
    for (; i < count && m < MESSAGES; i++) {
      if (packets[REASON + i] !== 0 || isUdpOf(packets, i, udpPorts)) continue;
      const length = packets[LENGTH + i];
      if (packets[OUTER_DF + i] === 0 && packets[PATH_MTU + i] !== 0 && length > packets[PATH_MTU + i]) break;
      this.table.setIovecBase(m, 0, lo, hi, packets[OFFSET + i]);
      this.table.setIovecLength(m, 0, length);
      i32[name + m * nameWords + (SIN_ADDR >> 2)] = swap32(packets[OUTER_DST + i]);
      i32[control + m * controlWords + PKTINFO_SPEC_DST] = swap32(packets[OUTER_SRC + i]);
      this.first[m] = this.last[m] = i;
      m++;
    }
    this.#next = i;
    return m;
  }
}

/** By number: not 0 for a port that a UdpSender has. */
export type UdpPorts = Uint8Array;

const PORTS = 65_536;
const NO_UDP_PORTS: UdpPorts = new Uint8Array(PORTS);

export function udpPortsOf(ports: readonly number[]): UdpPorts {
  const table = new Uint8Array(PORTS);
  for (const port of ports) table[port] = 1;
  return table;
}

/** Whether a UdpSender bound to one of `ports` takes packet `i`: in UDP from that port, with DF set. */
export function isUdpOf(packets: Int32Array, i: number, ports: UdpPorts): boolean {
  return ports[packets[UDP_PORTS + i] >>> 16] !== 0 && packets[OUTER_DF + i] !== 0;
}
