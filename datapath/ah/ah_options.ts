/** IPv4 options under AH (RFC 4302 appendix A1; net/ipv4/ah4.c ip_clear_mutable_options()). */
import * as ipv4 from "../wire/ipv4.ts";

const END = 0;
const NOP = 1;
/** Options that no router changes: security, extended security, commercial security, router alert, multi-destination. */
const IMMUTABLE: readonly number[] = [0x82, 0x85, 0x86, 0x94, 0x95];
/** Loose and strict source route; too short for an address, they are an error. */
const SOURCE_ROUTES: readonly number[] = [0x83, 0x89];
const SHORTEST_SOURCE_ROUTE = 6;

/**
 * Zeroes every option that a router may have changed in the header of `headerBytes` at `at`. False for an option that
 * is shorter than its two first bytes or longer than the header.
 */
export function clearMutableOptions(u8: Uint8Array, at: number, headerBytes: number): boolean {
  const end = at + headerBytes;
  let p = at + ipv4.HEADER_BYTES;
  while (p < end) {
    const type = u8[p];
    if (type === END) return true;
    if (type === NOP) {
      p++;
      continue;
    }
    const length = p + 1 < end ? u8[p + 1] : 0;
    if (length < 2 || p + length > end) return false;
    if (SOURCE_ROUTES.includes(type) && length < SHORTEST_SOURCE_ROUTE) return false;
    if (!IMMUTABLE.includes(type)) u8.fill(0, p, p + length);
    p += length;
  }
  return true;
}
