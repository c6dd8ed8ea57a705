/**
 * Fragmenting an outer IPv4 packet that is longer than its path's MTU and may be fragmented (RFC 791 §3.2).
 *
 * The kernel refuses to fragment what a socket with IP_HDRINCL sends. Fragmenting here, and not by a second socket
 * without IP_HDRINCL, keeps the identification that an AH has authenticated, and the MTU of the route.
 */
import {
  ADDRESS_HI,
  ADDRESS_LO,
  type Batch,
  LENGTH,
  OFFSET,
  OUTER_DST,
  OUTER_SRC,
  PATH_MTU,
  REASON,
} from "../datapath/batch.ts";
import { EMSGSIZE } from "./errno.ts";
import { IP_PKTINFO, IPPROTO_IP, MESSAGES, PKTINFO_CMSG_BYTES, PKTINFO_SPEC_DST } from "./mmsg.ts";
import { refusePackets, SlabSender } from "./slab_sender.ts";
import {
  IN_PKTINFO_BYTES,
  type NativeTable,
  nativeTable,
  SIN_ADDR,
  SOCKADDR_IN_BYTES,
  swap32,
} from "./struct_layout.ts";

const HEADER_BYTES = 20;
const HEADER_STRIDE = 32;
/** Smallest MTU of a link that carries IPv4 (RFC 791 §3.2). */
const MIN_MTU = 68;
const MORE_FRAGMENTS = 0x2000;

export class FragmentSender extends SlabSender {
  /** Headers of the fragments of one sendmmsg. */
  readonly #headers: NativeTable = nativeTable(MESSAGES * HEADER_STRIDE);
  readonly #view = new DataView(this.#headers.u8.buffer);
  /** For packets that came without one; 0 would make the kernel choose another for each fragment. */
  #identification = crypto.getRandomValues(new Uint16Array(1))[0];

  /** `fd` is a raw socket with IP_HDRINCL. */
  constructor(fd: number) {
    super(fd, { iovecs: 2, name: SOCKADDR_IN_BYTES, control: PKTINFO_CMSG_BYTES });
    this.table.setControlHeader(0, IPPROTO_IP, IP_PKTINFO, IN_PKTINFO_BYTES);
    for (let m = 0; m < MESSAGES; m++) {
      this.table.setIovecBase(m, 0, this.#headers.lo, this.#headers.hi, m * HEADER_STRIDE);
      this.table.setIovecLength(m, 0, HEADER_BYTES);
    }
  }

  /**
   * Sends packet `i`, a complete IPv4 packet with a header of 20 bytes and DF clear, in fragments of at most PATH_MTU
   * bytes. Returns false, with REASON OutError, when a fragment could not be sent; the receiver drops the others.
   *
   * 1. Payload per fragment: what the MTU leaves, a multiple of 8.
   * 2. Each fragment is the packet's header with its own length, offset and MF, and a span of the packet's payload.
   * 3. The kernel writes the checksum.
   */
  sendFragmented(batch: Batch, i: number): boolean {
    const i32 = batch.i32;
    const mtu = i32[PATH_MTU + i];
    const offset = i32[OFFSET + i];
    const payload = i32[LENGTH + i] - HEADER_BYTES;
    const step = (mtu - HEADER_BYTES) & ~7;
    if (mtu < MIN_MTU || payload <= 0) {
      refusePackets(batch, i, i, EMSGSIZE);
      return false;
    }
    const id = batch.view.getUint16(offset + 4) || this.#nextIdentification();
    let done = 0;
    while (done < payload) {
      let m = 0;
      for (; m < MESSAGES && done < payload; m++) {
        const span = Math.min(step, payload - done);
        const more = done + span < payload ? MORE_FRAGMENTS : 0;
        this.#writeHeader(batch, m, offset, span, id, more | (done >>> 3));
        this.#writeMessage(batch, m, i, offset + HEADER_BYTES + done, span);
        done += span;
      }
      if (this.flush(batch, m) < m) refusePackets(batch, i, i, this.lastErrno);
      if (i32[REASON + i] !== 0) return false;
    }
    return true;
  }

  #nextIdentification(): number {
    this.#identification = (this.#identification + 1) & 0xffff || 1;
    return this.#identification;
  }

  #writeHeader(batch: Batch, m: number, packet: number, span: number, id: number, fragment: number): void {
    const at = m * HEADER_STRIDE;
    const view = this.#view;
    for (let word = 0; word < HEADER_BYTES; word += 4) {
      view.setInt32(at + word, batch.view.getInt32(packet + word));
    }
    view.setUint16(at + 2, HEADER_BYTES + span);
    view.setUint16(at + 4, id);
    view.setUint16(at + 6, fragment);
  }

  #writeMessage(batch: Batch, m: number, i: number, offset: number, span: number): void {
    const { i32, name, nameWords, control, controlWords } = this.table;
    this.table.setIovecBase(m, 1, batch.i32[ADDRESS_LO], batch.i32[ADDRESS_HI], offset);
    this.table.setIovecLength(m, 1, span);
    i32[name + m * nameWords + (SIN_ADDR >> 2)] = swap32(batch.i32[OUTER_DST + i]);
    i32[control + m * controlWords + PKTINFO_SPEC_DST] = swap32(batch.i32[OUTER_SRC + i]);
    this.first[m] = this.last[m] = i;
  }
}
