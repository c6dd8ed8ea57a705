/** ID := [ src ADDR ] [ dst ADDR ] [ proto XFRM-PROTO ] [ spi SPI ] (iproute2 ip/ipxfrm.c xfrm_id_parse()). */
import { type Family, getPrefix, type Prefix, zeroAddress } from "../address.ts";
import { getU32 } from "../number.ts";
import { EXIT_FAILURE, invalidArgument, missingArgument, Quit } from "../quit.ts";
import type { XfrmProto } from "../../api/schemas.ts";
import type { Words } from "../words.ts";
import { parseXfrmProto, type XfrmProtoWord } from "./xfrm_proto.ts";

/** A CPI has 16 bits (RFC 3173 §3.3). */
const CPI_END = 0x10000;

export interface XfrmIdWords {
  src?: Prefix;
  dst?: Prefix;
  proto?: XfrmProtoWord;
  spi?: number;
  family: Family;
}

/** Takes the words of an ID, in any order; none is no error when `loose`. */
export function xfrmIdParse(words: Words, family: Family, loose: boolean): XfrmIdWords {
  const id: XfrmIdWords = { family };
  for (;;) {
    switch (words.peek()) {
      case "src":
        words.take();
        id.src = takePrefix(words, "src", family);
        id.family = id.src.family;
        continue;
      case "dst":
        words.take();
        id.dst = takePrefix(words, "dst", family);
        id.family = id.dst.family;
        continue;
      case "proto":
        words.take();
        id.proto = parseXfrmProto(words.take());
        continue;
      case "spi":
        words.take();
        id.spi = takeU32(words, "SPI value is invalid");
        continue;
    }
    break;
  }
  checkId(id, words, loose);
  return id;
}

function checkId(id: XfrmIdWords, words: Words, loose: boolean): void {
  checkFamilies(id.src, id.dst, words);
  if (id.spi && (id.proto === "route2" || id.proto === "hao")) {
    throw new Quit(EXIT_FAILURE, `"spi" is invalid with XFRM-PROTO value "${id.proto}"`);
  }
  if (id.proto === "comp" && (id.spi ?? 0) >= CPI_END) {
    throw new Quit(EXIT_FAILURE, 'SPI value is too large with XFRM-PROTO value "comp"');
  }
  if (!loose && id.proto === undefined) throw missingArgument("XFRM-PROTO");
}

export function takePrefix(words: Words, side: "src" | "dst", family: Family): Prefix {
  const word = words.take();
  const prefix = getPrefix(word, family);
  if (prefix.family !== 0) return prefix;
  throw invalidArgument(`value after "${side}" has an unrecognized address family`, word);
}

export function checkFamilies(src: Prefix | undefined, dst: Prefix | undefined, words: Words): void {
  if (src === undefined || dst === undefined || src.family === dst.family) return;
  const reason = 'the same address family is required between values after "src" and "dst"';
  throw invalidArgument(reason, words.last);
}

export function takeU32(words: Words, reason: string): number {
  const word = words.take();
  const value = getU32(word);
  if (value === null) throw invalidArgument(reason, word);
  return value;
}

/** What the daemon takes as the name of an SA; `strange` is thrown for a protocol that no SA here has. */
export function stateIdOf(id: XfrmIdWords, strange: Quit): { src: string; dst: string; proto: XfrmProto } {
  if (!isIpsecProto(id.proto)) throw strange;
  return {
    src: id.src?.text ?? zeroAddress(id.family),
    dst: id.dst?.text ?? zeroAddress(id.family),
    proto: id.proto,
  };
}

/** The others are of route optimization (RFC 6275), which is no business of a tunnel gateway. */
export function isIpsecProto(proto: XfrmProtoWord | undefined): proto is XfrmProto {
  return proto === "esp" || proto === "ah" || proto === "comp";
}
