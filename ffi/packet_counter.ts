/** Counts what passes a device, by IP protocol: a wire tap that looks at headers only. */
import { check } from "./errno.ts";
import { close } from "./io.ts";
import { libc } from "./libc.ts";

const AF_PACKET = 17;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
/** ETH_P_ALL in network order, as socket(2) wants it. */
const ETH_P_ALL_BE = 0x0300;
/** struct sockaddr_ll: family (2), protocol (2), ifindex (4), then what bind(2) does not ask for. */
const SOCKADDR_LL_BYTES = 20;
const HEADER_BYTES = 64;
const IPPROTO_UDP = 17;
const IPPROTO_ESP = 50;
/** RFC 3948. */
const ESPINUDP_PORT = 4500;

export interface PacketCounts {
  /** ESP, raw or in UDP port 4500. */
  readonly esp: number;
  /** IPv4 and IPv6 packets of any other kind. */
  readonly otherIp: number;
  /** Whatever is not IP: ARP. */
  readonly notIp: number;
}

export class PacketCounter {
  readonly #fd: number;
  readonly #packet = new Uint8Array(HEADER_BYTES);
  readonly #view = new DataView(this.#packet.buffer);
  #esp = 0;
  #otherIp = 0;
  #notIp = 0;

  /** Taps a device of the calling thread's namespace. Throws SyscallError. */
  constructor(ifindex: number) {
    const type = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    this.#fd = check(libc.socket(AF_PACKET, type, ETH_P_ALL_BE), "Open a packet socket", "socket");
    const address = new Uint8Array(SOCKADDR_LL_BYTES);
    const view = new DataView(address.buffer);
    view.setUint16(0, AF_PACKET, true);
    view.setUint16(2, ETH_P_ALL_BE, true);
    view.setInt32(4, ifindex, true);
    check(libc.bind(this.#fd, address, SOCKADDR_LL_BYTES), "Tap a device", "bind");
  }

  /** Takes what has passed since the last call; the socket holds a few hundred packets. */
  counts(): PacketCounts {
    for (;;) {
      const length = libc.recv(this.#fd, this.#packet, BigInt(HEADER_BYTES), 0);
      if (length < 0) break;
      this.#count(length);
    }
    return { esp: this.#esp, otherIp: this.#otherIp, notIp: this.#notIp };
  }

  close(): void {
    close(this.#fd);
  }

  #count(length: number): void {
    const packet = this.#packet;
    // ARP begins with its hardware type, whose upper nibble is 0.
    const version = length < 20 ? 0 : packet[0] >> 4;
    if (version !== 4 && version !== 6) this.#notIp++;
    else if (version === 4 && this.#isEsp()) this.#esp++;
    else this.#otherIp++;
  }

  #isEsp(): boolean {
    const [protocol, headerBytes] = [this.#packet[9], (this.#packet[0] & 15) * 4];
    if (protocol === IPPROTO_ESP) return true;
    if (protocol !== IPPROTO_UDP) return false;
    const [source, destination] = [this.#view.getUint16(headerBytes), this.#view.getUint16(headerBytes + 2)];
    return source === ESPINUDP_PORT || destination === ESPINUDP_PORT;
  }
}
