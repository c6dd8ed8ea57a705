/**
 * What a TUN device hands over, made into packets for the wire: super-packets are segmented (GSO), partial checksums
 * completed. Kernel: net/core/gso.c skb_gso_segment(), net/core/dev.c skb_checksum_help().
 *
 *     staging   [ vnet header 10 ][ IP | TCP or UDP | payload .............................. ]
 *     batch     [ IP | TCP | payload ]  [ IP | TCP | payload ]  [ IP | TCP | rest ]
 */
import type { Batch } from "../batch.ts";
import { OFFSET } from "../batch.ts";
import { DropReason } from "../drop_reason.ts";
import { memcpy } from "../memcpy.ts";
import * as checksum from "../wire/checksum.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as ipv6 from "../wire/ipv6.ts";
import * as tcp from "../wire/tcp.ts";
import * as udp from "../wire/udp.ts";
import { type SlabSum, slabSum } from "./slab_sum.ts";
import { tcpSegment } from "./tcp_segment.ts";
import { udpSegment } from "./udp_segment.ts";
import * as vnet from "./vnet_hdr.ts";

/** Longest packet of a TUN device; the length fields of IPv4 and IPv6 hold no more. */
const MAX_SUPER_PACKET = 65_535;
/** Where the packet starts in the buffer; the vnet header stands before it. A multiple of 8 makes copying cheap. */
const PACKET = 16;

const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;

/** Payloads of whole segments that get a view each, and the least bytes of such a segment. */
const CUTS = 64;
const MIN_CUT_BYTES = 512;

/** One super-packet at a time, from a buffer of its own into batches. */
export class Segmenter {
  /** Where a read of the TUN device goes: vnet header, then the packet. */
  readonly staging: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  readonly #sum: SlabSum;
  /** Views of the payloads of whole segments. They fit the next super-packet too: most have the same header and size. */
  readonly #cuts: Uint8Array[] = [];
  #cutsStart = 0;
  #cutsBytes = 0;
  /** Bytes of the packet, and of its payload that are in batches already. */
  #length = 0;
  #done = 0;
  /** Bytes of all headers; GSO_NONE: 0, everything is payload. */
  #headerBytes = 0;
  /** Payload bytes a segment takes. */
  #segmentBytes = 0;
  /** IPPROTO_TCP or IPPROTO_UDP; 0 for a packet that stays as it is. */
  #protocol = 0;
  /** Where the summed range and its checksum field are, from the packet's first byte; start -1: nothing to complete. */
  #csumStart = -1;
  #csumAt = 0;
  /** IPv4: ID of the first segment, and sum of the header without what differs between segments; -1 for IPv6. */
  #id = 0;
  #ipSum = -1;
  /** TCP: sequence number of the first segment, data offset and flags of the super-packet. */
  #seq = 0;
  #flagWord = 0;
  /** Sum of pseudo and transport header without what differs between segments. */
  #thSum = 0;

  constructor(sum: SlabSum = slabSum) {
    this.#sum = sum;
    const buffer = new ArrayBuffer(PACKET + MAX_SUPER_PACKET);
    this.staging = new Uint8Array(buffer, PACKET - vnet.VNET_HDR_BYTES);
    this.#view = new DataView(buffer);
  }

  /**
   * Takes over the `length` bytes that were read to `staging`. Returns a DropReason: None, or OutHeader when the
   * vnet header doesn't fit the packet. A packet that was begun before and not filled is forgotten.
   */
  begin(length: number): number {
    this.#length = 0;
    this.#done = 0;
    const packetBytes = length - vnet.VNET_HDR_BYTES;
    if (packetBytes <= 0 || length > this.staging.length) return DropReason.OutHeader;
    const hdr = PACKET - vnet.VNET_HDR_BYTES;
    const partial = (this.#view.getUint8(hdr + vnet.FLAGS) & vnet.NEEDS_CSUM) !== 0;
    const gsoType = this.#view.getUint8(hdr + vnet.GSO_TYPE);
    this.#csumStart = partial ? this.#view.getUint16(hdr + vnet.CSUM_START, true) : -1;
    this.#csumAt = this.#csumStart + this.#view.getUint16(hdr + vnet.CSUM_OFFSET, true);
    if (partial && this.#csumAt + 2 > packetBytes) return DropReason.OutHeader;
    if (gsoType !== vnet.GSO_NONE) {
      if (!partial || !this.#beginGso(gsoType, packetBytes)) return DropReason.OutHeader;
    } else {
      this.#protocol = 0;
      this.#headerBytes = 0;
      this.#segmentBytes = packetBytes;
    }
    this.#length = packetBytes;
    return DropReason.None;
  }

  /** Appends packets to `batch` until all are there (true) or the batch is full (false: go on with the next one). */
  fill(batch: Batch): boolean {
    while (this.#done < this.#length - this.#headerBytes) {
      const rest = this.#length - this.#headerBytes - this.#done;
      const size = rest < this.#segmentBytes ? rest : this.#segmentBytes;
      const index = batch.append(this.#headerBytes + size);
      if (index < 0) return false;
      const at = batch.i32[OFFSET + index];
      if (this.#protocol === 0) this.#copyWhole(batch, at, size);
      else this.#copySegment(batch, at, size, size === rest);
      this.#done += size;
    }
    return true;
  }

  /**
   * Reads the headers of a super-packet. False when they contradict each other or the vnet header.
   *
   * 1. The type says which protocols there must be; csum_start says where the transport header is. For IPv6 that is
   *    behind extension headers, which every segment repeats.
   * 2. hdr_len is not asked: the headers are as long as they say themselves.
   * 3. The fields that differ between segments become 0, then the headers are summed once for all segments.
   * 4. The checksum field holds the pseudo header's sum with the super-packet's length; the length is taken out.
   */
  #beginGso(gsoType: number, packetBytes: number): boolean {
    const view = this.#view;
    const isUdp = gsoType === vnet.GSO_UDP_L4;
    const th = this.#csumStart;
    const version = ipv4.getVersion(view, PACKET);
    if (version === 4 ? !this.#isPlainIpv4(packetBytes) : version !== 6 || th < ipv6.HEADER_BYTES) {
      return false;
    }
    if (!isUdp && (gsoType & ~vnet.GSO_ECN) !== (version === 4 ? vnet.GSO_TCPV4 : vnet.GSO_TCPV6)) {
      return false;
    }
    if (this.#csumAt - th !== (isUdp ? udp.CHECKSUM : tcp.CHECKSUM)) return false;
    const minimum = isUdp ? udp.HEADER_BYTES : tcp.HEADER_BYTES;
    if (th + minimum > packetBytes) return false;
    const headerBytes = isUdp ? minimum : tcp.getHeaderBytes(view, PACKET + th);
    // A super-packet without payload does not exist: there would be nothing to segment.
    if (headerBytes < minimum || th + headerBytes >= packetBytes) return false;
    this.#segmentBytes = view.getUint16(PACKET - vnet.VNET_HDR_BYTES + vnet.GSO_SIZE, true);
    if (this.#segmentBytes === 0) return false;
    this.#protocol = isUdp ? IPPROTO_UDP : IPPROTO_TCP;
    if (version === 4 && view.getUint8(PACKET + ipv4.PROTOCOL) !== this.#protocol) return false;
    if (th === ipv6.HEADER_BYTES && version === 6) {
      if (view.getUint8(PACKET + ipv6.NEXT_HEADER) !== this.#protocol) return false;
    }
    this.#headerBytes = th + headerBytes;
    this.#ipSum = version === 4 ? this.#sumIpv4(th) : -1;
    const pseudo = view.getUint16(PACKET + this.#csumAt) + (~(packetBytes - th) & 0xffff);
    this.#thSum = this.#sumTransport(PACKET + th, headerBytes, pseudo);
    return true;
  }

  #isPlainIpv4(packetBytes: number): boolean {
    const headerBytes = ipv4.getHeaderBytes(this.#view, PACKET);
    return packetBytes >= ipv4.HEADER_BYTES && headerBytes >= ipv4.HEADER_BYTES &&
      headerBytes === this.#csumStart && !ipv4.isFragment(this.#view, PACKET);
  }

  #sumIpv4(headerBytes: number): number {
    const view = this.#view;
    this.#id = view.getUint16(PACKET + ipv4.ID);
    view.setUint16(PACKET + ipv4.TOTAL_LENGTH, 0);
    view.setUint16(PACKET + ipv4.ID, 0);
    view.setUint16(PACKET + ipv4.CHECKSUM, 0);
    return checksum.sum(view, PACKET, headerBytes, 0);
  }

  #sumTransport(at: number, headerBytes: number, pseudo: number): number {
    const view = this.#view;
    if (this.#protocol === IPPROTO_TCP) {
      this.#seq = view.getInt32(at + tcp.SEQ);
      this.#flagWord = view.getUint16(at + tcp.FLAG_WORD);
      view.setInt32(at + tcp.SEQ, 0);
      view.setUint16(at + tcp.FLAG_WORD, 0);
    } else view.setUint16(at + udp.LENGTH, 0);
    view.setUint16(PACKET + this.#csumAt, 0);
    return checksum.sum(view, at, headerBytes, pseudo);
  }

  /** Copies a packet that is no super-packet; completes its checksum when that is partial. */
  #copyWhole(batch: Batch, at: number, size: number): void {
    const view = batch.view;
    memcpy(view, at, this.#view, PACKET, size);
    if (this.#csumStart < 0) return;
    // 0 would mean "no checksum" to UDP; 0xffff is the same number to everybody (RFC 768).
    const sum = this.#sum(batch, at + this.#csumStart, size - this.#csumStart);
    view.setUint16(at + this.#csumAt, checksum.finish(sum) || 0xffff);
  }

  /**
   * Writes one segment of `size` payload bytes at `at`.
   *
   * 1. Copy the headers and the payload.
   * 2. IP: length, ID, header checksum.
   * 3. TCP: sequence number and flags; UDP: length.
   * 4. Checksum: the headers' sum is known but for what differs.
   */
  #copySegment(batch: Batch, at: number, size: number, last: boolean): void {
    const view = batch.view, headerBytes = this.#headerBytes, done = this.#done;
    memcpy(view, at, this.#view, PACKET, headerBytes);
    this.#copyPayload(batch, at + headerBytes, size);
    this.#setIp(view, at, headerBytes + size);
    const th = at + this.#csumStart;
    const isTcp = this.#protocol === IPPROTO_TCP;
    const own = isTcp
      ? tcpSegment(view, th, this.#seq + done | 0, this.#flagWord, done === 0, last)
      : udpSegment(view, th, size);
    const headers = this.#thSum + headerBytes - this.#csumStart + size + own;
    const sum = checksum.finish(headers + this.#sum(batch, at + headerBytes, size));
    view.setUint16(at + this.#csumAt, isTcp ? sum : sum || 0xffff);
  }

  /** `set` with a view that is there already takes a third of the time of memcpy(). */
  #copyPayload(batch: Batch, at: number, size: number): void {
    const start = PACKET + this.#headerBytes, done = this.#done;
    const n = this.#segmentNumber();
    if (size !== this.#segmentBytes || size < MIN_CUT_BYTES || n >= CUTS) {
      memcpy(batch.view, at, this.#view, start + done, size);
      return;
    }
    if (start !== this.#cutsStart || size !== this.#cutsBytes) {
      this.#cuts.length = 0;
      this.#cutsStart = start;
      this.#cutsBytes = size;
    }
    // Segments are cut in order, so there is one view for each before this one.
    if (n === this.#cuts.length) this.#cuts.push(new Uint8Array(this.#view.buffer, start + done, size));
    batch.u8.set(this.#cuts[n], at);
  }

  #setIp(view: DataView, at: number, bytes: number): void {
    if (this.#ipSum < 0) {
      view.setUint16(at + ipv6.PAYLOAD_LENGTH, bytes - ipv6.HEADER_BYTES);
      return;
    }
    // Each segment counts the ID on, with DF too (net/ipv4/af_inet.c inet_gso_segment).
    const id = (this.#id + this.#segmentNumber()) & 0xffff;
    view.setUint16(at + ipv4.TOTAL_LENGTH, bytes);
    view.setUint16(at + ipv4.ID, id);
    view.setUint16(at + ipv4.CHECKSUM, checksum.finish(this.#ipSum + bytes + id));
  }

  #segmentNumber(): number {
    return this.#done / this.#segmentBytes | 0;
  }
}
