/** Which states `ip xfrm state list|deleteall` means (iproute2 ip/xfrm_state.c xfrm_state_filter_match()). */
import { familyOf, prefixMatches } from "../address.ts";
import type { Options } from "../options.ts";
import { invalidArgument } from "../quit.ts";
import type { XfrmMode, XfrmStateFlag, XfrmStateInfo } from "../../api/schemas.ts";
import type { Words } from "../words.ts";
import { takeU32, xfrmIdParse, type XfrmIdWords } from "./xfrm_id_parse.ts";
import { parseMode } from "./xfrm_proto.ts";
import { takeStateFlags } from "./xfrm_state_modify.ts";

export interface StateFilter {
  readonly nokeys: boolean;
  matches(state: XfrmStateInfo): boolean;
}

export function stateFilterParse(
  words: Words,
  { family, otherFamily }: Pick<Options, "family" | "otherFamily">,
): StateFilter {
  let nokeys = false;
  let id: XfrmIdWords | undefined;
  let mode: XfrmMode | undefined;
  let reqid: number | undefined;
  let flags: XfrmStateFlag[] | undefined;
  while (!words.done) {
    const word = words.peek();
    if (word === "nokeys" || word === "mode" || word === "reqid" || word === "flag") {
      words.take();
      if (word === "nokeys") nokeys = true;
      else if (word === "mode") mode = parseMode(words.take());
      else if (word === "reqid") reqid = takeU32(words, "REQID value is invalid");
      else flags = takeStateFlags(words);
    } else {
      if (id !== undefined) throw invalidArgument("unknown", words.take());
      id = xfrmIdParse(words, family, true);
    }
  }
  return {
    nokeys,
    matches: (state) =>
      otherFamily === undefined && (family === 0 || familyOf(state.dst) === family) &&
      (mode === undefined || state.mode === mode) &&
      (reqid === undefined || state.reqid === reqid) &&
      (flags === undefined || flags.some((flag) => state.flags.includes(flag))) &&
      (id === undefined || idMatches(state, id)),
  };
}

function idMatches(state: XfrmStateInfo, { src, dst, proto, spi }: XfrmIdWords): boolean {
  return (src === undefined || prefixMatches(state.src, src.text, src.bits)) &&
    (dst === undefined || prefixMatches(state.dst, dst.text, dst.bits)) &&
    (proto === undefined || state.proto === proto) &&
    (spi === undefined || state.spi === spi);
}
