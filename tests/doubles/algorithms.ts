/**
 * Algorithms of ESP with a key each, in the words of every judge: `ip xfrm state`, tshark, scapy.
 * Keys are counted-up bytes, so that a shifted or swapped key shows.
 */

const hex = (first: number, length: number): string =>
  Array.from({ length }, (_, i) => (first + i).toString(16).padStart(2, "0")).join("");
const AES128 = hex(0x10, 16);
const AES192 = hex(0x40, 24);
const AES256 = hex(0x20, 32);
const SALT = "deadbeef";
const CCM_SALT = "deadbe";
const MAC = (length: number): string => hex(0xa0, length);

export interface Algorithm {
  readonly name: string;
  /** Words for `ip xfrm state add`. */
  readonly words: string;
  /** Longest inner packet over an outer MTU of 1500, raw and in UDP. */
  readonly mtu: { readonly raw: number; readonly udp: number };
  /** Names in tshark's table of ESP SAs; null: it doesn't know the algorithm. */
  readonly tshark: { readonly enc: string; readonly auth: string } | null;
  /** Names in scapy, bytes of an ICV that is not its own length; null: it doesn't know the algorithm. */
  readonly scapy: { readonly crypt: string; readonly auth?: string; readonly icv?: number } | null;
  /** Hex, salt last. */
  readonly encKey: string;
  readonly authKey: string;
}

function aead(
  name: string,
  kernel: string,
  key: string,
  icvBits: 64 | 96 | 128,
  tshark: string | null,
  scapy: string | null,
): Algorithm {
  // RFC 4106 and its kin: 8 bytes of IV, text padded to 4, pad length and next header 2.
  const mtu = 1500 - 20 - 8 - 8 - icvBits / 8 - 2;
  return {
    name,
    words: `aead ${kernel} 0x${key} ${icvBits}`,
    mtu: { raw: mtu, udp: mtu - 8 },
    tshark: tshark === null ? null : { enc: tshark, auth: "NULL" },
    scapy: scapy === null ? null : { crypt: scapy, ...(icvBits === 128 ? {} : { icv: icvBits / 8 }) },
    encKey: key,
    authKey: "",
  };
}

function encAuth(
  name: string,
  enc: readonly [kernel: string, key: string, tshark: string | null, scapy: string],
  auth: readonly [
    kernel: string,
    bits: number,
    keyBytes: number,
    tshark: string | null,
    scapy: string | null,
  ],
  mtu: readonly [raw: number, udp: number],
): Algorithm {
  const authKey = MAC(auth[2]);
  const encKey = enc[1] === "" ? '""' : `0x${enc[1]}`;
  return {
    name,
    words: `enc ${enc[0]} ${encKey} auth-trunc ${auth[0]} 0x${authKey} ${auth[1]}`,
    mtu: { raw: mtu[0], udp: mtu[1] },
    tshark: enc[2] === null || auth[3] === null ? null : { enc: enc[2], auth: auth[3] },
    scapy: auth[4] === null ? null : { crypt: enc[3], auth: auth[4] },
    encKey: enc[1],
    authKey,
  };
}

const gcm = (key: string, icvBits: 64 | 96 | 128) =>
  aead(
    `gcm${(key.length - 8) * 4}${icvBits === 128 ? "" : `-icv${icvBits}`}`,
    "rfc4106(gcm(aes))",
    key,
    icvBits,
    `AES-GCM with ${icvBits / 8} octet ICV [RFC4106]`,
    icvBits === 128 ? "AES-GCM" : null,
  );

const ccm = (key: string, icvBits: 64 | 96 | 128) =>
  aead(
    `ccm${(key.length - 6) * 4}${icvBits === 128 ? "" : `-icv${icvBits}`}`,
    "rfc4309(ccm(aes))",
    key,
    icvBits,
    null,
    "AES-CCM",
  );

const CBC128 = ["cbc(aes)", AES128, "AES-CBC [RFC3602]", "AES-CBC"] as const;
const CBC256 = ["cbc(aes)", AES256, "AES-CBC [RFC3602]", "AES-CBC"] as const;
const CTR128 = ["rfc3686(ctr(aes))", AES128 + SALT, "AES-CTR [RFC3686]", "AES-CTR"] as const;
const NULL = ["ecb(cipher_null)", "", "NULL", "NULL"] as const;
const SHA1 = ["hmac(sha1)", 96, 20, "HMAC-SHA-1-96 [RFC2404]", "HMAC-SHA1-96"] as const;
const SHA256 = ["hmac(sha256)", 128, 32, "HMAC-SHA-256-128 [RFC4868]", "SHA2-256-128"] as const;
const SHA384 = ["hmac(sha384)", 192, 48, "HMAC-SHA-384-192 [RFC4868]", "SHA2-384-192"] as const;
const SHA512 = ["hmac(sha512)", 256, 64, "HMAC-SHA-512-256 [RFC4868]", "SHA2-512-256"] as const;

export const ALGORITHMS: readonly Algorithm[] = [
  gcm(AES128 + SALT, 128),
  gcm(AES192 + SALT, 128),
  gcm(AES256 + SALT, 128),
  gcm(AES128 + SALT, 96),
  gcm(AES128 + SALT, 64),
  ccm(AES128 + CCM_SALT, 128),
  aead("chacha20poly1305", "rfc7539esp(chacha20,poly1305)", AES256 + SALT, 128, null, "CHACHA20-POLY1305"),
  encAuth("cbc128-sha1", CBC128, SHA1, [1438, 1422]),
  encAuth("cbc128-sha256", CBC128, SHA256, [1438, 1422]),
  encAuth("cbc256-sha384", CBC256, SHA384, [1422, 1422]),
  encAuth("cbc256-sha512", CBC256, SHA512, [1422, 1406]),
  encAuth("ctr128-sha256", CTR128, SHA256, [1446, 1438]),
  encAuth("null-sha256", NULL, SHA256, [1454, 1446]),
];

const cbc = (name: string, key: string, tshark: string | null, scapy: string) =>
  [`cbc(${name})`, key, tshark, scapy] as const;
const ctr = (key: string) => ["rfc3686(ctr(aes))", key + SALT, "AES-CTR [RFC3686]", "AES-CTR"] as const;
const DES3 = cbc("des3_ede", hex(0xa0, 24), "TripleDES-CBC [RFC2451]", "3DES");
const DES = cbc("des", "0123456789abcdef", "DES-CBC [RFC2405]", "DES");
const CAST5 = cbc("cast5", AES128, "CAST5-CBC [RFC2144]", "CAST");
const CAST5_40 = cbc("cast5", "0123456712", null, "CAST");
const BLOWFISH = cbc("blowfish", AES128, "BLOWFISH-CBC [RFC2451]", "Blowfish");
const BLOWFISH_448 = cbc("blowfish", hex(0x40, 56), null, "Blowfish");
const SHA256_96 = [
  "hmac(sha256)",
  96,
  32,
  "HMAC-SHA-256-96 [draft-ietf-ipsec-ciph-sha-256-00]",
  null,
] as const;
const MD5 = ["hmac(md5)", 96, 16, "HMAC-MD5-96 [RFC2403]", "HMAC-MD5-96"] as const;
const RMD160 = ["hmac(rmd160)", 96, 20, "MAC-RIPEMD-160-96 [RFC2857]", null] as const;
const CMAC = ["cmac(aes)", 96, 16, null, "AES-CMAC-96"] as const;

/** What some judge knows beside: other lengths of keys and ICVs, and what few use. */
export const MORE_ALGORITHMS: readonly Algorithm[] = [
  ccm(AES192 + CCM_SALT, 128),
  ccm(AES256 + CCM_SALT, 128),
  ccm(AES128 + CCM_SALT, 96),
  ccm(AES128 + CCM_SALT, 64),
  encAuth("cbc192-sha256", cbc("aes", AES192, "AES-CBC [RFC3602]", "AES-CBC"), SHA256, [1438, 1422]),
  encAuth("ctr192-sha256", ctr(AES192), SHA256, [1446, 1438]),
  encAuth("ctr256-sha256", ctr(AES256), SHA256, [1446, 1438]),
  encAuth("cbc128-sha256-96", CBC128, SHA256_96, [1438, 1422]),
  encAuth("cbc128-md5", CBC128, MD5, [1438, 1422]),
  encAuth("cbc128-rmd160", CBC128, RMD160, [1438, 1422]),
  encAuth("cbc128-cmac", CBC128, CMAC, [1438, 1422]),
  encAuth("3des-sha1", DES3, SHA1, [1446, 1438]),
  encAuth("des-sha1", DES, SHA1, [1446, 1438]),
  encAuth("cast5-128-sha1", CAST5, SHA1, [1446, 1438]),
  encAuth("cast5-40-sha1", CAST5_40, SHA1, [1446, 1438]),
  encAuth("blowfish128-sha1", BLOWFISH, SHA1, [1446, 1438]),
  encAuth("blowfish448-sha1", BLOWFISH_448, SHA1, [1446, 1438]),
];

/** The algorithms by name; throws when there is none of that name. */
export function algorithm(name: string): Algorithm {
  const found = ALGORITHMS.find((a) => a.name === name);
  if (!found) throw new Error(`Cannot find algorithm "${name}": not in the table`);
  return found;
}
