/**
 * Layouts of the kernel's structs, as byte offsets, for 64-bit little-endian Linux (x86-64 and arm64).
 *
 * Tables of structs are one ArrayBuffer with an Int32Array over it; an index into that is the offset >> 2.
 */

if (new Uint8Array(Uint32Array.of(1).buffer)[0] !== 1) {
  throw new Error("Lay out kernel structs: this processor is big-endian, which is not supported");
}

/** struct iovec: base (8), length (8). */
export const IOVEC_BYTES = 16;
export const IOVEC_LEN = 8;

/** struct mmsghdr: a msghdr of 56 bytes, then msg_len (4) and padding. */
export const MMSGHDR_BYTES = 64;
export const MSG_NAME = 0;
export const MSG_NAMELEN = 8;
export const MSG_IOV = 16;
export const MSG_IOVLEN = 24;
export const MSG_CONTROL = 32;
export const MSG_CONTROLLEN = 40;
export const MSG_LEN = 56;

/** struct sockaddr_in: family (2), port (2, network order), address (4, network order), zero (8). */
export const SOCKADDR_IN_BYTES = 16;
export const SIN_PORT = 2;
export const SIN_ADDR = 4;

/** struct sockaddr_ll: family (2), protocol (2, network order), ifindex (4), 3 bytes, address length (1), address (8). */
export const SOCKADDR_LL_BYTES = 20;
export const SLL_PROTOCOL = 2;
export const SLL_IFINDEX = 4;
export const SLL_HALEN = 11;
export const SLL_ADDR = 12;

/** struct cmsghdr: length with header (8), level (4), type (4); then the data, padded to 8. */
export const CMSGHDR_BYTES = 16;
export const CMSG_LEVEL = 8;
export const CMSG_TYPE = 12;

/** struct in_pktinfo: ifindex (4), spec_dst (4), addr (4), addresses in network order. */
export const IN_PKTINFO_BYTES = 12;

/** struct epoll_event: packed to 12 bytes on x86-64 only. */
export const EPOLL_EVENT_BYTES = Deno.build.arch === "x86_64" ? 12 : 16;
export const EPOLL_DATA = Deno.build.arch === "x86_64" ? 4 : 8;

/** struct ifreq: name (16), union (24). */
export const IFREQ_BYTES = 40;
export const IFREQ_UNION = 16;
/** Longest interface name, without the NUL (IFNAMSIZ - 1). */
export const IFNAME_MAX = 15;

/** The bytes of a 32-bit number reversed; the result is an int32, as an Int32Array stores it. */
export function swap32(x: number): number {
  return (x << 24) | ((x & 0xff00) << 8) | ((x >>> 8) & 0xff00) | (x >>> 24);
}

/** The bytes of a 16-bit number reversed. */
export function swap16(x: number): number {
  return ((x & 0xff) << 8) | ((x >>> 8) & 0xff);
}

/** Memory for structs that native code keeps addresses of. The object must stay reachable for as long. */
export interface NativeTable {
  readonly i32: Int32Array<ArrayBuffer>;
  readonly u8: Uint8Array<ArrayBuffer>;
  readonly pointer: Deno.PointerObject;
  /** Address of byte 0, low and high half. */
  readonly lo: number;
  readonly hi: number;
}

/** Makes a zeroed table of `bytes` bytes. */
export function nativeTable(bytes: number): NativeTable {
  const u8 = new Uint8Array(bytes);
  const pointer = Deno.UnsafePointer.of(u8)!;
  const address = Deno.UnsafePointer.value(pointer);
  return {
    i32: new Int32Array(u8.buffer),
    u8,
    pointer,
    lo: Number(address & 0xffffffffn) | 0,
    hi: Number(address >> 32n),
  };
}

/** Stores the 64-bit address (`hi`, `lo`) + `offset` at word `at` of `i32`; `offset` is below 2 ** 31. */
export function storeAddress(i32: Int32Array, at: number, lo: number, hi: number, offset: number): void {
  const sum = (lo >>> 0) + offset;
  i32[at] = sum | 0;
  i32[at + 1] = sum > 0xffffffff ? hi + 1 : hi;
}
