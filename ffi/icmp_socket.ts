/**
 * Raw ICMP sockets. Errors to an inner sender leave by one of these, in the tunnel device's namespace: the same error
 * written into the device would be dropped as martian, since its source is an address of this host.
 */
import { check, EPERM, errno } from "./errno.ts";
import { close, setSocketOption } from "./io.ts";
import { libc } from "./libc.ts";
import { AF_INET, INT_CMSG_BYTES, IP_PKTINFO, IP_TOS, IPPROTO_IP, PKTINFO_CMSG_BYTES } from "./mmsg.ts";
import { IP_MTU_DISCOVER, openRawSocket, SOCK_CLOEXEC, SOCK_NONBLOCK } from "./raw_socket.ts";
import {
  CMSG_LEVEL,
  CMSG_TYPE,
  CMSGHDR_BYTES,
  IN_PKTINFO_BYTES,
  IOVEC_BYTES,
  IOVEC_LEN,
  MMSGHDR_BYTES,
  MSG_CONTROL,
  MSG_CONTROLLEN,
  MSG_IOV,
  MSG_IOVLEN,
  MSG_NAME,
  MSG_NAMELEN,
  nativeTable,
  SIN_ADDR,
  storeAddress,
  swap32,
} from "./struct_layout.ts";

const AF_INET6 = 10;
const SOCK_RAW = 3;
const IPPROTO_ICMP = 1;
const IPPROTO_ICMPV6 = 58;
const IPPROTO_IPV6 = 41;
const SOL_RAW = 255;
const ICMP_FILTER = 1;
const ICMPV6_FILTER = 1;
const IPV6_PKTINFO = 50;
const IPV6_TCLASS = 67;
/** struct in6_pktinfo, and its control message padded to 8. */
const IN6_PKTINFO_BYTES = 20;
const PKTINFO6_CMSG_BYTES = CMSGHDR_BYTES + 24;
const IP_PMTUDISC_DONT = 0;
const MSG_DONTWAIT = 0x40;
const ICMP_DEST_UNREACH = 3;

/** struct sockaddr_in6: family (2), port (2), flow (4), address (16), scope (4). */
const SOCKADDR_IN6_BYTES = 28;
const SIN6_ADDR = 8;
const SIN6_SCOPE = 24;
/** Longest ICMP error: RFC 4443 §2.4 (c) allows 1280 bytes with the IPv6 header, RFC 1812 §4.3.2.3 576 for IPv4. */
const MAX_ICMP_BYTES = 1280;

/** Opens a socket that sends ICMP from the calling thread's namespace, and receives none. Throws SyscallError. */
export function openIcmpSocket(): number {
  const fd = openRawSocket(IPPROTO_ICMP);
  try {
    // As the kernel's own errors: DF clear.
    setSocketOption(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT, "IP_MTU_DISCOVER");
    setSocketOption(fd, SOL_RAW, ICMP_FILTER, ~0, "ICMP_FILTER");
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/**
 * Opens a socket that receives the ICMP destination unreachable messages of the calling thread's namespace, for a
 * MmsgReceiver: OFFSET is then the ICMP header. Throws SyscallError.
 */
export function openIcmpErrorSocket(): number {
  const fd = openRawSocket(IPPROTO_ICMP);
  try {
    setSocketOption(fd, SOL_RAW, ICMP_FILTER, ~(1 << ICMP_DEST_UNREACH), "ICMP_FILTER");
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** The same as openIcmpSocket() for ICMPv6. Throws SyscallError: EAFNOSUPPORT on a host without IPv6. */
export function openIcmp6Socket(): number {
  const action = "Open a raw ICMPv6 socket";
  const type = SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const fd = check(libc.socket(AF_INET6, type, IPPROTO_ICMPV6), action, "socket", {
    [EPERM]: "run as root or with CAP_NET_RAW",
  });
  try {
    const blockAll = new Uint8Array(32).fill(0xff);
    check(
      libc.setsockopt(fd, IPPROTO_ICMPV6, ICMPV6_FILTER, blockAll, 32),
      action,
      "setsockopt ICMPV6_FILTER",
    );
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** One message: header, iovec, address, control data, payload. */
const IOV_AT = MMSGHDR_BYTES;
const NAME_AT = IOV_AT + IOVEC_BYTES;
const CONTROL_AT = NAME_AT + 32;
const PAYLOAD_AT = CONTROL_AT + INT_CMSG_BYTES + PKTINFO6_CMSG_BYTES;
const table = nativeTable(PAYLOAD_AT + MAX_ICMP_BYTES);
const view = new DataView(table.u8.buffer);
const point = (at: number, offset: number) => storeAddress(table.i32, at >> 2, table.lo, table.hi, offset);
point(MSG_NAME, NAME_AT);
point(MSG_IOV, IOV_AT);
view.setInt32(MSG_IOVLEN, 1, true);
point(MSG_CONTROL, CONTROL_AT);
point(IOV_AT, PAYLOAD_AT);

/**
 * Sends an ICMP message to `dst` (u32, host order): the first `length` of `bytes`, its checksum included. `src` is a
 * local address, or 0 to leave the choice to routing. Returns the bytes sent, or -errno.
 */
export function sendIcmp4(
  fd: number,
  dst: number,
  tos: number,
  bytes: Uint8Array,
  length: number,
  src = 0,
): number {
  view.setUint32(NAME_AT, AF_INET, true);
  view.setInt32(NAME_AT + SIN_ADDR, swap32(dst), true);
  writeControl(CONTROL_AT, IPPROTO_IP, IP_TOS, 4);
  view.setInt32(CONTROL_AT + CMSGHDR_BYTES, tos, true);
  if (src !== 0) {
    const info = CONTROL_AT + INT_CMSG_BYTES;
    writeControl(info, IPPROTO_IP, IP_PKTINFO, IN_PKTINFO_BYTES);
    view.setInt32(info + CMSGHDR_BYTES, 0, true);
    view.setInt32(info + CMSGHDR_BYTES + 4, swap32(src), true);
  }
  return send(fd, 16, INT_CMSG_BYTES + (src === 0 ? 0 : PKTINFO_CMSG_BYTES), bytes, length);
}

/**
 * Sends an ICMPv6 message to `dst` (16 bytes): the first `length` of `bytes`; the kernel writes the checksum. `ifindex`
 * is where a link-local `dst` lives. With `fromItself` its source is `dst` too, which must be this host's. Returns the
 * bytes sent, or -errno.
 */
export function sendIcmp6(
  fd: number,
  dst: Uint8Array,
  trafficClass: number,
  bytes: Uint8Array,
  length: number,
  ifindex: number,
  fromItself = false,
): number {
  table.u8.fill(0, NAME_AT, NAME_AT + SOCKADDR_IN6_BYTES);
  view.setUint16(NAME_AT, AF_INET6, true);
  for (let i = 0; i < 16; i++) view.setUint8(NAME_AT + SIN6_ADDR + i, dst[i]);
  const linkLocal = dst[0] === 0xfe && (dst[1] & 0xc0) === 0x80;
  if (linkLocal) view.setUint32(NAME_AT + SIN6_SCOPE, ifindex, true);
  writeControl(CONTROL_AT, IPPROTO_IPV6, IPV6_TCLASS, 4);
  view.setInt32(CONTROL_AT + CMSGHDR_BYTES, trafficClass, true);
  if (!fromItself) return send(fd, SOCKADDR_IN6_BYTES, INT_CMSG_BYTES, bytes, length);
  const info = CONTROL_AT + INT_CMSG_BYTES;
  writeControl(info, IPPROTO_IPV6, IPV6_PKTINFO, IN6_PKTINFO_BYTES);
  for (let i = 0; i < 16; i++) view.setUint8(info + CMSGHDR_BYTES + i, dst[i]);
  view.setUint32(info + CMSGHDR_BYTES + 16, linkLocal ? ifindex : 0, true);
  return send(fd, SOCKADDR_IN6_BYTES, INT_CMSG_BYTES + PKTINFO6_CMSG_BYTES, bytes, length);
}

function writeControl(at: number, level: number, type: number, bytes: number): void {
  view.setInt32(at, CMSGHDR_BYTES + bytes, true);
  view.setInt32(at + CMSG_LEVEL, level, true);
  view.setInt32(at + CMSG_TYPE, type, true);
}

function send(
  fd: number,
  nameBytes: number,
  controlBytes: number,
  bytes: Uint8Array,
  length: number,
): number {
  const taken = Math.min(length, bytes.length, MAX_ICMP_BYTES);
  for (let i = 0; i < taken; i++) table.u8[PAYLOAD_AT + i] = bytes[i];
  view.setInt32(MSG_NAMELEN, nameBytes, true);
  view.setInt32(MSG_CONTROLLEN, controlBytes, true);
  view.setInt32(IOV_AT + IOVEC_LEN, taken, true);
  const sent = libc.sendmsg(fd, table.pointer, MSG_DONTWAIT);
  return sent < 0 ? -errno() : sent;
}
