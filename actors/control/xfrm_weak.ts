/**
 * What the log says of an SA that is made as asked although it should not have been asked for: algorithms that are weak
 * (RFC 8221, RFC 8247 and what is older than both), and wishes that are not met.
 */
import type { XfrmStateRequest } from "../gateway.ts";
import { AUTH_ALGOS, ENC_ALGOS, findAlgo } from "./xfrm_algo.ts";
import { saName } from "./xfrm_state_construct.ts";

const SHORT_BLOCKS = "its blocks of 64 bits give text away after some 32 GB under one key";
const WEAK: { readonly [name: string]: string } = {
  "cbc(des)": "its key is found by trying",
  "cbc(des3_ede)": SHORT_BLOCKS,
  "cbc(cast5)": SHORT_BLOCKS,
  "cbc(blowfish)": SHORT_BLOCKS,
  "hmac(md5)": "MD5 is broken",
};
const MIN_ICV_BITS = 96;
const INSTEAD = "choose rfc4106(gcm(aes))";

/** One sentence for each thing that is wrong with it. */
export function weaknesses(request: XfrmStateRequest): string[] {
  const { enc, auth, proto } = request;
  const encName = enc && (findAlgo(ENC_ALGOS, enc.name)?.name ?? enc.name);
  const row = auth && findAlgo(AUTH_ALGOS, auth.name);
  const authName = row?.name ?? auth?.name;
  const said: string[] = [];
  for (const name of [encName, authName]) {
    const why = name && WEAK[name];
    if (why) said.push(`${name} is weak: ${why}; ${INSTEAD}`);
  }
  if (proto === "esp" && enc !== undefined && (auth === undefined || authName === "digest_null")) {
    said.push(`${encName} without authentication lets anybody change packets; ${INSTEAD}`);
  }
  const bits = auth && (auth.trunc_bits || row?.truncBits) || MIN_ICV_BITS;
  if (bits < MIN_ICV_BITS) {
    said.push(`an ICV of ${bits} bits is soon guessed; take ${MIN_ICV_BITS} or more`);
  }
  if (request.extra_flags?.includes("oseq-may-wrap")) {
    said.push(
      "oseq-may-wrap has no effect: no sequence number is used twice, and behind the last one the SA ends",
    );
  }
  return said;
}

/** Says each sentence once. */
export class WeaknessLog {
  readonly #log: (line: string) => void;
  readonly #said = new Set<string>();

  constructor(log: (line: string) => void) {
    this.#log = log;
  }

  note(request: XfrmStateRequest): void {
    for (const sentence of weaknesses(request)) {
      if (this.#said.has(sentence)) continue;
      this.#said.add(sentence);
      this.#log(`${saName(request)}: ${sentence}. Said once, whatever SAs come`);
    }
  }
}
