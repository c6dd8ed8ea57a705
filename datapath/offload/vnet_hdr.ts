/**
 * struct virtio_net_hdr (include/uapi/linux/virtio_net.h), which precedes every packet of a TUN device opened with
 * IFF_VNET_HDR. Offsets in bytes. 16-bit fields are in the host's byte order, which is little-endian.
 */

export const FLAGS = 0;
export const GSO_TYPE = 1;
/** Bytes of all headers before the payload; a hint that a reader must not trust. */
export const HDR_LEN = 2;
/** Bytes of payload in each segment but the last. */
export const GSO_SIZE = 4;
/** Where the summed range starts, from the packet's first byte; it goes on to the packet's end. */
export const CSUM_START = 6;
/** Where the checksum stands, from CSUM_START. */
export const CSUM_OFFSET = 8;
export const VNET_HDR_BYTES = 10;

/** Bit of FLAGS: the checksum field holds the pseudo header's folded sum, the rest is still to be added. */
export const NEEDS_CSUM = 1;

/** Values of GSO_TYPE. */
export const GSO_NONE = 0;
export const GSO_TCPV4 = 1;
export const GSO_TCPV6 = 4;
export const GSO_UDP_L4 = 5;
/** Bit of GSO_TYPE: the super-packet has CWR, of which the first segment alone may keep it. */
export const GSO_ECN = 0x80;

/** Writes the header of a packet that is complete as it stands. */
export function emitNone(view: DataView, at: number): void {
  view.setInt32(at, 0);
  view.setInt32(at + 4, 0);
  view.setInt16(at + 8, 0);
}

/** Writes the header of a super-packet whose checksum is partial. */
export function emitGso(
  view: DataView,
  at: number,
  gsoType: number,
  headerBytes: number,
  gsoSize: number,
  csumStart: number,
  csumOffset: number,
): void {
  view.setUint8(at + FLAGS, NEEDS_CSUM);
  view.setUint8(at + GSO_TYPE, gsoType);
  view.setUint16(at + HDR_LEN, headerBytes, true);
  view.setUint16(at + GSO_SIZE, gsoSize, true);
  view.setUint16(at + CSUM_START, csumStart, true);
  view.setUint16(at + CSUM_OFFSET, csumOffset, true);
}
