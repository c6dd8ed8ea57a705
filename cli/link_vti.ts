/** The words after `type vti` (iproute2 ip/link_vti.c). */
import { getAddr32, getAddress, ipv4Number } from "./address.ts";
import { getU32 } from "./number.ts";
import { EXIT_FAILURE, EXIT_USAGE, invalidArgument, Quit } from "./quit.ts";
import type { VtiInfoData } from "../api/schemas.ts";
import { matches, type Words } from "./words.ts";

export const VTI_USAGE = `Usage: ... vti 	[ remote ADDR ]
		[ local ADDR ]
		[ [i|o]key KEY ]
		[ dev PHYS_DEV ]
		[ fwmark MARK ]

Where:	ADDR := { IP_ADDRESS }
	KEY  := { DOTTED_QUAD | NUMBER }
	MARK := { 0x0..0xffffffff }`;

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Reads the parameters; what is not named stays absent. "any" is 0.0.0.0, which a change must say. */
export function vtiParseOpt(words: Words): VtiInfoData {
  const data: Writable<VtiInfoData> = {};
  while (!words.done) {
    const word = words.take();
    if (matches(word, "key")) {
      data.ikey = data.okey = tnlParseKey("key", words.take());
    } else if (matches(word, "ikey")) {
      data.ikey = tnlParseKey("ikey", words.take());
    } else if (matches(word, "okey")) {
      data.okey = tnlParseKey("okey", words.take());
    } else if (matches(word, "remote")) {
      data.remote = getAddress(words.take(), 4).text;
    } else if (matches(word, "local")) {
      data.local = getAddress(words.take(), 4).text;
    } else if (matches(word, "dev")) {
      data.link = words.take();
    } else if (word === "fwmark") {
      data.fwmark = parseFwmark(words.take());
    } else {
      throw new Quit(EXIT_FAILURE, VTI_USAGE);
    }
  }
  return data;
}

/** A key as a mark value, in host order: a number, or a dotted quad (tnl_parse_key). */
export function tnlParseKey(name: string, text: string): number {
  if (text.includes(".")) return ipv4Number(getAddr32(text));
  const key = getU32(text);
  if (key !== null) return key;
  throw new Quit(EXIT_USAGE, `invalid value for "${name}": "${text}"; it should be an unsigned integer`);
}

function parseFwmark(text: string): number {
  const mark = getU32(text);
  if (mark === null) throw invalidArgument("invalid fwmark\n", text);
  return mark;
}
