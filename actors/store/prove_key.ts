/** Whether the key that is given is the one that the store's keys are sealed with. */
import type { Database } from "./database.ts";
import { isSealed, seal, unseal } from "./seal.ts";

/** Sealed with the key of the store, and kept in it. */
const PROOF = new TextEncoder().encode("vti-gateway");
const PROOF_IDENTITY = "key proof";

/**
 * Throws when what is sealed can't be opened with `key`. With the first key that the store is given, seals what lies
 * there unsealed and leaves nothing of it. Returns whether keys stay unsealed.
 */
export function proveKey(db: Database, key: Uint8Array | null, dir: string): boolean {
  const proof = db.meta("key_proof");
  if (proof !== undefined) {
    if (key === null) {
      throw new Error(`Open the keys in ${dir}: they are sealed, and no key to open them is given`);
    }
    if (unseal(Uint8Array.fromHex(proof), PROOF_IDENTITY, key) === null) {
      throw new Error(`Open the keys in ${dir}: they are sealed with another key than the one given`);
    }
    return false;
  }
  const unsealed = db.read().objects.filter(({ sealed }) => sealed.length > 0 && !isSealed(sealed));
  if (key === null) return unsealed.length > 0;
  const again = unsealed.map((row) => {
    const sealed = seal(unseal(row.sealed, row.identity, null)!, row.identity, key);
    return [row.identity, { ...row, sealed }] as const;
  });
  db.write({
    meta: { key_proof: seal(PROOF, PROOF_IDENTITY, key).toHex() },
    objects: new Map(again),
  });
  db.forget();
  return false;
}
