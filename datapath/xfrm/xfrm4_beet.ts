/**
 * BEET mode, incoming: the payload travels without its IP header, whose addresses the SA's selector has
 * (draft-nikander-esp-beet-mode-09; net/xfrm/xfrm_input.c xfrm4_remove_beet_encap(), xfrm6_remove_beet_encap()).
 *
 * The rest of the header is that of the outer packet, as it came: TOS with ECN, TTL, identification and fragment word.
 */
import { type Batch, INNER_LENGTH, LENGTH, OFFSET, OUTER_HEADER, OUTER_TOS } from "../batch.ts";
import * as checksum from "../wire/checksum.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as ipv6 from "../wire/ipv6.ts";
import { DST, SRC } from "./flow.ts";
import { AF_INET, AF_INET6 } from "./xfrm_record.ts";
import type { XfrmState } from "./xfrm_state.ts";

/** Pseudo header that carries IPv4 options: next header, options' length, padding, reserved. */
const IPPROTO_BEETPH = 94;
const PH_BYTES = 4;
const PH_HEADER_LENGTH = 1;
const PH_PADDING = 2;
/** IPV4_BEET_PHMAXLEN: the options' length counts in these, less one and less the padding. */
const PH_MAX_BYTES = 8;
const MAX_OPTION_BYTES = 250;
/** A packet in UDP came without its IP header: a new host's TTL stands for it. */
const DEFAULT_TTL = 64;

/** The packet in hand: where it begins and ends in the slab, and what its outer header said. */
let start = 0, end = 0, ttl = 0, id = 0, fragment = 0;

/** Remembers the outer header of packet `i`, which is as it came (xfrm4_extract_header()). */
export function extractHeader({ i32, view }: Batch, i: number): void {
  const at = i32[OFFSET + i];
  const header = i32[OUTER_HEADER + i];
  start = at - header;
  end = at + i32[LENGTH + i];
  ttl = header === 0 ? DEFAULT_TTL : view.getUint8(start + ipv4.TTL);
  id = header === 0 ? 0 : view.getUint16(start + ipv4.ID);
  fragment = header === 0 ? 0 : ipv4.getFragment(view, start);
}

/**
 * Puts the header before packet `i`, whose payload of protocol `nextHeader` is at OFFSET. It is the packet that
 * extractHeader() saw last.
 *
 * 1. A pseudo header goes, options behind it stay. 2. The header's place, inside of what the packet itself took.
 * 3. The header. Returns the inner family, 0 when refused.
 */
export function removeBeetEncap(batch: Batch, i: number, x: XfrmState, nextHeader: number): number {
  const family = x.selector.family;
  if (family === AF_INET) return removeBeetEncap4(batch, i, x, nextHeader);
  if (family !== AF_INET6 || !makeRoom(batch, i, ipv6.HEADER_BYTES)) return 0;
  const { i32, view } = batch;
  const at = i32[OFFSET + i];
  ipv6.emit(view, at, i32[OUTER_TOS + i], i32[LENGTH + i] - ipv6.HEADER_BYTES, nextHeader, ttl);
  const { words } = x.selector;
  for (let word = 0; word < 4; word++) {
    view.setInt32(at + ipv6.SRC + 4 * word, words[SRC + word]);
    view.setInt32(at + ipv6.DST + 4 * word, words[DST + word]);
  }
  return family;
}

function removeBeetEncap4(batch: Batch, i: number, x: XfrmState, nextHeader: number): number {
  const { i32, view } = batch;
  let protocol = nextHeader;
  let optionBytes = 0;
  if (protocol === IPPROTO_BEETPH) {
    const at = i32[OFFSET + i];
    const length = i32[LENGTH + i];
    if (length < PH_BYTES) return 0;
    const bytes = PH_BYTES + view.getUint8(at + PH_PADDING);
    optionBytes = view.getUint8(at + PH_HEADER_LENGTH) * 8 + PH_MAX_BYTES - bytes;
    if (optionBytes < 0 || (optionBytes & 3) !== 0 || optionBytes > MAX_OPTION_BYTES) return 0;
    if (length < bytes) return 0;
    protocol = view.getUint8(at);
    i32[OFFSET + i] = at + bytes;
    i32[LENGTH + i] = length - bytes;
  }
  if (!makeRoom(batch, i, ipv4.HEADER_BYTES)) return 0;
  const at = i32[OFFSET + i];
  const total = i32[LENGTH + i];
  const { words } = x.selector;
  ipv4.emit(view, at, i32[OUTER_TOS + i], total, id, fragment, ttl, protocol, words[SRC], words[DST]);
  if (optionBytes > 0) setHeaderBytes(view, at, ipv4.HEADER_BYTES + optionBytes, total);
  return AF_INET;
}

/** A longer header, checksum included. One that is longer than the packet is the stack's to refuse. */
function setHeaderBytes(view: DataView, at: number, bytes: number, total: number): void {
  view.setUint8(at + ipv4.VERSION_IHL, 0x40 | ((bytes >> 2) & 0xf));
  view.setUint16(at + ipv4.CHECKSUM, 0);
  const sum = checksum.sum(view, at, Math.min(ipv4.getHeaderBytes(view, at), total), 0);
  view.setUint16(at + ipv4.CHECKSUM, checksum.finish(sum));
}

/** Makes `bytes` part of the packet, before what it has. False when even the place of trailer and ICV is too little. */
function makeRoom({ i32, u8 }: Batch, i: number, bytes: number): boolean {
  const at = i32[OFFSET + i];
  const length = i32[LENGTH + i];
  let begin = at - bytes;
  if (begin < start) {
    begin = start;
    if (begin + bytes + length > end) return false;
    u8.copyWithin(begin + bytes, at, at + length);
  }
  i32[OFFSET + i] = begin;
  i32[LENGTH + i] = i32[INNER_LENGTH + i] = bytes + length;
  return true;
}
