/** DEFLATE for IPComp, by the zlib that comes with the runtime: no library of the host is needed. */
import process from "node:process";
import type { Batch } from "../datapath/batch.ts";
import type { Compressor } from "../datapath/ipcomp/compressor.ts";

/** log2 of the window that Linux compresses with and inflates with (crypto/deflate.c). */
const WINDOW_BITS = 11;

/** Loaded with the first packet of IPComp: it takes 4 MB in each worker. */
let loaded: typeof import("node:zlib") | undefined;

function zlib(): typeof import("node:zlib") {
  return loaded ??= process.getBuiltinModule("node:zlib");
}

export class ZlibCompressor implements Compressor {
  #result: Uint8Array = new Uint8Array(0);

  deflate(batch: Batch, at: number, length: number): number {
    try {
      const data = batch.u8.subarray(at, at + length);
      this.#result = zlib().deflateRawSync(data, { windowBits: WINDOW_BITS });
      return this.#result.length;
    } catch {
      return -1;
    }
  }

  inflate(batch: Batch, at: number, length: number, most: number): number {
    const data = batch.u8.subarray(at, at + length);
    try {
      return this.#inflate(data, most);
    } catch (error) {
      if ((error as { code?: string }).code !== "Z_BUF_ERROR") return -1;
    }
    // Linux gives a stream that does not end one zero byte more (crypto/deflate.c), and some end with it.
    const longer = new Uint8Array(length + 1);
    longer.set(data);
    try {
      return this.#inflate(longer, most);
    } catch {
      return -1;
    }
  }

  /** NB: the bound must reach zlib, which otherwise inflates all of it first. */
  #inflate(data: Uint8Array, most: number): number {
    this.#result = zlib().inflateRawSync(data, { maxOutputLength: most });
    return this.#result.length;
  }

  take(batch: Batch, at: number): void {
    batch.u8.set(this.#result, at);
  }
}
