/**
 * ESP, incoming (RFC 4303 §3.4; net/ipv4/esp4.c esp_input(), esp_remove_trailer()).
 */
import { type Batch, LENGTH, OFFSET } from "../batch.ts";
import * as esp from "../wire/esp.ts";
import type { XfrmState } from "../xfrm/xfrm_state.ts";

/** Bad length, or a packet that carries nothing. */
export const BAD_FORMAT = -1;
/** The ICV is wrong. */
export const BAD_ICV = -2;

/**
 * Verifies and decrypts the ESP packet `i`, in place.
 *
 * 1. Lengths: IV and ICV are there, something is left between them, a multiple of the cipher's block. Linux sees to the
 *    ICV before what is between, so what was cut there on the way counts as a wrong ICV.
 * 2. Open: ICV, then decryption. Nothing of the text is looked at before.
 * 3. Trailer: at least one byte of payload is left before padding, pad length and next header. The kernel does not
 *    look at the padding's bytes, so neither does this. Next header 59 is a dummy packet.
 *
 * OFFSET and LENGTH then describe the payload. Returns its next header, BAD_FORMAT or BAD_ICV.
 */
export function espInput(batch: Batch, i: number, x: XfrmState, seqHi: number): number {
  const i32 = batch.i32;
  const at = i32[OFFSET + i];

  // 1.
  const header = esp.HEADER_BYTES + x.ivLength;
  const text = i32[LENGTH + i] - header - x.icvLength;
  if (text < 0) return BAD_FORMAT;
  // Stream modes have a block of 4 only for the padding's sake; the kernel takes other lengths as well.
  if (text === 0 || (x.blockSize > 4 && text % x.blockSize !== 0)) return BAD_ICV;

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

  i32[OFFSET + i] = at + header;
  i32[LENGTH + i] = payload;
  return nextHeader;
}
