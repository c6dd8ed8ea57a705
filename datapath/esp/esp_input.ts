/**
 * ESP, incoming (RFC 4303 §3.4; net/ipv4/esp4.c esp_input(), esp_remove_trailer()).
 */
import type { Batch } from "../batch.ts";
import * as esp from "../wire/esp.ts";
import type { XfrmState } from "../xfrm/xfrm_state.ts";

/** Bad length, or a packet that carries nothing. */
export const BAD_FORMAT = -1;
/** The ICV is wrong. */
export const BAD_ICV = -2;

/**
 * Verifies and decrypts the ESP packet of `length` bytes at `at`, in place.
 *
 * 1. Lengths: something is left between IV and ICV, a multiple of the cipher's block.
 * 2. Open: ICV, then decryption. Nothing of the text is looked at before.
 * 3. Trailer: at least one byte of payload is left before padding, pad length and next header. The kernel does not
 *    look at the padding's bytes, so neither does this. Next header 59 is a dummy packet.
 *
 * Returns next header << 16 | bytes of the payload, or BAD_FORMAT or BAD_ICV. The payload starts behind the IV.
 */
export function espInput(batch: Batch, at: number, length: number, x: XfrmState, seqHi: number): number {
  // 1.
  const header = esp.HEADER_BYTES + x.ivLength;
  const text = length - header - x.icvLength;
  if (text <= 0) return BAD_FORMAT;
  // Stream modes have a block of 4 only for the padding's sake; the kernel takes other lengths as well.
  if (x.blockSize > 4 && text % x.blockSize !== 0) return BAD_FORMAT;

  // 2.
  const opener = x.opener();
  if (opener === null) return BAD_FORMAT;
  if (!opener.open(batch, at, text, seqHi)) return BAD_ICV;

  // 3.
  const end = at + header + text;
  const payload = text - esp.TRAILER_BYTES - (text >= esp.TRAILER_BYTES ? batch.u8[end - 2] : 0);
  if (payload <= 0) return BAD_FORMAT;
  const nextHeader = batch.u8[end - 1];
  if (nextHeader === esp.NO_NEXT_HEADER) return BAD_FORMAT;
  return (nextHeader << 16) | payload;
}
