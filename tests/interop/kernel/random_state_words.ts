/** Random words of `ip xfrm state`. */
import type { Random } from "../../fuzz/random.ts";
import {
  address,
  ipv4,
  limitWords,
  maybe,
  maybeMark,
  mode,
  number,
  oneOf,
  prefix,
  proto,
  selector,
  spi,
} from "./random_grammar.ts";
import { AES, GCM, L, R, SHA256 } from "./words.ts";

export function stateId(r: Random): string[] {
  return [
    ...(r.once(12) ? [] : ["src", r.once(16) ? prefix(r) : ipv4(r)]),
    ...(r.once(12) ? [] : ["dst", r.once(16) ? prefix(r) : ipv4(r)]),
    ...(r.once(20) ? [] : ["proto", proto(r)]),
    ...(r.once(12) ? [] : ["spi", spi(r)]),
  ];
}

export const ENC =
  "cbc(aes) aes cbc(aes) ecb(cipher_null) cipher_null rfc3686(ctr(aes)) cbc(des3_ede) des3_ede cbc(des) cbc(camellia) cbc(serpent) twofish cbc(cast5) blowfish cbc(sm4) nosuch rfc4106(gcm(aes))"
    .split(" ");
export const AUTH =
  "hmac(sha256) sha256 hmac(sha1) sha1 md5 hmac(md5) hmac(sha384) hmac(sha512) xcbc(aes) cmac(aes) digest_null rmd160 hmac(rmd160) hmac(sm3) nosuch sha512"
    .split(" ");
export const AEAD =
  "rfc4106(gcm(aes)) rfc4309(ccm(aes)) rfc4543(gcm(aes)) rfc7539esp(chacha20,poly1305) gcm(aes) nosuch".split(
    " ",
  );
export const keyMaterial = (r: Random): string =>
  r.pick([
    AES,
    AES,
    SHA256,
    `${AES}deadbeef`,
    `${AES}dead00`,
    `${SHA256}deadbeef`,
    '""',
    "0x1",
    "0x",
    "0xzz",
    "secretsecretsecr",
    "0x0011223344556677",
    `${AES}0011223344556677`,
    "short",
  ]);
export const bits = (r: Random): string =>
  r.pick(["128", "128", "96", "64", "0", "256", "192", "160", "100", number(r)]);

export function algorithms(r: Random): string[] {
  switch (r.below(8)) {
    case 0:
      return ["aead", r.pick(AEAD), keyMaterial(r), bits(r)];
    case 1:
      return ["enc", r.pick(ENC), keyMaterial(r)];
    case 2:
      return ["enc", r.pick(ENC), keyMaterial(r), "auth", r.pick(AUTH), keyMaterial(r)];
    case 3:
      return ["enc", "cbc(aes)", AES, "auth-trunc", r.pick(AUTH), keyMaterial(r), bits(r)];
    case 4:
      return r.pick([["comp", "deflate"], ["comp", "lzs"], ["comp", "lzjh"], ["comp", "nosuch"], [
        "auth",
        "hmac(sha256)",
        SHA256,
      ], ["auth-trunc", "sha256", SHA256, bits(r)]]);
    default:
      return GCM.split(" ");
  }
}

export const STATE_FLAGS =
  "noecn decap-dscp nopmtudisc wildrecv icmp af-unspec align4 esn 0xff 0x100 bogus 0x7f"
    .split(" ");

export function protoAndAlgorithms(r: Random): string[] {
  if (r.once(4)) return [...stateId(r), ...algorithms(r)];
  const ends = ["src", r.pick([L, R]), "dst", r.pick([L, R, R])];
  switch (r.below(6)) {
    case 0:
      return [...ends, "proto", "ah", "spi", spi(r), "auth", r.pick(AUTH), keyMaterial(r)];
    case 1:
      return [
        ...ends,
        "proto",
        "comp",
        "spi",
        oneOf(r, "0x100 0x1001 7 0xffff 0x10000"),
        "comp",
        oneOf(r, "deflate deflate lzs"),
      ];
    default:
      return [...ends, "proto", "esp", "spi", spi(r), ...(r.once(2) ? GCM.split(" ") : algorithms(r))];
  }
}

export function newState(r: Random): string[] {
  return [
    ...protoAndAlgorithms(r),
    ...(r.once(10) ? [] : ["mode", mode(r)]),
    ...maybeMark(r, 2),
    ...maybe(r, 4, "reqid", number(r)),
    ...maybe(r, 8, "seq", number(r)),
    ...maybe(r, 4, "replay-window", r.pick(["0", "1", "32", "33", "64", "128", "4096", "4097", number(r)])),
    ...maybe(r, 10, oneOf(r, "replay-seq replay-oseq replay-seq-hi replay-oseq-hi"), number(r)),
    ...maybe(r, 4, "flag", r.pick(STATE_FLAGS), ...maybe(r, 3, r.pick(STATE_FLAGS))),
    ...maybe(r, 10, "extra-flag", oneOf(r, "dont-encap-dscp oseq-may-wrap 0x3")),
    ...maybe(r, 5, "sel", ...selector(r)),
    ...maybe(r, 6, ...limitWords(r), ...maybe(r, 3, ...limitWords(r))),
    ...maybe(
      r,
      8,
      "encap",
      oneOf(r, "espinudp espinudp espinudp-nonike espintcp foo"),
      r.pick(["4500", "500", "0", number(r)]),
      "4500",
      r.pick(["0.0.0.0", "::", R, "2001:db8::1", "any", "foo"]),
    ),
    ...maybe(r, 24, "coa", address(r)),
    ...maybe(r, 24, "ctx", "system_u:object_r"),
    ...maybe(
      r,
      16,
      "offload",
      ...r.pick([["dev", "eth0", "dir", "in"], ["dir", "out"], [
        "dev",
        "eth0",
      ], ["crypto", "dev", "eth0", "dir", "in"]]),
    ),
    ...maybe(r, 6, "output-mark", number(r), ...maybe(r, 2, "mask", number(r))),
    ...maybe(r, 8, "if_id", number(r)),
    ...maybe(r, 10, "tfcpad", number(r)),
  ];
}

export function allocSpi(r: Random): string[] {
  // One SPI alone: what is chosen among several is chance.
  const only = oneOf(r, "0x300 0x301 0x1001");
  return [
    ...["src", r.pick([L, R]), "dst", r.pick([L, R])],
    ...["proto", proto(r)],
    ...maybe(r, 2, "mode", mode(r)),
    ...maybe(r, 3, "mark", oneOf(r, "7 8 0x107")),
    ...maybe(r, 4, "reqid", number(r)),
    ...maybe(r, 6, "seq", number(r)),
    ...["min", only, "max", only],
  ];
}

export function stateFilter(r: Random): string[] {
  return [
    ...maybe(r, 5, "nokeys"),
    ...r.pick([
      [],
      [],
      ["src", prefix(r)],
      ["dst", prefix(r)],
      ["proto", proto(r)],
      ["spi", spi(r)],
      stateId(r),
    ]),
    ...maybe(r, 6, "mode", mode(r)),
    ...maybe(r, 8, "reqid", number(r)),
    ...maybe(r, 6, "flag", r.pick(STATE_FLAGS)),
  ];
}
