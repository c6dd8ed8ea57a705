/** Hot reads and writes of TUN devices: nothing is allocated per packet. */
import { ADDRESS_HI, ADDRESS_LO, type Batch, BATCH_PACKETS } from "../datapath/batch.ts";
import { errno } from "./errno.ts";
import { libc } from "./libc.ts";
import { pointerAt } from "./slab_pointers.ts";
import { IOVEC_BYTES, IOVEC_LEN, type NativeTable, nativeTable, storeAddress } from "./struct_layout.ts";

const IOVEC_WORDS = IOVEC_BYTES >> 2;
const IOVEC_LEN_WORD = IOVEC_LEN >> 2;

/** Reads one device's packets to one buffer. */
export class TunReader {
  readonly fd: number;
  /** Held, because native code has its address. */
  readonly staging: Uint8Array<ArrayBuffer>;
  readonly #pointer: Deno.PointerObject;

  constructor(fd: number, staging: Uint8Array<ArrayBuffer>) {
    this.fd = fd;
    this.staging = staging;
    this.#pointer = Deno.UnsafePointer.of(staging)!;
  }

  /** Reads one packet with its vnet header to the start of the buffer. Returns its length, or -errno. */
  read(): number {
    const n = libc.read(this.fd, this.#pointer, this.staging.byteLength);
    return n < 0 ? -errno() : n;
  }
}

/** Writes packets from slabs, whole or gathered from pieces, to the device whose turn it is. */
export class TunWriter {
  /** Device to write to. */
  fd = -1;
  /** Held, because native code has its address. */
  readonly headers: Uint8Array<ArrayBuffer>;
  readonly #lo: number;
  readonly #hi: number;
  /** One iovec for the headers, then one for each piece. */
  readonly #iovecs: NativeTable = nativeTable((1 + BATCH_PACKETS) * IOVEC_BYTES);

  /** `headers` is where the headers of gathered packets are. */
  constructor(headers: Uint8Array<ArrayBuffer>) {
    this.headers = headers;
    const base = Deno.UnsafePointer.value(Deno.UnsafePointer.of(headers));
    this.#lo = Number(base & 0xffffffffn) | 0;
    this.#hi = Number(base >> 32n);
  }

  /** Writes `length` bytes at byte `offset` of the slab. Returns the bytes written, or -errno. */
  writeSlab(batch: Batch, offset: number, length: number): number {
    const n = libc.write(this.fd, pointerAt(batch, offset), length);
    return n < 0 ? -errno() : n;
  }

  /**
   * Writes one packet: `headerBytes` bytes at byte `offset` of `headers`, then `count` pieces of the slab, at most
   * BATCH_PACKETS. Piece k begins at byte `parts[part + 2 * k]` and has `parts[part + 2 * k + 1]` bytes. Returns the
   * bytes written, or -errno.
   */
  writeGathered(
    batch: Batch,
    offset: number,
    headerBytes: number,
    parts: Int32Array,
    part: number,
    count: number,
  ): number {
    const { i32, pointer } = this.#iovecs;
    const lo = batch.i32[ADDRESS_LO];
    const hi = batch.i32[ADDRESS_HI];
    storeAddress(i32, 0, this.#lo, this.#hi, offset);
    i32[IOVEC_LEN_WORD] = headerBytes;
    for (let k = 0, word = IOVEC_WORDS, p = part; k < count; k++, word += IOVEC_WORDS, p += 2) {
      storeAddress(i32, word, lo, hi, parts[p]);
      i32[word + IOVEC_LEN_WORD] = parts[p + 1];
    }
    const n = libc.writev(this.fd, pointer, 1 + count);
    return n < 0 ? -errno() : n;
  }
}
