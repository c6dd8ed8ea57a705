/**
 * What AH needs of a MAC; ffi/ implements it. One object holds the key of one SA and serves both directions.
 *
 * Every offset is a byte offset into the batch's slab.
 */
import type { Batch } from "../batch.ts";

/** Name and key of a MAC, as in `ip xfrm state`; `truncBits` are sent. */
export interface AuthSpec {
  readonly auth: { readonly name: string; readonly key: Uint8Array; readonly truncBits: number };
  /** Extended sequence numbers: the high 32 bits are authenticated but not sent (RFC 4302 §2.5.1). */
  readonly esn: boolean;
}

export interface AuthTransform {
  /** Bytes of the ICV in a packet, and of the whole MAC. */
  readonly icvLength: number;
  readonly fullLength: number;
  /**
   * Computes the MAC of the `length` bytes at `at`, with ESN of `seqHi` behind them, and writes its first icvLength
   * bytes at `icv`, which lies among them and must be zero. Returns false when the library failed.
   */
  sign(batch: Batch, at: number, length: number, icv: number, seqHi: number): boolean;
  /** Takes the icvLength bytes at `icv` away, leaving zeros, and compares them with the MAC in constant time. */
  verify(batch: Batch, at: number, length: number, icv: number, seqHi: number): boolean;
  /** Zeroes and frees the key. The object must not be used afterwards. */
  destroy(): void;
}
