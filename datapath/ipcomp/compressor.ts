/**
 * What IPComp needs of a compression library; ffi/ implements it. DEFLATE without any header (RFC 2394, RFC 1951).
 *
 * Offsets are byte offsets into the batch's slab.
 */
import type { Batch } from "../batch.ts";

export interface Compressor {
  /**
   * Compresses the `length` bytes at `at`, with matches no farther than 2 KiB back, for that is what Linux inflates with.
   * Returns the bytes of the result, which waits for take(); -1 when the library failed.
   */
  deflate(batch: Batch, at: number, length: number): number;
  /**
   * Decompresses the `length` bytes at `at`, of any window. Returns the bytes of the result, which waits for take(); -1
   * when they are no DEFLATE stream, or one of more than `most` bytes.
   */
  inflate(batch: Batch, at: number, length: number, most: number): number;
  /** Copies the last result to `at`. */
  take(batch: Batch, at: number): void;
}
