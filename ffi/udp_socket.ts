/**
 * UDP sockets for ESP in UDP (RFC 3948), with segmentation offload both ways.
 *
 * UDP_ENCAP is never set: it would hand the packets to the kernel's own ESP, which may not be there.
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
  OUTER_PROTO,
  OUTER_SRC,
  OUTER_TOS,
  REASON,
  UDP_PORTS,
} from "../datapath/batch.ts";
import { check, EACCES, EADDRINUSE, EINVAL, EIO, EMSGSIZE } from "./errno.ts";
import { close, setSocketOption } from "./io.ts";
import { libc } from "./libc.ts";
import {
  AF_INET,
  INT_CMSG_BYTES,
  IP_PKTINFO,
  IP_TOS,
  IPPROTO_IP,
  MESSAGES,
  MmsgTable,
  PKTINFO_CMSG_BYTES,
  PKTINFO_SPEC_DST,
} from "./mmsg.ts";
import { IP_MTU_DISCOVER, setBuffers, SOCK_CLOEXEC, SOCK_NONBLOCK, SOL_SOCKET } from "./raw_socket.ts";
import { SlabReceiver } from "./slab_receiver.ts";
import { SlabSender } from "./slab_sender.ts";
import {
  CMSGHDR_BYTES,
  IN_PKTINFO_BYTES,
  MSG_CONTROLLEN,
  SIN_ADDR,
  SIN_PORT,
  SOCKADDR_IN_BYTES,
  swap16,
  swap32,
} from "./struct_layout.ts";

const SOCK_DGRAM = 2;
const SO_NO_CHECK = 11;
const IP_RECVTOS = 13;
/** DF set, and the MTU that the route has learned is not looked at. */
const IP_PMTUDISC_PROBE = 3;
const IPPROTO_UDP = 17;
const UDP_SEGMENT = 103;
const UDP_GRO = 104;
const IPPROTO_ESP = 50;

/** Bytes of the IPv4 and UDP headers that the datapath builds and the socket replaces. */
const HEADERS = 28;
/** Longest UDP payload over IPv4, and most segments of one message (UDP_MAX_SEGMENTS of older kernels). */
const MAX_PAYLOAD = 65507;
const MAX_SEGMENTS = 64;

export interface UdpSocketOptions {
  /**
   * Send checksum 0, as RFC 3948 §2.1 says and the kernel's own ESP in UDP does. The kernel segments only what it
   * can checksum, so this costs about half of the throughput. Receivers take either.
   */
  readonly zeroChecksum?: boolean;
}

/**
 * Opens a UDP socket on 0.0.0.0:`port` in the calling thread's namespace: nonblocking, DF set on what it sends, with
 * the ingress interface, destination and TOS of what it receives. Throws SyscallError.
 */
export function openUdpSocket(port: number, options: UdpSocketOptions = {}): number {
  const action = `Open UDP port ${port}`;
  const fd = check(libc.socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), action, "socket");
  try {
    setSocketOption(fd, IPPROTO_IP, IP_PKTINFO, 1, "IP_PKTINFO");
    setSocketOption(fd, IPPROTO_IP, IP_RECVTOS, 1, "IP_RECVTOS");
    setSocketOption(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE, "IP_MTU_DISCOVER");
    if (options.zeroChecksum) setSocketOption(fd, SOL_SOCKET, SO_NO_CHECK, 1, "SO_NO_CHECK");
    // A kernel before Linux 5.0 has no UDP_GRO and delivers packets one by one.
    libc.setsockopt(fd, IPPROTO_UDP, UDP_GRO, Int32Array.of(1), 4);
    setBuffers(fd);
    const address = new Uint8Array(SOCKADDR_IN_BYTES);
    const view = new DataView(address.buffer);
    view.setUint16(0, AF_INET, true);
    view.setUint16(SIN_PORT, port);
    check(libc.bind(fd, address, SOCKADDR_IN_BYTES), action, "bind", {
      [EADDRINUSE]: "another program, perhaps an IKE daemon, has the port",
      [EACCES]: "ports below 1024 need CAP_NET_BIND_SERVICE",
    });
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/**
 * Receives from a UDP socket. Each packet's OFFSET is the UDP payload, at ESP_AT in its slot: an ESP header, or a
 * keepalive or IKE message, which the datapath tells apart (RFC 3948 §2).
 */
export class UdpReceiver extends SlabReceiver {
  readonly #port: number;

  /** `fd` is of openUdpSocket(`port`). */
  constructor(fd: number, port: number) {
    super(fd, ESP_AT, SOCKADDR_IN_BYTES, PKTINFO_CMSG_BYTES + 2 * INT_CMSG_BYTES);
    this.#port = port;
  }

  protected override segmentBytes(m: number, length: number): number {
    const size = this.table.findControl(m, IPPROTO_UDP, UDP_GRO);
    if (size < 0) return length;
    const bytes = this.table.i32[size];
    return bytes > 0 ? bytes : length;
  }

  protected override land(
    batch: Batch,
    index: number,
    m: number,
    _slot: number,
    _start: number,
    length: number,
  ): number {
    const packets = batch.i32;
    const { table } = this;
    const { i32 } = table;
    const name = table.name + m * table.nameWords;
    packets[OUTER_SRC + index] = swap32(i32[name + (SIN_ADDR >> 2)]);
    packets[UDP_PORTS + index] = (swap16(i32[name] >>> 16) << 16) | this.#port;
    packets[OUTER_PROTO + index] = IPPROTO_ESP;
    const info = table.findControl(m, IPPROTO_IP, IP_PKTINFO);
    if (info >= 0) {
      packets[INGRESS + index] = i32[info];
      packets[OUTER_DST + index] = swap32(i32[info + 2]);
    }
    const tos = table.findControl(m, IPPROTO_IP, IP_TOS);
    if (tos >= 0) packets[OUTER_TOS + index] = i32[tos] & 0xff;
    return length === 0 ? -1 : length;
  }
}

/** Words from the start of a message's control data to the TOS, and to the segment size, of a UdpSender. */
const TOS_WORD = (PKTINFO_CMSG_BYTES + CMSGHDR_BYTES) >> 2;
const SEGMENT_WORD = (PKTINFO_CMSG_BYTES + INT_CMSG_BYTES + CMSGHDR_BYTES) >> 2;
const CONTROL_ALONE = PKTINFO_CMSG_BYTES + INT_CMSG_BYTES;
const CONTROL_SEGMENTED = CONTROL_ALONE + INT_CMSG_BYTES;

/**
 * Sends ESP in UDP with DF set. Packets of one length to one destination that follow each other go out as one message,
 * which the kernel or the network card segments.
 */
export class UdpSender extends SlabSender {
  readonly #port: number;
  /** First iovec of each message. */
  readonly #iovec = new Uint8Array(MESSAGES);
  /** Packets of one message at the most: 1 where the kernel can't segment. */
  #segments: number;

  /** `fd` is of openUdpSocket(`port`). */
  constructor(fd: number, port: number) {
    super(fd, { iovecs: 1, name: SOCKADDR_IN_BYTES, control: CONTROL_SEGMENTED });
    this.#port = port;
    this.#segments = canSegment(fd) ? MAX_SEGMENTS : 1;
    this.table.setControlHeader(0, IPPROTO_IP, IP_PKTINFO, IN_PKTINFO_BYTES);
    this.table.setControlHeader(PKTINFO_CMSG_BYTES >> 2, IPPROTO_IP, IP_TOS, 4);
    this.table.setControlHeader(CONTROL_ALONE >> 2, IPPROTO_UDP, UDP_SEGMENT, 2);
  }

  /**
   * Sends the packets from index `from` on whose REASON is 0, that are in UDP from this port and have DF set: OFFSET
   * and LENGTH are the whole IPv4 packet, of whose headers the addresses, ports and TOS come from the packet's fields.
   * Returns the first packet not handled because the socket is full, or COUNT. A packet that the kernel refuses for
   * itself gets REASON OutError, with the errno in INFO.
   *
   * Ends: a refused message of several packets is sent again as single ones, at most once.
   */
  send(batch: Batch, from: number): number {
    let segments = this.#segments;
    let first = from;
    for (;;) {
      const messages = this.#build(batch, first, segments);
      const handled = this.flush(batch, messages);
      if (handled === messages) return batch.i32[COUNT];
      first = this.first[handled];
      if (segments === 1 || !cannotSegment(this.lastErrno)) return first;
      // EIO: this kernel and device can't segment at all. The others: a segment is longer than the MTU.
      segments = 1;
      if (this.lastErrno === EIO) this.#segments = 1;
    }
  }

  protected override stops(error: number, m: number): boolean {
    return super.stops(error, m) || (this.last[m] > this.first[m] && cannotSegment(error));
  }

  /**
   * Writes the messages for the packets from `from` on. Returns their number.
   *
   * A packet joins the message before it when it directly follows in the batch, that message's packets are all of one
   * length and this one is not longer, destination, source, ports and TOS agree, and the message stays within its
   * share. A shorter packet is the last of its message.
   */
  #build(batch: Batch, from: number, segments: number): number {
    const packets = batch.i32;
    const count = packets[COUNT];
    const { table } = this;
    let m = -1;
    let iovec = 0;
    let size = 0;
    let limit = 0;
    let open = false;
    for (let i = from; i < count; i++) {
      if (packets[REASON + i] !== 0 || !isFrom(packets, i, this.#port)) {
        open = false;
        continue;
      }
      const bytes = packets[LENGTH + i] - HEADERS;
      const offset = packets[OFFSET + i] + HEADERS;
      table.setIovecBase(iovec, 0, packets[ADDRESS_LO], packets[ADDRESS_HI], offset);
      table.setIovecLength(iovec, 0, bytes);
      if (!(open && bytes <= size && i - this.first[m] < limit && samePath(packets, i - 1, i))) {
        if (m >= 0) this.#close(m, size, iovec);
        m++;
        this.#start(packets, m, i, iovec);
        size = bytes;
        limit = this.#share(packets, i, count, bytes, segments);
      }
      this.last[m] = i;
      open = segments > 1 && bytes === size;
      iovec++;
    }
    if (m >= 0) this.#close(m, size, iovec);
    return m + 1;
  }

  /**
   * Packets of the message that begins with packet `from`: within `segments` packets and MAX_PAYLOAD bytes, and when
   * those of this length are too many, an equal share of them. 44 and then 1 would cost the receiver a wake-up for one.
   */
  #share(packets: Int32Array, from: number, count: number, bytes: number, segments: number): number {
    let run = 1;
    while (from + run < count && packets[LENGTH + from + run] === bytes + HEADERS) run++;
    const most = Math.min(segments, Math.floor(MAX_PAYLOAD / bytes));
    return run <= most ? most : Math.ceil(run / Math.ceil(run / most));
  }

  /** Begins message `m` with packet `i`. */
  #start(packets: Int32Array, m: number, i: number, iovec: number): void {
    const { i32, name, nameWords, control, controlWords } = this.table;
    const address = name + m * nameWords;
    i32[address] = AF_INET | (swap16(packets[UDP_PORTS + i]) << 16);
    i32[address + (SIN_ADDR >> 2)] = swap32(packets[OUTER_DST + i]);
    i32[control + m * controlWords + PKTINFO_SPEC_DST] = swap32(packets[OUTER_SRC + i]);
    i32[control + m * controlWords + TOS_WORD] = packets[OUTER_TOS + i];
    this.first[m] = i;
    this.#iovec[m] = iovec;
  }

  /** Ends message `m`, whose iovecs end before number `iovec`. */
  #close(m: number, size: number, iovec: number): void {
    const { i32, control, controlWords } = this.table;
    const several = this.last[m] > this.first[m];
    this.table.setIovecs(m, this.#iovec[m], iovec - this.#iovec[m]);
    i32[m * MmsgTable.HEADER_WORDS + (MSG_CONTROLLEN >> 2)] = several ? CONTROL_SEGMENTED : CONTROL_ALONE;
    if (several) i32[control + m * controlWords + SEGMENT_WORD] = size;
  }
}

/** In UDP from `port`, with DF set. */
function isFrom(packets: Int32Array, i: number, port: number): boolean {
  return packets[UDP_PORTS + i] >>> 16 === port && packets[OUTER_DF + i] !== 0;
}

function samePath(packets: Int32Array, a: number, b: number): boolean {
  return packets[OUTER_DST + a] === packets[OUTER_DST + b] &&
    packets[OUTER_SRC + a] === packets[OUTER_SRC + b] &&
    packets[UDP_PORTS + a] === packets[UDP_PORTS + b] && packets[OUTER_TOS + a] === packets[OUTER_TOS + b];
}

function cannotSegment(error: number): boolean {
  return error === EIO || error === EINVAL || error === EMSGSIZE;
}

/** The kernel segments for a socket that knows UDP_SEGMENT (Linux 4.18) and writes checksums. */
function canSegment(fd: number): boolean {
  const value = new Int32Array(1);
  if (libc.getsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, value, Int32Array.of(4)) !== 0) return false;
  if (libc.getsockopt(fd, SOL_SOCKET, SO_NO_CHECK, value, Int32Array.of(4)) !== 0) return false;
  return value[0] === 0;
}
