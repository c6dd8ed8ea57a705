/** ALGO := { enc | auth } NAME KEY | auth-trunc NAME KEY BITS | aead NAME KEY BITS | comp NAME. */
import {
  duplicateArgument,
  EXIT_FAILURE,
  invalidArgument,
  KEYS_HIDDEN,
  missingArgument,
  Quit,
} from "../quit.ts";
import type { XfrmProto, XfrmStateRequest } from "../../api/schemas.ts";
import type { Words } from "../words.ts";
import { takeU32 } from "./xfrm_id_parse.ts";

/** XFRM_ALGO_KEY_BUF_SIZE of iproute2. */
const MAX_KEY_BYTES = 512;

const ALGO_TYPES = ["enc", "auth", "comp", "aead", "auth-trunc"] as const;
type AlgoType = (typeof ALGO_TYPES)[number];

type Writable<T> = { -readonly [K in keyof T]: T[K] };
export type AlgoWords = Writable<Pick<XfrmStateRequest, "enc" | "auth" | "aead" | "comp">>;

export function isAlgoType(word: string): word is AlgoType {
  return (ALGO_TYPES as readonly string[]).includes(word);
}

/** Takes one algorithm. An AEAD stands alone, every other kind may come once. */
export function takeAlgo(words: Words, algos: AlgoWords): void {
  const type = words.take() as AlgoType;
  const taken = {
    "aead": algos.enc ?? algos.auth ?? algos.aead,
    "enc": algos.enc ?? algos.aead,
    "auth": algos.auth ?? algos.aead,
    "auth-trunc": algos.auth ?? algos.aead,
    "comp": algos.comp,
  }[type];
  if (taken !== undefined) throw duplicateArgument("ALGO-TYPE", type);
  const name = takeNamed(words, "ALGO-NAME");
  if (type === "comp") {
    algos.comp = { name };
    return;
  }
  const key = takeNamed(words, "ALGO-KEYMAT");
  switch (type) {
    case "enc":
      algos.enc = { name, key: checkKey(key) };
      break;
    case "auth":
      algos.auth = { name, key: checkKey(key) };
      break;
    case "auth-trunc": {
      const trunc_bits = takeBits(words, "ALGO-TRUNC-LEN");
      algos.auth = { name, key: checkKey(key), trunc_bits };
      break;
    }
    case "aead": {
      const icv_bits = takeBits(words, "ALGO-ICV-LEN");
      algos.aead = { name, key: checkKey(key), icv_bits };
    }
  }
}

/** What each protocol needs and what it cannot have. */
export function checkAlgos({ enc, auth, aead, comp }: AlgoWords, proto: XfrmProto): void {
  const refuse = (reason: string) => {
    throw new Quit(EXIT_FAILURE, `ALGO-TYPE ${reason} with XFRM-PROTO value "${proto}"`);
  };
  switch (proto) {
    case "esp":
      if (comp) refuse('value "comp" is invalid');
      if (!enc && !aead) refuse('value "enc" or "aead" is required');
      break;
    case "ah":
      if (enc || aead || comp) refuse('values "enc", "aead", and "comp" are invalid');
      if (!auth) refuse('value "auth" or "auth-trunc" is required');
      break;
    case "comp":
      if (enc || auth || aead) refuse('values "enc", "auth", "auth-trunc", and "aead" are invalid');
      if (!comp) refuse('value "comp" is required');
  }
}

function takeNamed(words: Words, what: string): string {
  if (words.done) throw missingArgument(what);
  return words.take();
}

function takeBits(words: Words, what: string): number {
  if (words.done) throw missingArgument(what);
  return takeU32(words, `${what} value is invalid`);
}

/** Bytes of a key that is worth hiding; the shortest cipher here has 8. */
const SECRET_BYTES = 8;

/** Hexadecimal after "0x", else the characters themselves. */
function checkKey(key: string): string {
  const isHex = key.length > 2 && key.startsWith("0x");
  const bytes = isHex ? Math.ceil((key.length - 2) / 2) : new TextEncoder().encode(key).length;
  const shown = bytes < SECRET_BYTES ? key : KEYS_HIDDEN;
  if (bytes > MAX_KEY_BYTES) throw invalidArgument("ALGO-KEYMAT value makes buffer overflow\n", shown);
  if (isHex && !/^0x[0-9a-fA-F]+$/.test(key)) throw invalidArgument("ALGO-KEYMAT value is invalid", shown);
  return key;
}
