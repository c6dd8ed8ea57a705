/** An SA from charon's log in the words of `ip xfrm state`, by the proposal it was agreed on. */
import type { LoggedSa } from "./charon_log.ts";

const aead = (name: string, bits: number) => ({ enc }: LoggedSa) => `aead ${name} 0x${enc} ${bits}`;
const encAuth = (cipher: string, mac: string, bits: number) => ({ enc, auth }: LoggedSa) =>
  `enc ${cipher} 0x${enc} auth-trunc ${mac} 0x${auth} ${bits}`;

const PROPOSALS: Readonly<Record<string, (sa: LoggedSa) => string>> = {
  "aes128gcm16": aead("rfc4106(gcm(aes))", 128),
  "aes256gcm16": aead("rfc4106(gcm(aes))", 128),
  "aes128gcm12": aead("rfc4106(gcm(aes))", 96),
  "aes128gcm8": aead("rfc4106(gcm(aes))", 64),
  "aes128ccm16": aead("rfc4309(ccm(aes))", 128),
  "chacha20poly1305": aead("rfc7539esp(chacha20,poly1305)", 128),
  "aes128ctr-sha256": encAuth("rfc3686(ctr(aes))", "hmac(sha256)", 128),
  "aes128-sha256": encAuth("cbc(aes)", "hmac(sha256)", 128),
  "aes256-sha512": encAuth("cbc(aes)", "hmac(sha512)", 256),
  "aes128-sha1": encAuth("cbc(aes)", "hmac(sha1)", 96),
};

/** Proposals in swanctl's words. */
export const ESP_PROPOSALS: readonly string[] = Object.keys(PROPOSALS);

export const saWords = (proposal: string, sa: LoggedSa): string => PROPOSALS[proposal]!(sa);
