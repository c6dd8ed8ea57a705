/**
 * Algorithms of ESP and AH as the crypto layer sees them: key lengths, IV, block, ICV; and the check of one SA's keys.
 *
 * Not handled, with the reason: cbc(serpent), cbc(twofish): in no library that the gateway uses. An ICV of ESP beyond
 * 256 bits: a batch has room for 32 bytes.
 */
import type { AuthSpec } from "../datapath/ah/auth.ts";
import type { CryptoRefusal, EspTransformSpec } from "../datapath/esp/aead.ts";

export interface AeadAlgorithm {
  readonly name:
    | "rfc4106(gcm(aes))"
    | "rfc4309(ccm(aes))"
    | "rfc4543(gcm(aes))"
    | "rfc7539esp(chacha20,poly1305)";
  /** Bytes of the cipher key, without the salt behind it. */
  readonly keyBytes: readonly number[];
  /** Bytes at the end of the key material that open every nonce. */
  readonly saltBytes: number;
  readonly icvBits: readonly number[];
}

export interface CipherAlgorithm {
  readonly name:
    | "ecb(cipher_null)"
    | "cbc(aes)"
    | "cbc(camellia)"
    | "cbc(des)"
    | "cbc(des3_ede)"
    | "cbc(cast5)"
    | "cbc(blowfish)"
    | "rfc3686(ctr(aes))";
  readonly alias: string | null;
  readonly keyBytes: readonly number[];
  /** Bytes at the end of the key material that open every counter block (RFC 3686 §5.1). */
  readonly saltBytes: number;
  /** Bytes of the IV in the packet. */
  readonly ivLength: number;
  /** The text is a multiple of this. */
  readonly blockSize: number;
}

export interface AuthAlgorithm {
  readonly name:
    | "digest_null"
    | "hmac(md5)"
    | "hmac(sha1)"
    | "hmac(sha256)"
    | "hmac(sha384)"
    | "hmac(sha512)"
    | "hmac(rmd160)"
    | "xcbc(aes)"
    | "cmac(aes)";
  readonly alias: string | null;
  readonly digestBytes: number;
  /** Bytes of the key; null: any number (RFC 2104). */
  readonly keyBytes: readonly number[] | null;
}

const AES = [16, 24, 32];
/** Every length from one to another. */
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

const AEADS: readonly AeadAlgorithm[] = [
  { name: "rfc4106(gcm(aes))", keyBytes: AES, saltBytes: 4, icvBits: [64, 96, 128] },
  { name: "rfc4309(ccm(aes))", keyBytes: AES, saltBytes: 3, icvBits: [64, 96, 128] },
  { name: "rfc4543(gcm(aes))", keyBytes: AES, saltBytes: 4, icvBits: [128] },
  { name: "rfc7539esp(chacha20,poly1305)", keyBytes: [32], saltBytes: 4, icvBits: [128] },
];

const CIPHERS: readonly CipherAlgorithm[] = [
  { name: "ecb(cipher_null)", alias: "cipher_null", keyBytes: [0], saltBytes: 0, ivLength: 0, blockSize: 4 },
  { name: "cbc(aes)", alias: "aes", keyBytes: AES, saltBytes: 0, ivLength: 16, blockSize: 16 },
  { name: "cbc(camellia)", alias: "camellia", keyBytes: AES, saltBytes: 0, ivLength: 16, blockSize: 16 },
  { name: "cbc(des)", alias: "des", keyBytes: [8], saltBytes: 0, ivLength: 8, blockSize: 8 },
  { name: "cbc(cast5)", alias: "cast5", keyBytes: range(5, 16), saltBytes: 0, ivLength: 8, blockSize: 8 },
  {
    name: "cbc(blowfish)",
    alias: "blowfish",
    keyBytes: range(4, 56),
    saltBytes: 0,
    ivLength: 8,
    blockSize: 8,
  },
  { name: "cbc(des3_ede)", alias: "des3_ede", keyBytes: [24], saltBytes: 0, ivLength: 8, blockSize: 8 },
  { name: "rfc3686(ctr(aes))", alias: null, keyBytes: AES, saltBytes: 4, ivLength: 8, blockSize: 4 },
];

const AUTHS: readonly AuthAlgorithm[] = [
  { name: "digest_null", alias: null, digestBytes: 0, keyBytes: null },
  { name: "hmac(md5)", alias: "md5", digestBytes: 16, keyBytes: null },
  { name: "hmac(sha1)", alias: "sha1", digestBytes: 20, keyBytes: null },
  { name: "hmac(sha256)", alias: "sha256", digestBytes: 32, keyBytes: null },
  { name: "hmac(sha384)", alias: null, digestBytes: 48, keyBytes: null },
  { name: "hmac(sha512)", alias: null, digestBytes: 64, keyBytes: null },
  { name: "hmac(rmd160)", alias: "rmd160", digestBytes: 20, keyBytes: null },
  { name: "xcbc(aes)", alias: null, digestBytes: 16, keyBytes: [16] },
  { name: "cmac(aes)", alias: null, digestBytes: 16, keyBytes: AES },
];
/** Longest ICV that the tailroom of a batch holds. */
const MAX_ICV_BYTES = 32;

/** What `CryptoBackend` answers instead of a transform. */
export type Refusal = CryptoRefusal;

/** AEAD with checked keys. The key bytes are copies: whoever holds the plan zeroes them. */
export interface AeadPlan {
  readonly kind: "aead";
  readonly algorithm: AeadAlgorithm;
  readonly key: Uint8Array<ArrayBuffer>;
  readonly salt: Uint8Array<ArrayBuffer>;
  readonly icvLength: number;
}

/** Cipher and MAC with checked keys (RFC 4303 §3.3.2.1); the same of its key bytes. */
export interface AuthencPlan {
  readonly kind: "authenc";
  readonly cipher: CipherAlgorithm;
  readonly cipherKey: Uint8Array<ArrayBuffer>;
  readonly salt: Uint8Array<ArrayBuffer>;
  readonly auth: AuthAlgorithm;
  readonly authKey: Uint8Array<ArrayBuffer>;
  readonly icvLength: number;
}

export type EspPlan = AeadPlan | AuthencPlan;

/** MAC with a checked key, a copy as well. */
export interface AuthPlan {
  readonly auth: AuthAlgorithm;
  readonly key: Uint8Array<ArrayBuffer>;
  readonly icvLength: number;
}

export function isRefusal(x: object): x is Refusal {
  return "errno" in x;
}

/** ENOSYS with a sentence. */
export function refuseUnknown(name: string, state: string): Refusal {
  return { errno: "ENOSYS", message: `Create transform "${name}": ${state}` };
}

function refuseKey(name: string, state: string): Refusal {
  return { errno: "EINVAL", message: `Create transform "${name}": ${state}` };
}

/** Finds the algorithms of `spec` and checks the lengths of its keys. Kernel: net/ipv4/esp4.c esp_init_state(). */
export function planTransform(spec: EspTransformSpec): EspPlan | Refusal {
  if (spec.aead !== undefined) {
    if (spec.enc !== undefined || spec.auth !== undefined) {
      return refuseKey(spec.aead.name, "an AEAD excludes enc and auth");
    }
    return planAead(spec.aead);
  }
  if (spec.enc === undefined) {
    return refuseKey(
      spec.auth?.name ?? "",
      "neither enc nor aead is given; for no encryption say ecb(cipher_null)",
    );
  }
  return planAuthenc(spec.enc, spec.auth);
}

function planAead(aead: NonNullable<EspTransformSpec["aead"]>): AeadPlan | Refusal {
  const algorithm = AEADS.find((row) => row.name === aead.name);
  if (algorithm === undefined) return refuseUnknown(aead.name, "unknown AEAD");
  if (!algorithm.icvBits.includes(aead.icvBits)) {
    return refuseUnknown(aead.name, `ICV of ${aead.icvBits} bits, known are ${algorithm.icvBits.join(", ")}`);
  }
  const keyBytes = aead.key.length - algorithm.saltBytes;
  if (!algorithm.keyBytes.includes(keyBytes)) {
    return refuseKey(aead.name, keyLengthState(aead.key.length, algorithm.keyBytes, algorithm.saltBytes));
  }
  return {
    kind: "aead",
    algorithm,
    key: new Uint8Array(aead.key.subarray(0, keyBytes)),
    salt: new Uint8Array(aead.key.subarray(keyBytes)),
    icvLength: aead.icvBits / 8,
  };
}

/** The kernel takes enc without auth too: the packets then have no ICV (authenc(digest_null, …)). */
const NO_AUTH: AuthPlan = { auth: AUTHS[0], key: new Uint8Array(0), icvLength: 0 };

function planAuthenc(
  enc: NonNullable<EspTransformSpec["enc"]>,
  auth: EspTransformSpec["auth"],
): AuthencPlan | Refusal {
  const cipher = CIPHERS.find((row) => row.name === enc.name || row.alias === enc.name);
  if (cipher === undefined) return refuseUnknown(enc.name, "unknown cipher");
  const keyBytes = enc.key.length - cipher.saltBytes;
  if (!cipher.keyBytes.includes(keyBytes)) {
    return refuseKey(cipher.name, keyLengthState(enc.key.length, cipher.keyBytes, cipher.saltBytes));
  }
  const mac = auth === undefined ? NO_AUTH : findAuth(auth);
  if (isRefusal(mac)) return mac;
  if (mac.icvLength > MAX_ICV_BYTES) {
    mac.key.fill(0);
    const state = `ICV of ${mac.icvLength * 8} bits, at most ${MAX_ICV_BYTES * 8} are supported`;
    return refuseUnknown(mac.auth.name, state);
  }
  return {
    kind: "authenc",
    cipher,
    cipherKey: new Uint8Array(enc.key.subarray(0, keyBytes)),
    salt: new Uint8Array(enc.key.subarray(keyBytes)),
    auth: mac.auth,
    authKey: mac.key,
    icvLength: mac.icvLength,
  };
}

/** Finds the MAC of `spec` and checks the length of its key. Kernel: net/ipv4/ah4.c ah_init_state(). */
export function planAuth(spec: AuthSpec): AuthPlan | Refusal {
  return findAuth(spec.auth);
}

function findAuth({ name, key, truncBits }: AuthSpec["auth"]): AuthPlan | Refusal {
  const auth = AUTHS.find((row) => row.name === name || row.alias === name);
  if (auth === undefined) return refuseUnknown(name, "unknown authentication algorithm");
  if (truncBits > auth.digestBytes * 8) {
    return refuseKey(auth.name, `ICV of ${truncBits} bits, the digest has ${auth.digestBytes * 8}`);
  }
  if (auth.keyBytes !== null && !auth.keyBytes.includes(key.length)) {
    return refuseKey(auth.name, keyLengthState(key.length, auth.keyBytes, 0));
  }
  return { auth, key: new Uint8Array(key), icvLength: truncBits >> 3 };
}

function keyLengthState(bytes: number, cipherBytes: readonly number[], saltBytes: number): string {
  const bits = cipherBytes.map((n) => (n + saltBytes) * 8);
  const known = bits.length > 4 ? `${bits[0]} to ${bits.at(-1)}` : bits.join(", ");
  return `key of ${bytes * 8} bits, known are ${known}`;
}

/** Zeroes the keys of a plan that is not needed any more. */
export function wipePlan(plan: EspPlan): void {
  plan.salt.fill(0);
  if (plan.kind === "aead") plan.key.fill(0);
  else {
    plan.cipherKey.fill(0);
    plan.authKey.fill(0);
  }
}
