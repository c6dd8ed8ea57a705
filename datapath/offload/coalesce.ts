/**
 * Joins consecutive packets of a flow to super-packets before they are written to a TUN device (GRO), so that the
 * kernel handles and the gateway writes one where dozens came. Kernel: net/core/gro.c dev_gro_receive().
 *
 *     batch    [ IP | TCP | payload 1 ]  [ IP | TCP | payload 2 ]  [ IP | TCP | payload 3 ]
 *     written  [ vnet header 10 ][ IP | TCP ] + [ payload 1 ] + [ payload 2 ] + [ payload 3 ]
 *
 * Payloads are not copied: a super-packet is a list of pieces, which one writev gathers.
 *
 * Segmenting a super-packet gives the same packets again, byte for byte, except for the ID of IPv4 packets with DF.
 * Packets of one flow are written in the order in which they were added. A checksum is verified before a packet
 * joins; one with a wrong checksum is written alone, untouched.
 *
 * Not joined: IP options and extension headers, fragments, anything but TCP and UDP.
 */
import { type Batch, BATCH_PACKETS, LENGTH, OFFSET } from "../batch.ts";
import { memcpy } from "../memcpy.ts";
import * as checksum from "../wire/checksum.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as tcp from "../wire/tcp.ts";
import * as udp from "../wire/udp.ts";
import { ipComplete, ipDst, ipHeaderBytes, ipMayJoin, ipProtocol, ipPseudo, ipSrc } from "./ip_coalesce.ts";
import { type SlabSum, slabSum } from "./slab_sum.ts";
import { tcpJoinFlags, tcpMayJoin, tcpMayStart } from "./tcp_coalesce.ts";
import * as vnet from "./vnet_hdr.ts";

const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;

/** Flows that are collected at once. */
export const FLOWS = 16;
/** Datagrams in a super-packet at the most, as in the kernel (UDP_GRO_CNT_MAX). */
const MAX_DATAGRAMS = 64;
/** Longest super-packet: what the length field of IPv4 holds. */
const MAX_SUPER_PACKET = 65_535;
/** Where the headers start in a flow's piece, the vnet header being before them; a multiple of 8 makes copying cheap. */
const PACKET = 16;
/** Bytes of a piece: IPv6 40 and TCP 60 fit. */
const PIECE_BYTES = 128;
/** Words of a flow's list of payloads: byte offset in the slab and bytes of each. */
const PART_WORDS = 2;
const FLOW_PART_WORDS = BATCH_PACKETS * PART_WORDS;

// Words of a flow's row. The row behind the last flow describes the packet that is looked at.
/** Packets collected; 0: the row is free. */
const PACKETS = 0;
const PROTOCOL = 1;
/** Source port << 16 | destination port. */
const PORTS = 2;
/** Last 32 bits of the addresses. */
const SRC = 3;
const DST = 4;
const IP_BYTES = 5;
const HEADER_BYTES = 6;
/** Payload bytes of the first packet, hence of all but the last. */
const SEGMENT_BYTES = 7;
/** Bytes of the packet, of the super-packet as it grows. */
const BYTES = 8;
/** Offset of the first packet in its batch. */
const AT = 9;
/** Sum of the pseudo header without the length. */
const PSEUDO = 10;
const ROW_WORDS = 11;

/** Takes what is to be written, in order. The bytes are good until the call returns. */
export interface CoalesceSink {
  /** One packet: `length` bytes at `offset` of the batch's slab, the vnet header included. */
  writePacket(batch: Batch, offset: number, length: number): void;
  /**
   * A super-packet of `packets` packets: `headerBytes` bytes at `offset` of Coalescer.headers, the vnet header included,
   * then as many pieces of the batch's slab. Piece k is told by word `part + 2 * k` of Coalescer.parts, its byte offset,
   * and the next word, its bytes.
   */
  writeSuperPacket(batch: Batch, offset: number, headerBytes: number, part: number, packets: number): void;
}

/** Of no tunnel in particular: one can serve all tunnels of a worker, each flushing before the next adds. */
export class Coalescer {
  /** Headers of super-packets, in memory that stays where it is. */
  readonly headers: Uint8Array<ArrayBuffer> = new Uint8Array(FLOWS * PIECE_BYTES);
  /** Payloads of super-packets (CoalesceSink.writeSuperPacket). */
  readonly parts: Int32Array = new Int32Array(FLOWS * FLOW_PART_WORDS);
  readonly #sink: CoalesceSink;
  readonly #udp: boolean;
  readonly #sum: SlabSum;
  readonly #piece: DataView = new DataView(this.headers.buffer);
  readonly #rows: Int32Array = new Int32Array((FLOWS + 1) * ROW_WORDS);
  #batch: Batch | null = null;
  /** Flow that makes room when all rows are taken. */
  #oldest = 0;

  /** `udp`: the device takes UDP super-packets (TUN_F_USO4 and TUN_F_USO6 were accepted; Linux 6.2). */
  constructor(sink: CoalesceSink, udp: boolean, sum: SlabSum = slabSum) {
    this.#sink = sink;
    this.#udp = udp;
    this.#sum = sum;
  }

  /**
   * Takes packet `index` of the batch, an IP packet with at least VNET_HDR_BYTES free before it. It's written now or
   * later; flush() must be called before the batch goes away.
   */
  add(batch: Batch, index: number): void {
    if (batch !== this.#batch) {
      this.flush();
      this.#batch = batch;
    }
    const at = batch.i32[OFFSET + index];
    const length = batch.i32[LENGTH + index];
    if (!this.#parse(batch.view, at, length)) {
      // Whose flow it belongs to is not known, a fragment's for one: nothing may overtake anything.
      this.#emitAll();
      this.#writeAlone(batch, at, length);
      return;
    }
    const flow = this.#find();
    if (flow >= 0) {
      if (this.#join(flow, batch, at, length)) return;
      this.#emit(flow);
    }
    if (this.#mayStart(batch.view, at)) this.#start(batch.view, at);
    else this.#writeAlone(batch, at, length);
  }

  /**
   * Writes all that is collected and lets the batch go. Where the sink throws, what was to be written is no longer
   * held, and another call writes the rest.
   */
  flush(): void {
    if (this.#batch === null) return;
    this.#emitAll();
    this.#batch = null;
  }

  /** Fills the packet's row. False when the packet is not plain TCP or UDP, whole and as long as it says. */
  #parse(view: DataView, at: number, length: number): boolean {
    const ipBytes = ipHeaderBytes(view, at, length);
    if (ipBytes === 0) return false;
    const protocol = ipProtocol(view, at, ipBytes);
    const th = at + ipBytes;
    let headerBytes = ipBytes;
    if (protocol === IPPROTO_TCP) {
      if (ipBytes + tcp.HEADER_BYTES > length) return false;
      const tcpBytes = tcp.getHeaderBytes(view, th);
      if (tcpBytes < tcp.HEADER_BYTES) return false;
      headerBytes += tcpBytes;
    } else if (protocol === IPPROTO_UDP && this.#udp) {
      if (ipBytes + udp.HEADER_BYTES > length) return false;
      if (view.getUint16(th + udp.LENGTH) !== length - ipBytes) return false;
      headerBytes += udp.HEADER_BYTES;
    } else return false;
    if (headerBytes > length) return false;
    const rows = this.#rows, packet = FLOWS * ROW_WORDS;
    rows[packet + PROTOCOL] = protocol;
    rows[packet + PORTS] = view.getInt32(th);
    rows[packet + SRC] = ipSrc(view, at, ipBytes);
    rows[packet + DST] = ipDst(view, at, ipBytes);
    rows[packet + IP_BYTES] = ipBytes;
    rows[packet + HEADER_BYTES] = headerBytes;
    rows[packet + SEGMENT_BYTES] = length - headerBytes;
    rows[packet + BYTES] = length;
    rows[packet + AT] = at;
    return true;
  }

  /** Flow of the packet, -1 none. Two IPv6 flows that look alike here are told apart by #join. */
  #find(): number {
    const rows = this.#rows, packet = FLOWS * ROW_WORDS;
    const ports = rows[packet + PORTS];
    for (let flow = 0, row = 0; flow < FLOWS; flow++, row += ROW_WORDS) {
      if (
        rows[row + PORTS] === ports && rows[row + PACKETS] > 0 &&
        rows[row + SRC] === rows[packet + SRC] && rows[row + DST] === rows[packet + DST] &&
        rows[row + PROTOCOL] === rows[packet + PROTOCOL] && rows[row + IP_BYTES] === rows[packet + IP_BYTES]
      ) return flow;
    }
    return -1;
  }

  #mayStart(view: DataView, at: number): boolean {
    const rows = this.#rows, packet = FLOWS * ROW_WORDS;
    if (rows[packet + SEGMENT_BYTES] === 0) return false;
    const th = at + rows[packet + IP_BYTES];
    if (rows[packet + PROTOCOL] === IPPROTO_TCP) return tcpMayStart(view, th);
    // Without a checksum (RFC 768: 0) there is nothing to verify, and segmenting would make one.
    return view.getUint16(th + udp.CHECKSUM) !== 0;
  }

  /** Starts a flow with the packet: its row, its headers to the piece, its payload as the first part. */
  #start(view: DataView, at: number): void {
    const rows = this.#rows, packet = FLOWS * ROW_WORDS;
    let flow = 0;
    while (flow < FLOWS && rows[flow * ROW_WORDS] > 0) flow++;
    if (flow === FLOWS) {
      flow = this.#oldest;
      this.#oldest = (flow + 1) % FLOWS;
      this.#emit(flow);
    }
    const row = flow * ROW_WORDS;
    for (let word = 0; word < ROW_WORDS; word++) rows[row + word] = rows[packet + word];
    rows[row + PSEUDO] = ipPseudo(view, at, rows[packet + IP_BYTES], rows[packet + PROTOCOL], 0);
    const headerBytes = rows[packet + HEADER_BYTES];
    memcpy(this.#piece, flow * PIECE_BYTES + PACKET, view, at, headerBytes);
    this.#addPart(flow, 0, at + headerBytes, rows[packet + SEGMENT_BYTES]);
    // Last: nothing is held of a packet at which this throws.
    rows[row + PACKETS] = 1;
  }

  #addPart(flow: number, n: number, at: number, bytes: number): void {
    const word = flow * FLOW_PART_WORDS + n * PART_WORDS;
    this.parts[word] = at;
    this.parts[word + 1] = bytes;
  }

  /**
   * Joins the packet to its flow; true when that was done.
   *
   * 1. It fits: same header lengths, no more payload than the first packet, the sum within 65,535 bytes.
   * 2. The headers continue those of the super-packet.
   * 3. Its checksum is right, and the first packet's too, which nobody has verified so far.
   * 4. Note the payload.
   * 5. A shorter packet, FIN or PSH ends the super-packet.
   */
  #join(flow: number, batch: Batch, at: number, length: number): boolean {
    const view = batch.view;
    const rows = this.#rows, row = flow * ROW_WORDS, packet = FLOWS * ROW_WORDS;
    const packets = rows[row + PACKETS], bytes = rows[row + BYTES];
    const ipBytes = rows[row + IP_BYTES], headerBytes = rows[row + HEADER_BYTES];
    const size = length - headerBytes;
    if (rows[packet + HEADER_BYTES] !== headerBytes || size <= 0) return false;
    if (size > rows[row + SEGMENT_BYTES] || bytes + size > MAX_SUPER_PACKET) return false;

    const piece = this.#piece, first = flow * PIECE_BYTES + PACKET;
    const isTcp = rows[row + PROTOCOL] === IPPROTO_TCP;
    if (!ipMayJoin(piece, first, view, at, ipBytes, packets)) return false;
    if (isTcp) {
      const tcpBytes = headerBytes - ipBytes, done = bytes - headerBytes;
      if (!tcpMayJoin(piece, first + ipBytes, view, at + ipBytes, tcpBytes, done)) return false;
    } else if (view.getUint16(at + ipBytes + udp.CHECKSUM) === 0) return false;

    const pseudo = rows[row + PSEUDO];
    if (!this.#verify(batch, at + ipBytes, length - ipBytes, pseudo)) return false;
    if (packets === 1 && !this.#verify(batch, rows[row + AT] + ipBytes, bytes - ipBytes, pseudo)) {
      return false;
    }
    this.#addPart(flow, packets, at + headerBytes, size);
    const ended = isTcp
      ? tcpJoinFlags(piece, first + ipBytes, view, at + ipBytes)
      : packets + 1 === MAX_DATAGRAMS;
    rows[row + BYTES] = bytes + size;
    rows[row + PACKETS] = packets + 1;
    if (ended || size < rows[row + SEGMENT_BYTES]) this.#emit(flow);
    return true;
  }

  /** True when the checksum over `bytes` bytes from the TCP or UDP header at `th` is right. */
  #verify(batch: Batch, th: number, bytes: number, pseudo: number): boolean {
    return checksum.finish(pseudo + bytes + this.#sum(batch, th, bytes)) === 0;
  }

  #emitAll(): void {
    for (let flow = 0; flow < FLOWS; flow++) {
      if (this.#rows[flow * ROW_WORDS + PACKETS] > 0) this.#emit(flow);
    }
  }

  /**
   * Writes what a flow has collected and frees its row.
   *
   * 1. A single packet is written from its batch.
   * 2. Otherwise the IP and UDP lengths become those of the whole.
   * 3. The checksum field gets the pseudo header's sum: the kernel, or a later segmentation, adds the rest.
   * 4. The vnet header says how to take the super-packet apart.
   */
  #emit(flow: number): void {
    const rows = this.#rows, row = flow * ROW_WORDS;
    const packets = rows[row + PACKETS], bytes = rows[row + BYTES];
    rows[row + PACKETS] = 0;
    if (packets === 1) {
      this.#writeAlone(this.#batch!, rows[row + AT], bytes);
      return;
    }
    const piece = this.#piece, first = flow * PIECE_BYTES + PACKET;
    const ipBytes = rows[row + IP_BYTES], protocol = rows[row + PROTOCOL];
    const th = first + ipBytes, isTcp = protocol === IPPROTO_TCP;
    ipComplete(piece, first, ipBytes, bytes);
    if (!isTcp) piece.setUint16(th + udp.LENGTH, bytes - ipBytes);
    const csumOffset = isTcp ? tcp.CHECKSUM : udp.CHECKSUM;
    piece.setUint16(th + csumOffset, checksum.fold(rows[row + PSEUDO] + bytes - ipBytes));
    const hdr = first - vnet.VNET_HDR_BYTES;
    const gsoType = isTcp ? this.#tcpGsoType(th, ipBytes) : vnet.GSO_UDP_L4;
    vnet.emitGso(
      piece,
      hdr,
      gsoType,
      rows[row + HEADER_BYTES],
      rows[row + SEGMENT_BYTES],
      ipBytes,
      csumOffset,
    );
    const headerBytes = vnet.VNET_HDR_BYTES + rows[row + HEADER_BYTES];
    this.#sink.writeSuperPacket(this.#batch!, hdr, headerBytes, flow * FLOW_PART_WORDS, packets);
  }

  #tcpGsoType(th: number, ipBytes: number): number {
    const type = ipBytes === ipv4.HEADER_BYTES ? vnet.GSO_TCPV4 : vnet.GSO_TCPV6;
    return (this.#piece.getUint8(th + tcp.FLAGS) & tcp.CWR) === 0 ? type : type | vnet.GSO_ECN;
  }

  #writeAlone(batch: Batch, at: number, length: number): void {
    const hdr = at - vnet.VNET_HDR_BYTES;
    vnet.emitNone(batch.view, hdr);
    this.#sink.writePacket(batch, hdr, length + vnet.VNET_HDR_BYTES);
  }
}
