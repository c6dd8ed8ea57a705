/**
 * What the words that Linux and the gateway are both asked are made of. They stand in link_words.ts, device_words.ts, state_words.ts
 * and policy_words.ts, in sections that each begin without devices, states and
 * policies. A line that begins with "system" sets the stage by the system's own `ip` at both ends and is not compared.
 *
 * Both ends have eth0 with 192.0.2.2/24 and d0 with 203.0.113.1/24 (MTU 9000).
 */

export interface Section {
  readonly name: string;
  readonly commands: readonly string[];
}

export const L = "192.0.2.2";
export const R = "192.0.2.1";
export const ENDS = `local ${L} remote ${R}`;
export const AES = "0x101112131415161718191a1b1c1d1e1f";
export const SHA256 = "0xa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf";
export const GCM = `aead rfc4106(gcm(aes)) ${AES}deadbeef 128`;
export const STATE = `src ${R} dst ${L} proto esp`;
export const ADD = `xfrm state add ${STATE}`;
export const TMPL = `tmpl src ${L} dst ${R} proto esp mode tunnel`;

/** Each text, a command with "*" in its place. */
export const each = (texts: readonly string[], ...commands: string[]): string[] =>
  texts.flatMap((text) => commands.map((command) => command.replaceAll("*", text)));

/** Each text as a state with an SPI of its own, in place of "SPI"; then all of them at once. */
export const states = (texts: readonly string[]): string[] => [
  ...texts.map((text, i) => `xfrm state add ${text.replace("SPI", `0x${(FIRST_SPI + i).toString(16)}`)}`),
  "xfrm state",
  "-s xfrm state",
  "xfrm state list nokeys",
];
const FIRST_SPI = 0x1001;
