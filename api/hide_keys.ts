/** For texts that repeat what somebody gave: a key may stand where an address or a name belongs. */

/** Longer than any number that is written so. A key in characters can't be told from a name. */
const LIKE_A_KEY = /0x[0-9a-f]{17,}/gi;

export function hideKeys(text: string): string {
  return text.replace(LIKE_A_KEY, "<<Keys hidden>>");
}
