/** The key that SA keys are sealed with in the state directory. */
import { SEAL_KEY_BYTES } from "../actors/store/seal.ts";
import { fileErrorReason } from "./file_error.ts";

const FILE_VARIABLE = "VTI_GATEWAY_STATE_KEY_FILE";
const HEX_VARIABLE = "VTI_GATEWAY_STATE_KEY";
/** LoadCredential= or LoadCredentialEncrypted= of a unit puts it there. */
const CREDENTIAL = "state-key";
const HEX_DIGITS = 2 * SEAL_KEY_BYTES;

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
  const key = parseHex(hex);
  if (key === null) {
    throw new Error(`Cannot read the state key in ${HEX_VARIABLE}: expected ${HEX_DIGITS} hex digits`);
  }
  return key;
}

function readKeyFile(path: string): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = Deno.readFileSync(path);
  } catch (error) {
    throw new Error(`Cannot read the state key in ${path}: ${fileErrorReason(error)}`);
  }
  return parseKeyFile(bytes, path);
}

/** Takes `bytes` over. Says nothing of them. */
function parseKeyFile(bytes: Uint8Array, from: string): Uint8Array {
  if (bytes.length === SEAL_KEY_BYTES) return bytes;
  const key = parseHex(new TextDecoder().decode(bytes));
  bytes.fill(0);
  if (key !== null) return key;
  throw new Error(
    `Cannot read the state key in ${from}: expected ${SEAL_KEY_BYTES} bytes, or ${HEX_DIGITS} hex digits`,
  );
}

function parseHex(text: string): Uint8Array | null {
  const digits = text.trim();
  return digits.length === HEX_DIGITS && /^[0-9a-fA-F]+$/.test(digits) ? Uint8Array.fromHex(digits) : null;
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
