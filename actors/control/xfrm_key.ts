/**
 * Secret keys of requests and listings: "0x" and hex digits, or raw ASCII, as iproute2's ALGO-KEYMAT.
 */
import type { EspTransformSpec } from "../../datapath/esp/aead.ts";

/** Longest key in bytes (XFRM_ALGO_KEY_BUF_SIZE of iproute2). */
export const MAX_KEY_BYTES = 512;

export const KEYS_HIDDEN = "<<Keys hidden>>";

/** The key's bytes, or null when it is not hex after "0x" or too long. An odd digit count means a leading zero. */
export function parseKey(text: string): Uint8Array | null {
  const isHex = text.length > 2 && text.startsWith("0x");
  const key = isHex ? parseHex(text.slice(2)) : new TextEncoder().encode(text);
  return key === null || key.length > MAX_KEY_BYTES ? null : key;
}

export function formatKey(key: Uint8Array): string {
  return key.length === 0
    ? ""
    : `0x${Array.from(key, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** For keys that nobody needs any more. */
export function zeroKeys(transform: Omit<EspTransformSpec, "direction" | "esn">): void {
  for (const algorithm of [transform.aead, transform.enc, transform.auth]) algorithm?.key.fill(0);
}

function parseHex(digits: string): Uint8Array | null {
  if (!/^[0-9a-fA-F]+$/.test(digits)) return null;
  const even = digits.length % 2 === 0 ? digits : `0${digits}`;
  const key = new Uint8Array(even.length / 2);
  for (let i = 0; i < key.length; i++) key[i] = parseInt(even.slice(2 * i, 2 * i + 2), 16);
  return key;
}
