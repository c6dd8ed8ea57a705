/** The tables that sendmmsg and recvmmsg work on: one mmsghdr per message, with its iovecs, address and control data. */
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
  type NativeTable,
  nativeTable,
  SOCKADDR_IN_BYTES,
  type SOCKADDR_LL_BYTES,
  storeAddress,
} from "./struct_layout.ts";

/** Messages of one table. */
export const MESSAGES = 64;

const IOVEC_WORDS = IOVEC_BYTES >> 2;

/** sendmmsg and recvmmsg flag. */
export const MSG_DONTWAIT = 0x40;

export const AF_INET = 2;
export const AF_PACKET = 17;
export const IPPROTO_IP = 0;
export const IP_TOS = 1;
export const IP_PKTINFO = 8;

/** CMSG_SPACE of an in_pktinfo, and of a TOS or any other int. */
export const PKTINFO_CMSG_BYTES = align8(CMSGHDR_BYTES + IN_PKTINFO_BYTES);
export const INT_CMSG_BYTES = align8(CMSGHDR_BYTES + 4);

/** Words from the start of a message's control data to the in_pktinfo's source address, when it is the first there. */
export const PKTINFO_SPEC_DST = (CMSGHDR_BYTES + 4) >> 2;

/** What each message of a table has. */
export interface MmsgLayout {
  readonly iovecs: number;
  /** Address of each: bytes of a sockaddr_in or a sockaddr_ll, 0 none. */
  readonly name: 0 | typeof SOCKADDR_IN_BYTES | typeof SOCKADDR_LL_BYTES;
  /** Bytes of control data, a multiple of 8, 0 none. */
  readonly control: number;
}

/** MESSAGES messages in memory that does not move. Positions are words: indices into `i32`. */
export class MmsgTable {
  readonly i32: Int32Array<ArrayBuffer>;
  /** Pointer to header m, for a call that starts there. */
  readonly pointers: readonly Deno.PointerObject[];
  /** Words from one message's header to the next. */
  static readonly HEADER_WORDS = MMSGHDR_BYTES >> 2;
  /** Word of message 0's first iovec, address and control data; and the words from one message's to the next. */
  readonly iov: number;
  readonly iovWords: number;
  readonly name: number;
  readonly nameWords: number;
  readonly control: number;
  readonly controlWords: number;
  readonly #table: NativeTable;

  constructor(layout: MmsgLayout) {
    const iov = MESSAGES * MMSGHDR_BYTES;
    const name = iov + MESSAGES * layout.iovecs * IOVEC_BYTES;
    const control = name + MESSAGES * align8(layout.name);
    const table = nativeTable(control + MESSAGES * layout.control);
    this.#table = table;
    this.i32 = table.i32;
    this.iov = iov >> 2;
    this.iovWords = (layout.iovecs * IOVEC_BYTES) >> 2;
    this.name = name >> 2;
    this.nameWords = align8(layout.name) >> 2;
    this.control = control >> 2;
    this.controlWords = layout.control >> 2;
    const base = Deno.UnsafePointer.value(table.pointer);
    this.pointers = Array.from(
      { length: MESSAGES },
      (_, m) => Deno.UnsafePointer.create(base + BigInt(m * MMSGHDR_BYTES))!,
    );
    for (let m = 0; m < MESSAGES; m++) {
      const header = m * MMSGHDR_BYTES;
      const store = (at: number, offset: number) =>
        storeAddress(table.i32, (header + at) >> 2, table.lo, table.hi, offset);
      store(MSG_IOV, iov + m * layout.iovecs * IOVEC_BYTES);
      table.i32[(header + MSG_IOVLEN) >> 2] = layout.iovecs;
      if (layout.name > 0) {
        store(MSG_NAME, name + m * align8(layout.name));
        table.i32[(header + MSG_NAMELEN) >> 2] = layout.name;
        table.i32[(name >> 2) + m * this.nameWords] = layout.name === SOCKADDR_IN_BYTES ? AF_INET : AF_PACKET;
      }
      if (layout.control > 0) {
        store(MSG_CONTROL, control + m * layout.control);
        table.i32[(header + MSG_CONTROLLEN) >> 2] = layout.control;
      }
    }
  }

  /** Points iovec `k` of message `m` at the address (`hi`, `lo`) + `offset`. */
  setIovecBase(m: number, k: number, lo: number, hi: number, offset: number): void {
    storeAddress(this.i32, this.iov + m * this.iovWords + k * IOVEC_WORDS, lo, hi, offset);
  }

  setIovecLength(m: number, k: number, bytes: number): void {
    this.i32[this.iov + m * this.iovWords + k * IOVEC_WORDS + (IOVEC_LEN >> 2)] = bytes;
  }

  /** Points message m's first iovec at iovec number `index` of the whole table, `count` of them. */
  setIovecs(m: number, index: number, count: number): void {
    const header = m * MmsgTable.HEADER_WORDS;
    const offset = (this.iov << 2) + index * IOVEC_BYTES;
    storeAddress(this.i32, header + (MSG_IOV >> 2), this.#table.lo, this.#table.hi, offset);
    this.i32[header + (MSG_IOVLEN >> 2)] = count;
  }

  /** Writes the fixed part of a control message into every message, `at` words behind the start of its control data. */
  setControlHeader(at: number, level: number, type: number, dataBytes: number): void {
    for (let m = 0; m < MESSAGES; m++) {
      const word = this.control + m * this.controlWords + at;
      this.i32[word] = CMSGHDR_BYTES + dataBytes;
      this.i32[word + (CMSG_LEVEL >> 2)] = level;
      this.i32[word + (CMSG_TYPE >> 2)] = type;
    }
  }

  /**
   * Word of the data of message m's control message (`level`, `type`) as the kernel wrote it, or -1. Bounded by the
   * control length that the kernel reported and by the room there is.
   */
  findControl(m: number, level: number, type: number): number {
    const i32 = this.i32;
    const start = this.control + m * this.controlWords;
    const reported = i32[m * MmsgTable.HEADER_WORDS + (MSG_CONTROLLEN >> 2)] >>> 2;
    const end = start + Math.min(reported, this.controlWords);
    let word = start;
    while (word + (CMSGHDR_BYTES >> 2) < end + 1) {
      const bytes = i32[word];
      if (bytes < CMSGHDR_BYTES) return -1;
      if (i32[word + (CMSG_LEVEL >> 2)] === level && i32[word + (CMSG_TYPE >> 2)] === type) {
        return word + (CMSGHDR_BYTES >> 2);
      }
      word += ((bytes + 7) >>> 3) << 1;
    }
    return -1;
  }
}

function align8(bytes: number): number {
  return (bytes + 7) & ~7;
}
