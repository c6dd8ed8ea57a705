/**
 * IVs of sent packets: unique for each sequence number of a key, as the kernel makes them (crypto/seqiv.c,
 * crypto/echainiv.c).
 */
import { sha256 } from "@noble/hashes/sha2.js";
import type { Batch } from "../datapath/batch.ts";

const LABEL = new TextEncoder().encode("vti-gateway IV secret");

/** 16 bytes of one SA that hide its sequence number. */
export type IvSecret = Int32Array<ArrayBuffer>;

/**
 * The secret is the key's, not random: whoever comes to use the key again, another worker or another process, goes on
 * with the same one, so unique sequence numbers make unique IVs whatever happens in between. A random one would leave
 * that to chance, and GCM does not survive a repeated IV.
 */
export function makeIvSecret(key: Uint8Array): IvSecret {
  // Not node:crypto, which takes 4 MB in each worker.
  const digest = sha256.create().update(LABEL).update(key).digest();
  return new Int32Array(digest.buffer, 0, 4);
}

/**
 * Writes the 8-byte IV of a counter mode at `at`: the 64-bit sequence number XOR the SA's secret, big-endian. Unique,
 * not unpredictable: enough where the IV only makes the nonce unique (RFC 4106 §3.1).
 */
export function writeSeqIv(batch: Batch, at: number, seqHi: number, seqLo: number, secret: IvSecret): void {
  batch.view.setInt32(at, seqHi ^ secret[0]);
  batch.view.setInt32(at + 4, seqLo ^ secret[1]);
}

/**
 * Fills the IV slot at `at` with a block that no other packet of the SA has. The caller encrypts slot and text in one
 * CBC call with a zero IV, so that the slot becomes E(block): unique and unpredictable, as CBC needs (RFC 3602 §3, NIST
 * SP 800-38A appendix C), and the IV of the first text block.
 */
export function writeUniqueBlock(
  batch: Batch,
  at: number,
  ivLength: number,
  seqHi: number,
  seqLo: number,
  secret: IvSecret,
): void {
  writeSeqIv(batch, at, seqHi, seqLo, secret);
  for (let i = 8; i < ivLength; i += 4) batch.view.setInt32(at + i, secret[i >> 2]);
}
