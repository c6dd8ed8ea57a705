/** The key that SA keys are sealed with in the state directory. */
import { SEAL_KEY_BYTES } from "../actors/store/seal.ts";

const FILE_VARIABLE = "VTI_GATEWAY_STATE_KEY_FILE";
const HEX_VARIABLE = "VTI_GATEWAY_STATE_KEY";
/** LoadCredential= or LoadCredentialEncrypted= of a unit puts it there. */
const CREDENTIAL = "state-key";

/** From the file, else the credential, else the variable; null when none of them is given. Throws an Error. */
export function readStateKey(): Uint8Array | null {
  const file = Deno.env.get(FILE_VARIABLE);
  if (file !== undefined) return readKeyFile(file);
  const credentials = Deno.env.get("CREDENTIALS_DIRECTORY");
  if (credentials !== undefined && exists(`${credentials}/${CREDENTIAL}`)) {
    return readKeyFile(`${credentials}/${CREDENTIAL}`);
  }
  const hex = Deno.env.get(HEX_VARIABLE);
  if (hex === undefined) return null;
  // Not for those that are started from here.
  Deno.env.delete(HEX_VARIABLE);
  return parseKey(new TextEncoder().encode(hex), HEX_VARIABLE);
}

function readKeyFile(path: string): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = Deno.readFileSync(path);
  } catch (error) {
    throw new Error(`Read the state key in ${path}: ${(error as Error).message}`);
  }
  return parseKey(bytes, path);
}

/** Takes `bytes` over. Says nothing of them. */
function parseKey(bytes: Uint8Array, from: string): Uint8Array {
  if (bytes.length === SEAL_KEY_BYTES) return bytes;
  const text = new TextDecoder().decode(bytes).trim();
  bytes.fill(0);
  if (new RegExp(`^[0-9a-fA-F]{${2 * SEAL_KEY_BYTES}}$`).test(text)) return Uint8Array.fromHex(text);
  throw new Error(
    `Read the state key in ${from}: expected ${SEAL_KEY_BYTES} bytes, or ${2 * SEAL_KEY_BYTES} hex digits`,
  );
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
