/** IPComp, incoming (RFC 3173 §2; net/xfrm/xfrm_ipcomp.c ipcomp_input()). */
import { type Batch, BATCH_PACKETS, DATA, ESP_AT, LENGTH, NEXT_SLOT, OFFSET, SLOT_BYTES } from "../batch.ts";
import { BAD_FORMAT } from "../esp/esp_input.ts";
import * as ipcomp from "../wire/ipcomp.ts";
import type { Compressor } from "./compressor.ts";

/** Longest result (IPCOMP_SCRATCH_SIZE). Anybody can send a packet that would inflate a thousandfold. */
const MAX_RESULT_BYTES = 65400;

/**
 * Decompresses packet `i`, whose IPComp header is at OFFSET.
 *
 * 1. Inflate; the sender has gained more than the header, or would have sent the packet as it was.
 * 2. Room: the packet's own slots, or free ones behind all packets. None is left when big packets fill the batch.
 *
 * OFFSET and LENGTH then describe the payload. Returns its next header or BAD_FORMAT.
 */
export function ipcompInput(batch: Batch, i: number, compressor: Compressor): number {
  const { i32, u8 } = batch;
  const at = i32[OFFSET + i];
  const length = i32[LENGTH + i] - ipcomp.HEADER_BYTES;
  const nextHeader = u8[at + ipcomp.NEXT_HEADER];

  // 1.
  const bytes = compressor.inflate(batch, at + ipcomp.HEADER_BYTES, length, MAX_RESULT_BYTES);
  if (bytes < length + ipcomp.HEADER_BYTES) return BAD_FORMAT;

  // 2.
  const to = findRoom(i32, at, length, bytes);
  if (to < 0) return BAD_FORMAT;
  compressor.take(batch, to);
  i32[OFFSET + i] = to;
  i32[LENGTH + i] = bytes;
  return nextHeader;
}

/** Where `bytes` go that came out of `length` bytes behind `at`; -1 when nowhere. */
function findRoom(i32: Int32Array, at: number, length: number, bytes: number): number {
  const first = DATA + Math.floor((at - DATA) / SLOT_BYTES) * SLOT_BYTES;
  const end = DATA + Math.ceil((at + length - DATA) / SLOT_BYTES) * SLOT_BYTES;
  if (first + ESP_AT + bytes <= end) return first + ESP_AT;
  const free = i32[NEXT_SLOT];
  const next = free + Math.ceil((ESP_AT + bytes) / SLOT_BYTES);
  if (next > BATCH_PACKETS) return -1;
  i32[NEXT_SLOT] = next;
  return DATA + free * SLOT_BYTES + ESP_AT;
}
