/**
 * TUN devices: network devices whose packets a program reads and writes, several queues and segmentation offload
 * included. Needs Linux, `/dev/net/tun` and CAP_NET_ADMIN.
 *
 * @example Make a device, look for a packet, close it
 * ```ts ignore
 * import { closeTun, openTun, readPacket } from "@vti-gateway/vti-gateway/tun";
 *
 * const tun = openTun({ name: "tun%d" });
 * console.log(`ip address add 10.9.8.1/24 dev ${tun.name} && ip link set ${tun.name} up`);
 * const packet = new Uint8Array(65536);
 * const length = readPacket(tun.fd, packet);
 * if (length > 0) console.log(`IPv${packet[0] >> 4}, ${length} bytes`);
 * closeTun(tun);
 * ```
 *
 * @module
 */
import { check, EBADFD, EBUSY, EINVAL, ENODEV, ENOENT, ENXIO, EPERM, errno, SyscallError } from "./errno.ts";
import { close } from "./io.ts";
import { cString, fromCString, libc } from "./libc.ts";
import { withNetns } from "./netns.ts";
import { IFNAME_MAX, IFREQ_BYTES, IFREQ_UNION } from "./struct_layout.ts";

const O_RDWR = 2;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;

const TUNSETIFF = 0x400454ca;
const TUNSETPERSIST = 0x400454cb;
const TUNSETLINK = 0x400454cd;
const TUNSETOFFLOAD = 0x400454d0;
const TUNSETVNETHDRSZ = 0x400454d8;
const TUNSETIFINDEX = 0x400454da;
const TUNSETCARRIER = 0x400454e2;
const TUNGETIFF = 0x800454d2;
const TUNGETDEVNETNS = 0x54e3;
const SIOCGIFINDEX = 0x8933;

const IFF_TUN = 0x0001;
const IFF_MULTI_QUEUE = 0x0100;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
const IFF_TUN_EXCL = 0x8000;

/** Bytes of struct virtio_net_hdr, which precedes every packet of a device opened with `vnetHdr`. */
export const VNET_HDR_BYTES = 10;
/** Its fields: flags (1), gso_type (1), then u16 little-endian each: bytes of headers, segment size, csum start, offset. */
export const VNET_FLAGS = 0;
export const VNET_GSO_TYPE = 1;
export const VNET_HDR_LEN = 2;
export const VNET_GSO_SIZE = 4;
export const VNET_CSUM_START = 6;
export const VNET_CSUM_OFFSET = 8;
/** flags: the checksum at csum_start + csum_offset holds the pseudo-header's sum only and must be completed. */
export const VNET_F_NEEDS_CSUM = 1;
/** flags: the checksum was verified. */
export const VNET_F_DATA_VALID = 2;
/** gso_type. */
export const VNET_GSO_NONE = 0;
export const VNET_GSO_TCPV4 = 1;
export const VNET_GSO_TCPV6 = 4;
export const VNET_GSO_UDP_L4 = 5;
/** Bit of gso_type: the TCP segment has CWR set. */
export const VNET_GSO_ECN = 0x80;

/** What a reader of the device can take (setOffload). */
export const TUN_F_CSUM = 0x01;
export const TUN_F_TSO4 = 0x02;
export const TUN_F_TSO6 = 0x04;
export const TUN_F_TSO_ECN = 0x08;
export const TUN_F_USO4 = 0x20;
export const TUN_F_USO6 = 0x40;
/** Everything this module knows. */
export const TUN_F_ALL = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | TUN_F_USO4 | TUN_F_USO6;

/** Link type "ipip" of setLinkType (linux/if_arp.h). */
export const ARPHRD_TUNNEL = 768;

/** What openTun() makes. */
export interface TunOptions {
  /** Interface name of at most 15 bytes; "tun%d" takes the lowest free number. */
  readonly name: string;
  /** Index of the new interface; absent: the next free one. */
  readonly ifindex?: number;
  /** Descriptor of the network namespace the device appears in; absent: the calling thread's. */
  readonly netns?: number;
  /** Attach to the existing device: another queue, or a persistent device nobody holds. Absent: the name must be free. */
  readonly attach?: boolean;
  /** The device can have several queues: open it again with `attach` for each more. */
  readonly multiQueue?: boolean;
  /** Every packet is preceded by VNET_HDR_BYTES. */
  readonly vnetHdr?: boolean;
  /** The device outlives its descriptors. */
  readonly persist?: boolean;
}

/** One queue of a TUN device. */
export interface Tun {
  /** Nonblocking; one packet per read and per write. */
  readonly fd: number;
  readonly name: string;
  /** Interface index in the device's namespace. */
  readonly ifindex: number;
}

/** Opens a TUN device or one more queue of it. Throws SyscallError with a sentence on what to do. */
export function openTun(options: TunOptions): Tun {
  const open = (): Tun => openHere(options);
  return options.netns === undefined ? open() : withNetns(options.netns, open);
}

/** Closes a queue; the last one takes the device with it, unless it is persistent. */
export function closeTun(tun: Tun): void {
  close(tun.fd);
}

/**
 * The same on another thread. When the device goes, the kernel waits for grace periods: 20 ms, and 100 or more where the
 * processors are busy, in which this thread could do nothing else.
 */
export async function closeTunAside(fd: number): Promise<void> {
  if (await libc.closeAside(fd) !== 0) throw new Error(`Close TUN device: descriptor ${fd} is not open`);
}

/**
 * Says which offloads the reader takes: the kernel may then hand over checksums to complete and packets to segment.
 * Returns the bits accepted: `bits`, or the richest subset an older kernel knows (USO4 and USO6 came with Linux 6.2).
 */
export function setOffload(fd: number, bits: number): number {
  const withoutUso = bits & ~(TUN_F_USO4 | TUN_F_USO6);
  const tries = [bits, withoutUso, withoutUso & ~TUN_F_TSO_ECN, bits & TUN_F_CSUM, 0];
  for (const accepted of tries) {
    if (libc.ioctlValue(fd, TUNSETOFFLOAD, BigInt(accepted)) === 0) return accepted;
    if (errno() !== EINVAL) break;
  }
  throw new SyscallError("Set the offloads of a TUN device", "ioctl TUNSETOFFLOAD", errno());
}

/** Makes the device outlive its descriptors, or not. */
export function setPersist(fd: number, persist: boolean): void {
  const action = persist ? "Make a TUN device persistent" : "Let a TUN device go";
  check(libc.ioctlValue(fd, TUNSETPERSIST, persist ? 1n : 0n), action, "ioctl TUNSETPERSIST");
}

/** Sets the link type (ARPHRD_TUNNEL shows as link/ipip). The device must be down: SyscallError EBUSY otherwise. */
export function setLinkType(fd: number, type: number): void {
  check(
    libc.ioctlValue(fd, TUNSETLINK, BigInt(type)),
    "Set the link type of a TUN device",
    "ioctl TUNSETLINK",
    { [EBUSY]: "set the device down first" },
  );
}

/** Turns the carrier on or off; without it the device shows NO-CARRIER. */
export function setCarrier(fd: number, on: boolean): void {
  const value = Int32Array.of(on ? 1 : 0);
  check(libc.ioctl(fd, TUNSETCARRIER, value), "Set the carrier of a TUN device", "ioctl TUNSETCARRIER");
}

/** Where a device is, whoever renamed or moved it. */
export interface TunPlace {
  readonly name: string;
  /** Descriptor of the network namespace it lives in; the caller closes it. */
  readonly netns: number;
}

/** Returns where a queue's device is now, or null when it was deleted. Throws SyscallError for other failures. */
export function tunPlace(fd: number): TunPlace | null {
  const action = "Find a TUN device";
  const ifreq = new Uint8Array(IFREQ_BYTES);
  if (libc.ioctl(fd, TUNGETIFF, ifreq) < 0) {
    const error = errno();
    if (error === EBADFD) return null;
    throw new SyscallError(action, "ioctl TUNGETIFF", error);
  }
  const netns = libc.ioctlValue(fd, TUNGETDEVNETNS, 0n);
  if (netns >= 0) return { name: fromCString(ifreq.subarray(0, IFREQ_UNION)), netns };
  const error = errno();
  if (error === EBADFD) return null;
  throw new SyscallError(action, "ioctl TUNGETDEVNETNS", error);
}

/** Sets the size of the header before each packet: VNET_HDR_BYTES, or 12 with a count of buffers behind. */
export function setVnetHdrSize(fd: number, bytes: number): void {
  const value = Int32Array.of(bytes);
  check(
    libc.ioctl(fd, TUNSETVNETHDRSZ, value),
    "Set the header size of a TUN device",
    "ioctl TUNSETVNETHDRSZ",
  );
}

/** Reads one packet into `buffer`. Returns its length, or -errno: -EAGAIN (-11) when none waits. */
export function readPacket(fd: number, buffer: Uint8Array<ArrayBuffer>): number {
  const n = libc.readBuffer(fd, buffer, BigInt(buffer.byteLength));
  return n < 0 ? -errno() : n;
}

/** Writes one packet. Returns the bytes written, or -errno: -EIO (-5) while the device is down. */
export function writePacket(fd: number, packet: Uint8Array<ArrayBuffer>): number {
  const n = libc.writeBuffer(fd, packet, BigInt(packet.byteLength));
  return n < 0 ? -errno() : n;
}

function openHere(options: TunOptions): Tun {
  const action = `Open TUN device "${options.name}"`;
  const name = cString(options.name);
  if (name.length < 2 || name.length - 1 > IFNAME_MAX || /[/:\s]/.test(options.name)) {
    throw new SyscallError(action, "ioctl TUNSETIFF", EINVAL, {
      [EINVAL]: `the name must have 1 to ${IFNAME_MAX} bytes`,
    });
  }
  const makeNode =
    "load the tun module, or create the node: mkdir -p /dev/net && mknod /dev/net/tun c 10 200";
  const fd = check(
    libc.open(cString("/dev/net/tun"), O_RDWR | O_NONBLOCK | O_CLOEXEC, 0),
    action,
    "open /dev/net/tun",
    { [ENOENT]: makeNode, [ENODEV]: makeNode, [ENXIO]: makeNode },
  );
  try {
    const ifreq = new Uint8Array(IFREQ_BYTES);
    ifreq.set(name);
    const flags = IFF_TUN | IFF_NO_PI | (options.vnetHdr ? IFF_VNET_HDR : 0) |
      (options.multiQueue ? IFF_MULTI_QUEUE : 0) | (options.attach ? 0 : IFF_TUN_EXCL);
    new DataView(ifreq.buffer).setUint16(IFREQ_UNION, flags, true);
    if (options.ifindex !== undefined) {
      check(
        libc.ioctl(fd, TUNSETIFINDEX, Int32Array.of(options.ifindex)),
        action,
        "ioctl TUNSETIFINDEX",
      );
    }
    check(libc.ioctl(fd, TUNSETIFF, ifreq), action, "ioctl TUNSETIFF", {
      [EBUSY]: options.attach
        ? "another program holds the device"
        : `the name is taken${options.ifindex === undefined ? "" : ", or the index"}`,
      [EPERM]: "run as root or with CAP_NET_ADMIN",
      [EINVAL]: "the name is taken by another kind of device, or the device has other flags",
      [EBADFD]: "the device is being deleted",
    });
    if (options.persist) setPersist(fd, true);
    const given = fromCString(ifreq.subarray(0, IFREQ_UNION));
    return { fd, name: given, ifindex: ifindexOf(given, action) };
  } catch (error) {
    close(fd);
    throw error;
  }
}

function ifindexOf(name: string, action: string): number {
  const AF_INET = 2;
  const SOCK_DGRAM_CLOEXEC = 2 | O_CLOEXEC;
  const socket = check(libc.socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0), action, "socket");
  try {
    const ifreq = new Uint8Array(IFREQ_BYTES);
    ifreq.set(cString(name));
    check(libc.ioctl(socket, SIOCGIFINDEX, ifreq), action, "ioctl SIOCGIFINDEX");
    return new DataView(ifreq.buffer).getInt32(IFREQ_UNION, true);
  } finally {
    close(socket);
  }
}
