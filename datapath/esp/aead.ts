/**
 * What the ESP path needs of a cipher; ffi/ implements it. One object holds the keys of one SA and one direction.
 *
 * Every offset is a byte offset into the batch's slab. `esp` is where the ESP header (SPI, sequence number) starts;
 * the IV follows at esp + 8, the text at esp + 8 + ivLength, the ICV right behind the text. All work is in place.
 */
import type { AuthSpec, AuthTransform } from "../ah/auth.ts";
import type { Batch } from "../batch.ts";

/** Names and keys of a transform, as in `ip xfrm state`; keys are raw bytes, salt last (RFC 4106 §8.1). */
export interface EspTransformSpec {
  /** AEAD algorithm; excludes the two others. */
  readonly aead?: { readonly name: string; readonly key: Uint8Array; readonly icvBits: number };
  readonly enc?: { readonly name: string; readonly key: Uint8Array };
  readonly auth?: { readonly name: string; readonly key: Uint8Array; readonly truncBits: number };
  /** Extended sequence numbers: the high 32 bits are authenticated but not sent (RFC 4303 §2.2.1). */
  readonly esn: boolean;
  /** "out" seals, "in" opens. */
  readonly direction: "in" | "out";
}

export interface EspTransform {
  /** Bytes of the IV behind the ESP header. */
  readonly ivLength: number;
  /** Bytes of the ICV behind the text. */
  readonly icvLength: number;
  /** The text's length is a multiple of this (4 for stream modes). */
  readonly blockSize: number;
  /**
   * Writes the IV, encrypts `length` bytes of text, writes the ICV. The ESP header must be complete.
   * `seqHi` is the high half of the sequence number, 0 without ESN. Returns false when the library failed.
   */
  seal(batch: Batch, esp: number, length: number, seqHi: number): boolean;
  /**
   * Verifies the ICV, then decrypts `length` bytes of text. Returns false when the ICV does not fit; the text is
   * then undefined and must not be looked at.
   */
  open(batch: Batch, esp: number, length: number, seqHi: number): boolean;
  /** Zeroes and frees the keys. The object must not be used afterwards. */
  destroy(): void;
}

/** The errno that `ip xfrm state add` would give: ENOSYS unknown algorithm, EINVAL bad key. */
export interface CryptoRefusal {
  readonly errno: "ENOSYS" | "EINVAL";
  readonly message: string;
}

/**
 * Seals that may be done together: between begin() and end(), seal() of some transforms puts off the encryption. What
 * was put off is done by flush(), and by end(), which must come before the batch goes on.
 */
export interface SealsTogether {
  begin(): void;
  flush(): void;
  end(): void;
}

/** One library that can make transforms. */
export interface CryptoBackend {
  readonly name: "ipsec-mb" | "libcrypto" | "noble";
  /** Set by a library that is faster at many packets at once. */
  readonly seals?: SealsTogether;
  /** Makes what ESP needs. */
  create(spec: EspTransformSpec): EspTransform | CryptoRefusal;
  /** Makes what AH needs. */
  createAuth(spec: AuthSpec): AuthTransform | CryptoRefusal;
}
