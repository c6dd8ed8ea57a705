/**
 * Sending whole IPv4 packets past the kernel's IP layer (packet(7)): 2.2 us a packet, of which the receiving end's
 * softirq is 1.0, where a raw socket takes 3.2. What the kernel would do on the way is the caller's: the next hop, its
 * hardware address, and the question whether packet filters want to see the packet (next_hop.ts, netfilter.ts).
 */
import { ADDRESS_HI, ADDRESS_LO, type Batch, COUNT, LENGTH, OFFSET, REASON } from "../datapath/batch.ts";
import { check, EAGAIN, EPERM } from "./errno.ts";
import { close } from "./io.ts";
import { libc } from "./libc.ts";
import { AF_PACKET, MESSAGES } from "./mmsg.ts";
import type { NextHop } from "./next_hop.ts";
import { isUdpOf, setBuffers, SOCK_CLOEXEC, SOCK_NONBLOCK, type UdpPorts } from "./raw_socket.ts";
import { SlabSender } from "./slab_sender.ts";
import { SLL_ADDR, SLL_HALEN, SLL_IFINDEX, SLL_PROTOCOL, SOCKADDR_LL_BYTES } from "./struct_layout.ts";

const SOCK_DGRAM = 2;
/** ETH_P_IP in network order, and none: the socket receives nothing. */
const ETH_P_IP_BE = 0x0008;
const NO_PROTOCOL = 0;
const ETHERNET_ADDRESS_BYTES = 6;

/** Opens a socket for a PacketSender in the calling thread's namespace: nonblocking. Throws SyscallError. */
export function openPacketSendSocket(): number {
  const type = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const fd = check(libc.socket(AF_PACKET, type, NO_PROTOCOL), "Open a packet socket", "socket", {
    [EPERM]: "run as root or with CAP_NET_RAW",
  });
  try {
    setBuffers(fd);
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

export class PacketSender extends SlabSender {
  /** Hop that the addresses of all messages are of. */
  #hop: NextHop | null = null;

  /** `fd` is of openPacketSendSocket(). */
  constructor(fd: number) {
    super(fd, { iovecs: 1, name: SOCKADDR_LL_BYTES, control: 0 });
    const { i32, name, nameWords } = this.table;
    for (let m = 0; m < MESSAGES; m++) {
      const word = name + m * nameWords;
      i32[word + (SLL_PROTOCOL >> 2)] = AF_PACKET | (ETH_P_IP_BE << 16);
      i32[word + (SLL_HALEN >> 2)] = ETHERNET_ADDRESS_BYTES << 24;
    }
  }

  /**
   * Sends to `hop` all packets from index `from` on whose REASON is 0, but not those that a UdpSender of one of `udpPorts` takes: OFFSET and LENGTH
   * are the whole packet with its checksum. Returns the first packet not handled because the socket is full, or COUNT.
   * A packet that is refused for itself gets REASON OutError, with the errno in INFO.
   */
  send(batch: Batch, from: number, hop: NextHop, udpPorts: UdpPorts): number {
    if (hop !== this.#hop) this.#address(hop);
    const messages = this.#build(batch, from, udpPorts);
    const handled = this.flush(batch, messages);
    return handled < messages ? this.first[handled] : batch.i32[COUNT];
  }

  /** ENOBUFS is the queue of the device: a raw socket does not tell, and the packets behind may find room. */
  protected override stops(error: number): boolean {
    return error === EAGAIN;
  }

  #address(hop: NextHop): void {
    const { i32, name, nameWords } = this.table;
    for (let m = 0; m < MESSAGES; m++) {
      const word = name + m * nameWords;
      i32[word + (SLL_IFINDEX >> 2)] = hop.ifindex;
      i32[word + (SLL_ADDR >> 2)] = hop.addressLo;
      i32[word + (SLL_ADDR >> 2) + 1] = hop.addressHi;
    }
    this.#hop = hop;
  }

  #build(batch: Batch, from: number, udpPorts: UdpPorts): number {
    const packets = batch.i32;
    const { table } = this;
    const lo = packets[ADDRESS_LO];
    const hi = packets[ADDRESS_HI];
    let m = 0;
    for (let i = from, count = packets[COUNT]; i < count; i++) {
      if (packets[REASON + i] !== 0 || isUdpOf(packets, i, udpPorts)) continue;
      table.setIovecBase(m, 0, lo, hi, packets[OFFSET + i]);
      table.setIovecLength(m, 0, packets[LENGTH + i]);
      this.first[m] = this.last[m] = i;
      m++;
    }
    return m;
  }
}
