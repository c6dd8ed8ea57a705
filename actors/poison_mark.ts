/**
 * What an actor is doing with packets, in memory that the main thread reads when the actor's worker hangs.
 *
 *     word 0   stage, 0 none: written once before and once after a batch
 *     word 1   bytes of the packet that is processed; 0 while packets are not processed one at a time
 *     word 2   its first bytes, DIGESTED_BYTES at the most, as maskedHead() leaves them
 */
import { sha256 } from "@noble/hashes/sha2.js";
import * as ipv4 from "../datapath/wire/ipv4.ts";

/** Places in the code where a packet can do harm. */
export const STAGES = [
  "",
  "reading the device",
  "encryption",
  "accounts",
  "lookup of the tunnel",
  "decryption",
  "delivery",
  "sending",
] as const;
export const Stage = { read: 1, transmit: 2, account: 3, input: 4, receive: 5, deliver: 6, send: 7 } as const;
export type Stage = (typeof Stage)[keyof typeof Stage];

export const MARK_STAGE = 0;
export const MARK_LENGTH = 1;
/** Byte offset of the packet's bytes. */
export const MARK_HEAD = 8;
export const MARK_BYTES = 128;

/** Bytes of a packet that it is known by: all headers, and the beginning of what they carry. */
export const DIGESTED_BYTES = 64;

/** A packet that did harm, by nothing that shows what it carried. */
export interface PacketDigest {
  readonly stage: Stage;
  /** Of the whole packet, bytes. */
  readonly length: number;
  /** SHA-256, hex. */
  readonly sha256: string;
}

/**
 * Copies what a packet is known by to the beginning of `head`, DIGESTED_BYTES long. The ID of an IPv4 header and its
 * checksum are left out: they differ when the same is sent again.
 */
export function maskedHead(head: Uint8Array, from: Uint8Array, at: number, length: number): void {
  const bytes = Math.min(length, DIGESTED_BYTES);
  head.fill(0);
  for (let i = 0; i < bytes; i++) head[i] = from[at + i]!;
  if (head[0]! >> 4 !== 4) return;
  head[ipv4.ID] = head[ipv4.ID + 1] = 0;
  head[ipv4.CHECKSUM] = head[ipv4.CHECKSUM + 1] = 0;
}

/** Digest of a packet whose masked head this is. */
export function digestOf(stage: Stage, length: number, head: Uint8Array): PacketDigest {
  const text = new TextEncoder().encode(`${stage} ${length} `);
  return { stage, length, sha256: sha256.create().update(text).update(head).digest().toHex() };
}
