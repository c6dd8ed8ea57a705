/**
 * Leases of sequence numbers: who takes one alone may use its numbers, whatever else happens (RFC 4303 §3.3.3).
 *
 * Lease k is the block of numbers k * LEASE_PACKETS + 1 to (k + 1) * LEASE_PACKETS. An actor takes the next one by one
 * compare-and-exchange and uses no other number, so its successor's differ from its own, even when an actor that was
 * given up wakes again. A lease is taken only below GRANTED. The gateway raises that after it has put a larger bound
 * on disk, from which an SA goes on whose cells were lost.
 */
import { CELL_OSEQ, WORD_GRANTED, WORD_LEASES, type XfrmCells } from "./xfrm_cells.ts";

/** Sequence numbers of one lease. */
export const LEASE_PACKETS = 65536;

const TWO_32 = 0x1_0000_0000;
/**
 * Last number of an SA without ESN. To wrap would repeat a nonce, so nothing follows it. oseq-may-wrap, which Linux
 * offers for it, is accepted and listed, and has no effect but a line in the log.
 */
const LAST_SEQ = TWO_32 - 1;
/** Last number of an SA with ESN: half of what a 32-bit count of leases reaches, four years of a million a second. */
const LAST_ESN = 2 ** 47;

export function lastSequence(esn: boolean): number {
  return esn ? LAST_ESN : LAST_SEQ;
}

/**
 * Takes the next lease of an SA whose last number is `last`. Returns its k, or -1 when all are taken, or all that are
 * granted.
 *
 * 1. Leases that CELL_OSEQ has passed are gone: whoever recorded it may know more than the count of leases.
 * 2. Stop before `last`, and before what is not granted; the count shall not run on then.
 * 3. Whoever moves the count has the lease.
 */
export function takeLease({ f64, i32 }: XfrmCells, last: number): number {
  const used = Math.floor(f64[CELL_OSEQ] / LEASE_PACKETS);
  for (;;) {
    const leases = Atomics.load(i32, WORD_LEASES);
    const k = Math.max(leases >>> 0, used);
    if (k * LEASE_PACKETS >= last || k >= Atomics.load(i32, WORD_GRANTED) >>> 0) return -1;
    if (Atomics.compareExchange(i32, WORD_LEASES, leases, k + 1) === leases) return k;
  }
}
