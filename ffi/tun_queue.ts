/** Hot reads and writes of TUN devices: nothing is allocated per packet. */
import type { Batch } from "../datapath/batch.ts";
import { errno } from "./errno.ts";
import { libc } from "./libc.ts";
import { pointerAt } from "./slab_pointers.ts";

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

/** Writes packets from slabs and from one staging buffer to the device whose turn it is. */
export class TunWriter {
  /** Device to write to. */
  fd = -1;
  /** Held, because native code has its address. */
  readonly staging: Uint8Array<ArrayBuffer>;
  readonly #base: bigint;
  /** Pointers into the staging buffer; its packets start at few different places. */
  readonly #pointers = new Map<number, Deno.PointerObject>();

  constructor(staging: Uint8Array<ArrayBuffer>) {
    this.staging = staging;
    this.#base = Deno.UnsafePointer.value(Deno.UnsafePointer.of(staging));
  }

  /** Writes `length` bytes at byte `offset` of the slab. Returns the bytes written, or -errno. */
  writeSlab(batch: Batch, offset: number, length: number): number {
    const n = libc.write(this.fd, pointerAt(batch, offset), length);
    return n < 0 ? -errno() : n;
  }

  /** Writes `length` bytes at byte `offset` of the staging buffer. Returns the bytes written, or -errno. */
  writeStaging(offset: number, length: number): number {
    let pointer = this.#pointers.get(offset);
    if (pointer === undefined) {
      pointer = Deno.UnsafePointer.create(this.#base + BigInt(offset))!;
      this.#pointers.set(offset, pointer);
    }
    const n = libc.write(this.fd, pointer, length);
    return n < 0 ? -errno() : n;
  }
}
