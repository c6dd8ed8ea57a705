/**
 * ESP, outgoing (RFC 4303 §3.3, RFC 3948 §3; net/ipv4/esp4.c esp_output()).
 *
 * Not handled: ESP in TCP.
 */
import { type Batch, DATA, LENGTH, OFFSET, SLOT_BYTES, UDP_PORTS } from "../batch.ts";
import * as esp from "../wire/esp.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as udp from "../wire/udp.ts";
import { xfrmStateMtu } from "../xfrm/xfrm_mtu.ts";
import { MAX_IPV4 } from "../xfrm/xfrm_outer_header.ts";
import { IPPROTO_ESP, IPPROTO_UDP } from "../xfrm/xfrm_record.ts";
import type { XfrmState } from "../xfrm/xfrm_state.ts";

/**
 * Encrypts packet `i`, which is `nextHeader`'s, in place, with the sequence number that the SA has just taken.
 *
 *     BEFORE                     | payload |
 *     AFTER   | (UDP) | ESP | IV | payload | pad, pad length, next header | ICV |
 *                                \______________ encrypted ______________/
 *                     \_________________ authenticated __________________/
 *
 * 1. Text: padding to the cipher's block, pad length, next header.
 * 2. ESP header: SPI and the low half of the sequence number.
 * 3. Seal: IV, encryption, ICV.
 * 4. UDP header, when encapsulated.
 *
 * Returns the protocol of what it has made, 0 when that would be longer than IPv4 allows or the library failed.
 */
export function espOutput(
  batch: Batch,
  i: number,
  x: XfrmState,
  nextHeader: number,
): number {
  const { i32, u8, view } = batch;
  const payload = i32[OFFSET + i];
  const length = i32[LENGTH + i];
  const sealer = x.sealer();

  // 1.
  const block = x.blockSize;
  const bare = length + esp.TRAILER_BYTES;
  const text = bare + block - 1 & -block;
  const header = payload - x.ivLength - esp.HEADER_BYTES;
  const start = header - x.encapBytes;
  const total = payload + text + x.icvLength - start;
  if (sealer === null || total > MAX_IPV4 - ipv4.HEADER_BYTES) return 0;
  esp.emitTrailer(u8, payload + length, text - bare, nextHeader);

  // 2. and 3.
  esp.emit(view, header, x.spi, x.oseqLo);
  if (!sealer.seal(batch, header, text, x.oseqHi)) return 0;

  i32[OFFSET + i] = start;
  i32[LENGTH + i] = total;
  if (x.encapType === 0) return IPPROTO_ESP;

  // 4.
  emitEncap(view, start, x, total);
  i32[UDP_PORTS + i] = x.encapPorts;
  return IPPROTO_UDP;
}

function emitEncap(view: DataView, start: number, x: XfrmState, total: number): void {
  udp.emit(view, start, x.encapPorts, total);
  // The non-IKE draft: eight zero bytes tell ESP from IKE, whose packets start with a cookie.
  if (x.encapBytes > udp.HEADER_BYTES) view.setFloat64(start + udp.HEADER_BYTES, 0);
}

/**
 * Appends zeros to packet `i` (RFC 4303 §2.7): up to tfcpad, up to what `childMtu` leaves, and up to the end of the slot
 * less `tailBytes`, which this SA and those after it may add.
 */
export function padTfc(batch: Batch, i: number, x: XfrmState, childMtu: number, tailBytes: number): void {
  const { i32, u8 } = batch;
  const length = i32[LENGTH + i];
  const end = i32[OFFSET + i] + length;
  const slotEnd = DATA + Math.ceil((end - DATA) / SLOT_BYTES) * SLOT_BYTES;
  const room = Math.min(x.tfcpad, xfrmStateMtu(x, childMtu)) - length;
  const zeros = Math.min(room, slotEnd - tailBytes - end);
  if (zeros <= 0) return;
  u8.fill(0, end, end + zeros);
  i32[LENGTH + i] = length + zeros;
}
