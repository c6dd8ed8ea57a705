/** Summing bytes of a slab for a checksum: the one part of checksums that is worth a library. */
import type { Batch } from "../batch.ts";
import * as checksum from "../wire/checksum.ts";

/**
 * One's complement sum of `length` bytes at byte `at` of the slab, folded to 16 bits; an odd last byte counts as if a
 * zero followed. 0 and 0xffff are the same number and either may come.
 */
export type SlabSum = (batch: Batch, at: number, length: number) => number;

export function slabSum(batch: Batch, at: number, length: number): number {
  return checksum.sum(batch.view, at, length, 0);
}
