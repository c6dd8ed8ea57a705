/**
 * Keys at rest: AES-256-GCM under the key of the store, bound to the thing they belong to; or as they are.
 *
 * A sealed blob: a byte 1, 12 bytes of nonce, ciphertext, 16 bytes of tag. An unsealed one: a byte 0, the bytes.
 */
import { createCipheriv, createDecipheriv, randomFillSync } from "node:crypto";

export const SEAL_KEY_BYTES = 32;
const CIPHER = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const PLAIN = 0;
const SEALED = 1;

/** `identity` is the thing's: what is sealed for one can't be opened for another. */
export function seal(secret: Uint8Array, identity: string, key: Uint8Array | null): Uint8Array {
  if (key === null) return Uint8Array.of(PLAIN, ...secret);
  const nonce = randomFillSync(new Uint8Array(NONCE_BYTES));
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(new TextEncoder().encode(identity));
  const text = cipher.update(secret);
  return Uint8Array.of(SEALED, ...nonce, ...text, ...cipher.final(), ...cipher.getAuthTag());
}

/**
 * null: it can't be opened with this key, or was changed; with a key, what is unsealed was. An empty blob stands for
 * nothing.
 */
export function unseal(blob: Uint8Array, identity: string, key: Uint8Array | null): Uint8Array | null {
  if (blob.length === 0) return new Uint8Array();
  if (blob[0] === PLAIN && key === null) return blob.slice(1);
  if (blob[0] !== SEALED || key === null || blob.length < 1 + NONCE_BYTES + TAG_BYTES) return null;
  const text = blob.subarray(1 + NONCE_BYTES, blob.length - TAG_BYTES);
  const decipher = createDecipheriv(CIPHER, key, blob.subarray(1, 1 + NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(new TextEncoder().encode(identity));
  decipher.setAuthTag(blob.subarray(blob.length - TAG_BYTES));
  try {
    const opened = decipher.update(text);
    decipher.final();
    return new Uint8Array(opened);
  } catch {
    return null;
  }
}

export function isSealed(blob: Uint8Array): boolean {
  return blob[0] === SEALED;
}
