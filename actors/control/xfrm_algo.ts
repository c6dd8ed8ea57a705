/**
 * Names of algorithms that `ip xfrm state` knows (net/xfrm/xfrm_algo.c): canonical name, alias, truncation.
 * Key lengths are the crypto backend's business, as they are the kernel's crypto layer's.
 */
export interface AeadAlgo {
  readonly name: string;
  /** Lengths of the ICV that may be asked for. */
  readonly icvBits: readonly number[];
}

export interface AuthAlgo {
  readonly name: string;
  readonly alias?: string;
  readonly fullBits: number;
  /** What `auth` without a length means; for hmac(sha256) the 96 bits from before RFC 4868. */
  readonly truncBits: number;
}

export interface NamedAlgo {
  readonly name: string;
  readonly alias?: string;
}

export const AEAD_ALGOS: readonly AeadAlgo[] = [
  { name: "rfc4106(gcm(aes))", icvBits: [64, 96, 128] },
  { name: "rfc4309(ccm(aes))", icvBits: [64, 96, 128] },
  { name: "rfc4543(gcm(aes))", icvBits: [128] },
  { name: "rfc7539esp(chacha20,poly1305)", icvBits: [128] },
];

export const AUTH_ALGOS: readonly AuthAlgo[] = [
  { name: "digest_null", fullBits: 0, truncBits: 0 },
  { name: "hmac(md5)", alias: "md5", fullBits: 128, truncBits: 96 },
  { name: "hmac(sha1)", alias: "sha1", fullBits: 160, truncBits: 96 },
  { name: "hmac(sha256)", alias: "sha256", fullBits: 256, truncBits: 96 },
  { name: "hmac(sha384)", fullBits: 384, truncBits: 192 },
  { name: "hmac(sha512)", fullBits: 512, truncBits: 256 },
  { name: "hmac(rmd160)", alias: "rmd160", fullBits: 160, truncBits: 96 },
  { name: "xcbc(aes)", fullBits: 128, truncBits: 96 },
  { name: "cmac(aes)", fullBits: 128, truncBits: 96 },
];

export const ENC_ALGOS: readonly NamedAlgo[] = [
  { name: "ecb(cipher_null)", alias: "cipher_null" },
  { name: "cbc(des)", alias: "des" },
  { name: "cbc(des3_ede)", alias: "des3_ede" },
  { name: "cbc(cast5)", alias: "cast5" },
  { name: "cbc(blowfish)", alias: "blowfish" },
  { name: "cbc(aes)", alias: "aes" },
  { name: "cbc(serpent)", alias: "serpent" },
  { name: "cbc(twofish)", alias: "twofish" },
  { name: "cbc(camellia)", alias: "camellia" },
  { name: "rfc3686(ctr(aes))" },
];

/** The kernel's table has lzs and lzjh too, but no implementation of them: ENOSYS there as here. */
export const COMP_ALGOS: readonly NamedAlgo[] = [{ name: "deflate" }];

/** The row with this name or alias (xfrm_alg_name_match). */
export function findAlgo<T extends NamedAlgo>(table: readonly T[], name: string): T | undefined {
  return table.find((row) => row.name === name || row.alias === name);
}
